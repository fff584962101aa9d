"""What somebody else writes where our keys are, and a Redis that is full, do not stop our engine."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from scalr_tasks import Context, JobState, Queue, Registry, TaskFailedError
from scalr_tasks.broker.keys import JOB
from scalr_tasks.broker.leases import Holding, Step, Stepped, Tick, tick_nonce
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.broker.redis_leases import RedisLeases
from scalr_tasks.envelope import new_nonce, write_head
from scalr_tasks.settings import Settings
from scalr_tasks.testing.server import RedisServer
from tests.support.engine import burst, working
from tests.support.jobs import QUEUE_KEY, finish, head_of, new_job, now_ms, result_of
from tests.support.servers import OWN

ADD = b'{"v":1,"et":1,"f":"add","n":"x"}\n'
YEAR_MS = 365 * 24 * 3600 * 1000


class Shop:
    """A registry of two tasks."""

    def __init__(self, redis_url: str) -> None:
        self.registry: Registry[Any, str] = Registry(
            "shop", queues=[Queue("default")], settings=Settings(redis=redis_url)
        )

        @self.registry.task
        async def add(ctx: Context, a: int) -> int:
            return a + 1

        @self.registry.task(retries=0)
        async def cancels_itself(ctx: Context) -> None:
            own = asyncio.current_task()
            assert own is not None
            own.cancel()
            await asyncio.Event().wait()

        self.add, self.cancels_itself = add, cancels_itself


@pytest.fixture
async def shop(redis_url: str) -> AsyncIterator[Shop]:
    shop = Shop(redis_url)
    yield shop
    await shop.registry.close()


@pytest.fixture
def leases(redis: Redis, redis_url: str) -> RedisLeases:
    return RedisLeases(redis, url=redis_url)


@pytest.fixture
async def full_redis() -> AsyncIterator[RedisServer]:
    """A server of the test's own, for `fill`."""
    with RedisServer(environ=OWN) as server:
        yield server


async def fill(client: Redis) -> None:
    """From now on Redis refuses every write that could need memory."""
    await client.config_set("maxmemory", "1")
    with pytest.raises(OutOfMemoryError):
        await client.set("one more", "x")


async def put(redis: Redis, job_id: str, payload: bytes) -> None:
    """Queue these bytes, due before all others."""
    await redis.set(JOB + job_id, payload)
    await redis.zadd(QUEUE_KEY, {job_id: 1})


async def step(leases: RedisLeases, **options: Any) -> Stepped:
    fields = {"lease_ms": 15_000, "to_start": 10, "to_hold": 0} | options
    return await leases.step(Step("w", QUEUE_KEY, new_nonce(), **fields))


# -- a Redis that is full ----------------------------------------------------------------


async def test_the_jobs_of_a_redis_that_is_full_are_worked_off(full_redis: RedisServer) -> None:
    shop = Shop(full_redis.url)
    jobs = [await shop.add.enqueue(number) for number in range(20)]
    async with Redis.from_url(full_redis.url) as client:
        await fill(client)

    async with asyncio.timeout(15):
        await burst(shop.registry)

    assert [await job.result(timeout=1) for job in jobs] == list(range(1, 21))
    await shop.registry.close()


async def test_a_lease_is_renewed_in_a_redis_that_is_full(full_redis: RedisServer) -> None:
    async with Redis.from_url(full_redis.url) as client:
        leases = RedisLeases(client, url=full_redis.url)
        await put(client, "a", ADD)
        token = new_nonce()
        await leases.step(Step("w", QUEUE_KEY, token, 1_000, 1, 0))
        await fill(client)

        lost = await leases.renew(QUEUE_KEY, [Holding("a", token, started=True)], 60_000)

        assert lost == []
        assert await client.pttl("arq:in-progress:a") > 30_000


# -- keys of another hand ----------------------------------------------------------------


@pytest.mark.parametrize("score", ["inf", "-inf"])
async def test_a_score_without_an_end_does_not_stop_the_queue(shop: Shop, redis: Redis, score: str) -> None:
    await redis.zadd(QUEUE_KEY, {"odd": score})
    job = await shop.add.enqueue(1)

    async with working(shop.registry):
        assert await job.result(timeout=5) == 2


