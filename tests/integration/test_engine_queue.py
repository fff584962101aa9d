"""Our engine and its queue over a real Redis: what it costs, what wakes it, what it steps over, how it stops."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis.asyncio import Redis

from scalr_tasks import Context, JobState, Queue, Registry, events
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.settings import Settings
from tests.support.engine import Heard, burst, working
from tests.support.jobs import now_ms
from tests.support.proxy import CuttingProxy
from tests.support.until import until

KEY = "arq:queue:default"
NEVER_S = 60.0


class Shop:
    """A registry whose tasks say when they run."""

    def __init__(self, redis_url: str, *, concurrency: int = 32, **settings: Any) -> None:
        self.registry: Registry[Any, str] = Registry(
            "shop",
            queues=[Queue("default", concurrency=concurrency), Queue("bulk")],
            settings=Settings(redis=redis_url, **settings),
        )
        self.ran: list[str] = []
        self.go_on = asyncio.Event()
        task = self.registry.task

        @task
        async def add(ctx: Context, a: int) -> int:
            self.ran.append(ctx.job_id)
            return a

        @task
        async def waits(ctx: Context) -> int:
            self.ran.append(ctx.job_id)
            await self.go_on.wait()
            return ctx.attempt

        @task
        async def never_leaves(ctx: Context) -> None:
            self.ran.append(ctx.job_id)
            while not self.go_on.is_set():
                try:
                    await self.go_on.wait()
                except asyncio.CancelledError:
                    continue

        self.add, self.waits, self.never_leaves = add, waits, never_leaves


@pytest.fixture
async def shop(redis_url: str) -> AsyncIterator[Shop]:
    shop = Shop(redis_url)
    yield shop
    shop.go_on.set()
    await shop.registry.close()


async def calls(redis: Redis) -> dict[str, int]:
    stats = await redis.info("commandstats")
    return {name.removeprefix("cmdstat_"): row["calls"] for name, row in stats.items()}


# -- what it costs -----------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1_000, 5_000])
async def test_a_job_costs_a_twentieth_of_a_script_and_four_commands_at_any_depth(
    shop: Shop, redis: Redis, depth: int
) -> None:
    await shop.registry.enqueue_many(shop.add.call(a=number) for number in range(depth))
    before = await calls(redis)

    await burst(shop.registry)

    after = await calls(redis)
    spent = {name: after[name] - before.get(name, 0) for name in after if name != "info"}
    assert len(set(shop.ran)) == len(shop.ran) == depth
    assert spent["evalsha"] <= 0.05 * depth + 20
    assert sum(spent.values()) <= 4 * depth


async def test_twenty_idle_workers_spend_three_scripts_on_a_job(shop: Shop, redis: Redis) -> None:
    async with AsyncWorkers(shop, 20):
        # Each has looked once, and waits for a token.
        await until(lambda: waiting(redis, 20))
        before = (await calls(redis))["evalsha"]
        for number in range(20):
            job = await shop.add.enqueue(number)

            async def ended(job_id: str = job.job_id) -> bool:
                return bool(await redis.exists(f"arq:result:{job_id}"))

            await until(ended)
            await until(lambda: waiting(redis, 20))

        spent = (await calls(redis))["evalsha"] - before

    assert spent <= 3.1 * 20 + 2


class AsyncWorkers:
    """Several workers of one registry in this event loop, which never look unasked."""

    def __init__(self, shop: Shop, count: int) -> None:
        self._shop = shop
        self._count = count
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> None:
        for _ in range(self._count):
            await self._stack.enter_async_context(working(self._shop.registry, look_s=NEVER_S))

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()


async def waiting(redis: Redis, count: int) -> bool:
    """Whether so many connections wait for a token of the default queue."""
    clients = await redis.client_list()
    blocked = sum(client["cmd"] == "blpop" for client in clients)
    return blocked >= count * 2 and await redis.exists(f"scalr:wake:{KEY}") == 0


# -- what wakes it -----------------------------------------------------------------------


async def test_an_idle_worker_is_woken_by_an_enqueue_without_looking(shop: Shop, redis: Redis) -> None:
    async with working(shop.registry, look_s=NEVER_S):
        await until(lambda: waiting(redis, 1))

        job = await shop.add.enqueue(7)

        assert await job.result(timeout=5) == 7


async def test_a_deferred_job_starts_when_it_is_due_without_a_look(shop: Shop, redis: Redis) -> None:
    async with working(shop.registry, look_s=NEVER_S):
        await until(lambda: waiting(redis, 1))

        job = await shop.add.using(delay=0.2).enqueue(7)

        assert await job.result(timeout=5) == 7
        assert (await job.info()).result is not None


async def test_a_worker_without_a_free_slot_passes_the_token_on(redis_url: str, redis: Redis) -> None:
    shop = Shop(redis_url, concurrency=1)
    async with working(shop.registry, look_s=NEVER_S), working(shop.registry, look_s=NEVER_S):
        await until(lambda: waiting(redis, 2))

        await shop.registry.enqueue_many([shop.waits.call(), shop.waits.call()])

        await until(lambda: len(shop.ran) == 2)
    await shop.registry.close()


async def test_an_idle_worker_is_woken_by_the_job_of_a_plain_arq_client_without_looking(
    shop: Shop, redis: Redis
) -> None:
    pool = await shop.registry.arq_pool()
    async with working(shop.registry, look_s=NEVER_S):
        await until(lambda: waiting(redis, 1))
        await until(lambda: listening(redis))
        for number in range(20):
            job = await pool.enqueue_job("add", number)
            assert job is not None

            assert await job.result(timeout=5, poll_delay=0.005) == number
    await pool.aclose()


async def listening(redis: Redis) -> bool:
    """Whether the elected listener of each queue is told of changes."""
    clients = await redis.client_list()
    return sum("t" in client["flags"] for client in clients) == 2


async def test_no_token_is_left_where_no_worker_of_ours_waits(shop: Shop, redis: Redis) -> None:
    await shop.add.enqueue(1)

    assert await redis.keys("scalr:*") == []


# -- what it steps over ------------------------------------------------------------------


async def test_fifty_of_fifty_jobs_behind_two_hundred_that_plain_workers_run_are_run(shop: Shop, redis: Redis) -> None:
    for number in range(200):
        await redis.set(f"arq:in-progress:held-{number}", b"1", px=60_000)
        await redis.set(f"arq:job:held-{number}", b"raw")
        await redis.zadd(KEY, {f"held-{number}": number + 1})
    await shop.registry.enqueue_many(shop.add.call(a=number) for number in range(50))

    async with working(shop.registry):
        await until(lambda: len(shop.ran) == 50)

    assert await redis.zcard(KEY) == 200
    assert await redis.zscore(KEY, "held-7") == 8


async def test_a_running_job_leaves_the_head_of_the_queue_for_its_lease(shop: Shop, redis: Redis) -> None:
    job = await shop.waits.enqueue()
    async with working(shop.registry):
        await until(lambda: bool(shop.ran))

        score, claim = await redis.zscore(KEY, job.job_id), await redis.get(f"arq:in-progress:{job.job_id}")

        assert 5_000 < score - await now_ms(redis) <= 15_001
        assert claim not in {None, b"1"}
        assert await job.status() is JobState.RUNNING


# -- leases ------------------------------------------------------------------------------


async def test_a_lease_is_renewed_while_the_body_runs(shop: Shop, redis: Redis) -> None:
    job = await shop.waits.enqueue()
    async with working(shop.registry, lease_s=0.3):
        await until(lambda: bool(shop.ran))
        first = await redis.zscore(KEY, job.job_id)

        async def has_outlived_two_leases() -> bool:
            return await redis.zscore(KEY, job.job_id) > first + 700

        await until(has_outlived_two_leases)
        shop.go_on.set()

        assert await job.result(timeout=5) == 1
    assert shop.ran == [job.job_id]


async def test_the_lease_of_a_stuck_body_is_renewed_through_a_long_grace(redis_url: str, redis: Redis) -> None:
    shop = Shop(redis_url, stuck_grace_s=200)
    job = await shop.waits.enqueue()
    async with working(shop.registry, lease_s=0.3) as worker:
        await until(lambda: bool(shop.ran))
        in_hand = worker._claims[0].in_hand[job.job_id]
        in_hand.deadline_s = SYSTEM_CLOCK.monotonic_s() - 150
        first = await redis.zscore(KEY, job.job_id)

        async def has_outlived_two_leases() -> bool:
            return await redis.zscore(KEY, job.job_id) > first + 700

        await until(has_outlived_two_leases)
        shop.go_on.set()

        assert await job.result(timeout=5) == 1
    await shop.registry.close()

    # A lease that lapses has its job claimed, and run, a second time.
    assert shop.ran == [job.job_id]


async def test_a_job_whose_lease_is_lost_is_cancelled_and_changes_nothing(shop: Shop, redis: Redis) -> None:
    job = await shop.waits.enqueue()
    async with working(shop.registry, lease_s=0.3) as worker:
        await until(lambda: bool(shop.ran))

        await redis.set(f"arq:in-progress:{job.job_id}", b"1", px=60_000)

        await until(lambda: not worker.in_hand)
        raw = await redis.get(f"arq:job:{job.job_id}")
    assert raw is not None
    assert await redis.get(f"arq:in-progress:{job.job_id}") == b"1"
    assert not await redis.exists(f"arq:result:{job.job_id}")


async def test_an_outcome_after_the_lease_was_taken_over_is_dropped(shop: Shop, redis: Redis) -> None:
    job = await shop.waits.enqueue()
    async with working(shop.registry) as worker:
        await until(lambda: bool(shop.ran))
        await redis.set(f"arq:in-progress:{job.job_id}", b"1", px=60_000)

        shop.go_on.set()

        await until(lambda: not worker.in_hand)
    assert await redis.exists(f"arq:job:{job.job_id}")
    assert not await redis.exists(f"arq:result:{job.job_id}")


async def test_a_lapsed_lease_that_nobody_took_still_ends_in_a_result(shop: Shop, redis: Redis) -> None:
    job = await shop.waits.enqueue()
    async with working(shop.registry):
        await until(lambda: bool(shop.ran))
        await redis.delete(f"arq:in-progress:{job.job_id}")

        shop.go_on.set()

        assert await job.result(timeout=5) == 1


# -- Redis and its replies ---------------------------------------------------------------


async def test_a_lost_reply_neither_loses_nor_doubles_a_job(shop: Shop, redis_url: str) -> None:
    async with CuttingProxy(redis_url) as proxy:
        cut = Shop(proxy.url)
        await shop.registry.enqueue_many(shop.add.call(a=number) for number in range(300))
        proxy.cut_after(b"EVALSHA", times=3)

        await burst(cut.registry)

        await cut.registry.close()
        assert proxy.cuts == 3
    assert len(cut.ran) == len(set(cut.ran)) == 300


async def test_a_worker_stays_while_redis_is_away_and_takes_work_again_within_five_seconds(
    shop: Shop, redis_url: str
) -> None:
    async with CuttingProxy(redis_url) as proxy:
        cut = Shop(proxy.url)
        async with working(cut.registry):
            first = await shop.add.enqueue(1)
            await first.result(timeout=5)
            proxy.down()
            second = await shop.add.enqueue(2)
            proxy.up()

            assert await second.result(timeout=5) == 2
        await cut.registry.close()


# -- several queues, stopping ------------------------------------------------------------


async def test_a_worker_of_more_queues_than_connections_runs_a_job_without_looking(
    redis_url: str, redis: Redis
) -> None:
    names = [f"q{number}" for number in range(6)]
    registry: Registry[Any, str] = Registry(
        "shop", queues=[Queue(name) for name in names], settings=Settings(redis=redis_url, max_connections=3)
    )

    @registry.task(queue="q0")
    async def add(ctx: Context, a: int) -> int:
        return a

    async def all_wait() -> bool:
        return sum(client["cmd"] == "blpop" for client in await redis.client_list()) == len(names)

    async with working(registry, look_s=NEVER_S):
        await until(all_wait)

        for number in range(3):
            assert await (await add.enqueue(number)).result(timeout=5) == number
    await registry.close()


async def test_a_full_queue_holds_up_no_other(redis_url: str) -> None:
    shop = Shop(redis_url, concurrency=1)
    await shop.registry.enqueue_many(shop.waits.call() for _ in range(3))
    async with working(shop.registry):
        await until(lambda: len(shop.ran) == 1)

        job = await shop.add.using(queue="bulk").enqueue(5)

        assert await job.result(timeout=5) == 5
    await shop.registry.close()


async def test_a_drain_claims_nothing_more_and_lets_running_jobs_end(redis_url: str) -> None:
    shop = Shop(redis_url, concurrency=1)
    first, second = [await shop.waits.using(job_id=job_id).enqueue() for job_id in ("a", "b")]
    async with working(shop.registry) as worker:
        await until(lambda: bool(shop.ran))
        worker.stop()
        await asyncio.sleep(0)

        shop.go_on.set()

        assert await first.result(timeout=5) == 1
    assert await second.status() is JobState.QUEUED
    await shop.registry.close()


async def test_jobs_that_outlive_the_grace_go_back_to_their_place_without_an_attempt(
    redis_url: str, redis: Redis
) -> None:
    shop = Shop(redis_url, shutdown_grace_s=0.05)
    job = await shop.waits.enqueue()
    due_ms = await redis.zscore(KEY, job.job_id)
    heard = Heard(events.WorkerStopped)
    async with working(shop.registry) as worker:
        await until(lambda: bool(shop.ran))

        signal.raise_signal(signal.SIGTERM)

        await until(lambda: not worker.in_hand)
        await until(lambda: bool(heard.events))
    heard.stop()
    info = await job.info()
    assert (info.state, info.due_at_ms, info.attempts) == (JobState.QUEUED, due_ms, 0)
    assert heard.events[0].given_back == 1
    assert await redis.keys("arq:in-progress:*") == []
    await shop.registry.close()


async def test_a_body_that_ignores_its_cancellation_keeps_neither_worker_nor_job(redis_url: str) -> None:
    shop = Shop(redis_url, shutdown_grace_s=0.05)
    job = await shop.never_leaves.enqueue()
    loop = asyncio.get_running_loop()
    async with working(shop.registry) as worker:
        await until(lambda: bool(shop.ran))
        asked_s = loop.time()
        worker.stop()
    took_s = loop.time() - asked_s

    assert took_s < 2
    assert await job.status() is JobState.QUEUED
    shop.go_on.set()
    await shop.registry.close()


async def test_given_back_jobs_are_run_by_another_worker_at_once(redis_url: str) -> None:
    shop = Shop(redis_url, shutdown_grace_s=0)
    job = await shop.waits.enqueue()
    async with working(shop.registry, look_s=NEVER_S):
        await until(lambda: bool(shop.ran))
    shop.go_on.set()

    async with working(shop.registry, look_s=NEVER_S):
        assert await job.result(timeout=5) == 1
    await shop.registry.close()
