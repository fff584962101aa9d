"""`registry/plain.py` over a real Redis: what only shows between two looks of arq."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from scalr_tasks import Context, Registry, events
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.broker.redis_leases import RedisLeases
from scalr_tasks.registry.codec import JobEnded
from scalr_tasks.registry.delivery import Delivery, Misfit, receive
from scalr_tasks.registry.plain import Claimed, PlainRunner, RunLater
from scalr_tasks.settings import Settings
from tests.support.engine import Heard
from tests.support.until import until

KEY = "arq:queue:default"


class Shop:
    """A registry with two tasks, and a runner for its queue."""

    def __init__(self, redis_url: str, broker: RedisBroker, redis: Redis, claim_ms: int) -> None:
        self.registry = Registry("shop", settings=Settings(redis=redis_url))
        self.started, self.go_on = asyncio.Event(), asyncio.Event()
        self.redis = redis

        @self.registry.task
        async def waits(ctx: Context) -> str:
            self.started.set()
            await self.go_on.wait()
            return "done"

        @self.registry.task(retries=0)
        async def fails(ctx: Context) -> None:
            raise ValueError("broken")

        @self.registry.task(cron="* * * * * *", overlap="skip")
        async def alone(ctx: Context) -> None: ...

        @self.registry.task(cron="* * * * * *")
        async def beside(ctx: Context) -> None: ...

        self.waits, self.fails = waits, fails
        app = self.registry.app()
        self.app = app
        self.runner = PlainRunner(
            app,
            app.queues["default"],
            broker,
            RedisLeases(redis, url=redis_url),
            claim_ms=claim_ms,
            known=app.known,
            state=None,
        )

    async def claim(self, job_id: str, claim_ms: int) -> tuple[Claimed, Delivery]:
        """Claim a job as arq does."""
        await self.redis.set(f"arq:in-progress:{job_id}", b"1", px=claim_ms)
        raw = await self.redis.get(f"arq:job:{job_id}")
        score = await self.redis.zscore(KEY, job_id)
        delivery = receive(raw, self.app.declarations)
        assert isinstance(delivery, Delivery)
        return Claimed(job_id, int(score), self.redis), delivery


@pytest.fixture
async def shop(redis_url: str, broker: RedisBroker, redis: Redis) -> AsyncIterator[Shop]:
    shop = Shop(redis_url, broker, redis, claim_ms=300)
    yield shop
    shop.go_on.set()
    await shop.runner.stop()
    await shop.registry.close()


async def test_the_claim_is_extended_while_the_body_runs_longer_than_the_claim(shop: Shop, redis: Redis) -> None:
    job = await shop.waits.enqueue()
    claimed, delivery = await shop.claim(job.job_id, claim_ms=300)
    running = asyncio.create_task(shop.runner.run(claimed, delivery))
    await shop.started.wait()
    loop = asyncio.get_running_loop()
    past_the_claim = loop.time() + 0.45
    remaining: list[int] = []

    async def looked_past_the_claim() -> bool:
        remaining.append(await redis.pttl(f"arq:in-progress:{job.job_id}"))
        return loop.time() > past_the_claim

    await until(looked_past_the_claim)
    shop.go_on.set()
    await running

    assert min(remaining) > 0


async def test_a_cancelled_attempt_is_no_crash_and_the_next_one_has_the_same_number(shop: Shop) -> None:
    job = await shop.waits.enqueue()
    claimed, delivery = await shop.claim(job.job_id, claim_ms=60_000)
    running = asyncio.create_task(shop.runner.run(claimed, delivery))
    await shop.started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    shop.go_on.set()
    result = await shop.runner.run(claimed, delivery)

    assert result.attempt == 1
    assert result.json == b'"done"'


async def test_a_dead_job_is_kept_before_arq_finishes_it_so_a_crash_in_between_loses_nothing(
    shop: Shop, broker: RedisBroker, redis: Redis
) -> None:
    job = await shop.fails.enqueue()
    claimed, delivery = await shop.claim(job.job_id, claim_ms=60_000)

    with pytest.raises(JobEnded):
        await shop.runner.run(claimed, delivery)

    assert await broker.dead(job.job_id) is not None
    assert await redis.exists(f"arq:job:{job.job_id}")


async def test_a_retry_is_counted_before_arq_is_told(shop: Shop) -> None:
    job = await shop.fails.using(retries=1, backoff=5).enqueue()
    claimed, delivery = await shop.claim(job.job_id, claim_ms=60_000)

    with pytest.raises(RunLater) as later:
        await shop.runner.run(claimed, delivery)

    assert 4500 <= later.value.delay_ms <= 5500
    assert (await job.info()).attempts == 1


@pytest.mark.parametrize(("task", "ticks"), [("alone", [1_000, 3_000]), ("beside", [1_000, 2_000, 3_000])])
async def test_a_tick_that_may_not_overlap_is_no_job_while_the_one_before_has_not_ended(
    shop: Shop, redis: Redis, task: str, ticks: list[int]
) -> None:
    declaration = shop.app.declarations[task]
    heard = Heard(events.CronTick)

    await shop.runner.tick(declaration, 1_000)
    await shop.runner.tick(declaration, 2_000)
    await redis.delete(f"arq:job:{task}:1000", f"arq:job:{task}:2000")
    await shop.runner.tick(declaration, 3_000)
    await shop.runner.tick(declaration, 3_000)

    heard.stop()
    assert [event.tick_ms for event in heard.events] == ticks


async def test_upkeep_takes_parked_jobs_back_again_and_again(redis_url: str, broker: RedisBroker, redis: Redis) -> None:
    registry = Registry("shop", settings=Settings(redis=redis_url, upkeep_interval_s=0.02))

    @registry.task
    async def add(ctx: Context, a: int) -> int:
        return a

    app = registry.app()
    leases = RedisLeases(redis, url=redis_url)
    runner = PlainRunner(app, app.queues["default"], broker, leases, claim_ms=1000, known=app.known, state=None)
    for number in range(2):
        job = await add.enqueue(number)
        claimed = Claimed(job.job_id, 0, redis)
        await runner.park(claimed, Misfit("unknown task", "add", 1))

        async def is_back(job_id: str = job.job_id) -> bool:
            return bool(await redis.exists(f"arq:job:{job_id}"))

        await until(is_back)
    await runner.stop()
    await registry.close()

    assert await redis.zcard(KEY) == 2