@pytest.mark.parametrize(
    ("poison", "payload"),
    [
        (["HSET", "scalr:run:odd", "attempts", "abc"], ADD + b'{"a":1}'),
        (["SET", "scalr:run:odd", "1"], ADD + b'{"a":1}'),
        (["SET", "scalr:run:odd", "1"], b"unreadable"),
        (["SET", "scalr:dead:odd", "1"], ADD + b'{"a":"no int"}'),
        (["SET", "scalr:parked:odd", "1"], b"unreadable"),
    ],
    ids=["counts that are no number", "counts", "counts of a job to park", "dead", "parked"],
)
async def test_a_key_of_one_job_that_is_of_another_type_does_not_stop_the_queue(
    shop: Shop, redis: Redis, poison: list[str], payload: bytes
) -> None:
    await put(redis, "odd", payload)
    await redis.execute_command(*poison)
    job = await shop.add.enqueue(1)

    async with working(shop.registry):
        assert await job.result(timeout=5) == 2


async def test_one_step_looks_at_a_bounded_number_of_ids_without_a_job(leases: RedisLeases, redis: Redis) -> None:
    await redis.zadd(QUEUE_KEY, {f"gone-{number}": 1 for number in range(30_000)})
    await redis.set(JOB + "there", ADD)
    await redis.zadd(QUEUE_KEY, {"there": 2})

    first = await step(leases)
    left = await redis.zcard(QUEUE_KEY)
    second = await step(leases)

    assert first.claimed == []
    assert 9_000 < left <= 10_001
    assert [job.job_id for job in second.claimed] == ["there"]


async def test_marks_of_aborts_from_the_future_do_not_hide_the_one_that_is_asked_for(
    leases: RedisLeases, redis: Redis
) -> None:
    now = await now_ms(redis)
    await redis.zadd("arq:abort", {f"odd-{number}": now + YEAR_MS for number in range(200)} | {"asked": now})

    stepped = await step(leases)

    assert stepped.abort_asked == ["asked"]


# -- bodies ------------------------------------------------------------------------------


async def test_a_body_that_cancels_its_own_task_has_failed(shop: Shop) -> None:
    job = await shop.cancels_itself.enqueue()

    async with working(shop.registry):
        with pytest.raises(TaskFailedError) as raised:
            await job.result(timeout=5)

    assert raised.value.error_type == "CancelledError"
    assert await job.status() is JobState.DEAD


# -- cron --------------------------------------------------------------------------------


def tick(tick_ms: int, **options: Any) -> Tick:
    return Tick("report", QUEUE_KEY, tick_ms, write_head("report", tick_nonce(tick_ms)), b"{}", **options)


async def test_a_callers_job_that_has_the_id_of_a_tick_does_not_take_its_place(
    leases: RedisLeases, broker: RedisBroker, redis: Redis
) -> None:
    await broker.enqueue([new_job("report:1000", task="other")])
    before = await redis.get(JOB + "report:1000")

    is_stored = await leases.tick(tick(1_000))

    ids = await redis.zrange(QUEUE_KEY, 0, -1)
    assert is_stored
    assert {head_of(await redis.get(JOB + job_id.decode()))["f"] for job_id in ids} == {"other", "report"}
    assert await redis.get(JOB + "report:1000") == before


async def test_what_is_left_of_a_callers_job_does_not_take_the_place_of_a_tick(
    leases: RedisLeases, broker: RedisBroker, redis: Redis
) -> None:
    ended, parked = new_job("report:1000", task="other"), new_job("report:2000", task="other")
    await broker.enqueue([ended, parked])
    await finish(redis, ended, result_of(ended))
    await broker.park("report:2000", QUEUE_KEY, reason="unknown task", task="other", version=1)

    stored = [await leases.tick(tick(tick_ms)) for tick_ms in (1_000, 2_000)]

    assert stored == [True, True]


async def test_a_callers_job_that_has_the_id_of_a_tick_is_not_waited_for_but_the_tick_is(
    leases: RedisLeases, broker: RedisBroker, redis: Redis
) -> None:
    await broker.enqueue([new_job("report:1000", task="other")])
    await leases.tick(tick(1_000, may_overlap=False))

    while_it_runs = await leases.tick(tick(2_000, may_overlap=False))
    await redis.delete(JOB + "report:1000:cron")
    after = await leases.tick(tick(3_000, may_overlap=False))

    assert (while_it_runs, after) == (False, True)
