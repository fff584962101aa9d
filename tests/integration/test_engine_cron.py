"""Cron tasks under our engine, over a real Redis."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from scalr_tasks import Context, JobState, Queue, Registry
from scalr_tasks.broker.leases import Tick, tick_nonce
from scalr_tasks.broker.redis_leases import RedisLeases
from scalr_tasks.envelope import write_head
from scalr_tasks.settings import Settings
from tests.support.engine import burst, working
from tests.support.jobs import now_ms
from tests.support.until import until

KEY = "arq:queue:default"
MINUTE_MS = 60_000


class Clockwork:
    def __init__(self, redis_url: str) -> None:
        self.registry: Registry[Any, str] = Registry(
            "clock", queues=[Queue("default")], settings=Settings(redis=redis_url)
        )
        self.ran: list[str] = []
        task = self.registry.task

        @task(cron="* * * * * *", keep_result=0)
        async def each_second(ctx: Context) -> None:
            self.ran.append(ctx.job_id)


@pytest.fixture
async def clockwork(redis_url: str) -> AsyncIterator[Clockwork]:
    clockwork = Clockwork(redis_url)
    yield clockwork
    await clockwork.registry.close()


@pytest.fixture
def leases(redis: Redis, redis_url: str) -> RedisLeases:
    return RedisLeases(redis, url=redis_url)


def tick(tick_ms: int, **options: Any) -> Tick:
    return Tick("report", KEY, tick_ms, write_head("report", tick_nonce(tick_ms)), b"{}", **options)


async def test_three_workers_run_each_tick_once_and_miss_none(clockwork: Clockwork) -> None:
    async with working(clockwork.registry), working(clockwork.registry), working(clockwork.registry):
        await until(lambda: len(clockwork.ran) >= 3, within_s=10)

    instants = [int(job_id.rpartition(":")[2]) for job_id in clockwork.ran]
    assert instants == list(range(instants[0], instants[-1] + 1_000, 1_000))


async def test_a_burst_makes_no_ticks(clockwork: Clockwork, redis: Redis) -> None:
    await burst(clockwork.registry)

    assert await redis.keys("scalr:ticked:*") == []


async def test_a_tick_becomes_a_job_once_also_after_its_job_is_gone(leases: RedisLeases, redis: Redis) -> None:
    first = await leases.tick(tick(1_000))
    await redis.delete("arq:job:report:1000")

    again = await leases.tick(tick(1_000))

    assert (first, again) == (True, False)
    assert await leases.last_tick(KEY, "report") == 1_000


async def test_a_tick_before_the_newest_one_is_no_job(leases: RedisLeases) -> None:
    await leases.tick(tick(2_000))

    assert not await leases.tick(tick(1_000))


async def test_a_tick_that_may_not_overlap_waits_for_the_end_of_the_job_before(
    leases: RedisLeases, redis: Redis
) -> None:
    await leases.tick(tick(1_000, may_overlap=False))
    while_running = await leases.tick(tick(2_000, may_overlap=False))
    await redis.delete("arq:job:report:1000")

    after = await leases.tick(tick(3_000, may_overlap=False))

    assert (while_running, after) == (False, True)


async def test_the_job_of_a_tick_is_one_that_an_enqueue_with_its_nonce_takes_for_its_own(
    leases: RedisLeases, redis: Redis, clockwork: Clockwork
) -> None:
    await leases.tick(tick(1_000))

    raw = await redis.get("arq:job:report:1000")

    assert b'"n":"tick-1000"' in raw
    assert raw.endswith(b"\n{}")


@pytest.mark.parametrize(("catch_up", "jobs"), [("skip", 0), ("once", 1), ("all", 3)])
async def test_what_nobody_came_to_is_made_up_for_at_the_start_as_declared(
    redis_url: str, redis: Redis, catch_up: Any, jobs: int
) -> None:
    registry: Registry[Any, str] = Registry("clock", queues=[Queue("default")], settings=Settings(redis=redis_url))
    ran: list[str] = []

    @registry.task(cron="0 0 * * *", catch_up=catch_up)
    async def nightly(ctx: Context) -> None:
        ran.append(ctx.job_id)

    @registry.task
    async def marker(ctx: Context) -> None: ...

    schedule = registry.app().declarations["nightly"].schedule
    assert schedule is not None
    day_ms = 24 * 3600 * 1000
    last_night_ms = await now_ms(redis) // day_ms * day_ms
    await redis.set(f"scalr:ticked:{KEY}:nightly", last_night_ms - 3 * day_ms)
    async with working(registry):
        if jobs:
            await until(lambda: len(ran) >= jobs)
        await (await marker.enqueue()).result(timeout=5)
    await registry.close()

    missed = [f"nightly:{last_night_ms - days * day_ms}" for days in (2, 1, 0)]
    assert ran == missed[len(missed) - jobs :]


async def test_plain_arqs_own_job_for_a_tick_is_left_to_our_ticks(clockwork: Clockwork, redis: Redis) -> None:
    pool = await clockwork.registry.arq_pool()
    job = await pool.enqueue_job("cron:each_second", _job_id="cron:each_second:1000")
    assert job is not None

    await burst(clockwork.registry)

    assert await redis.zcard(KEY) == 0
    assert (await clockwork.registry.broker().list_parked()).items == []
    assert (await clockwork.registry.job("cron:each_second:1000").status()) is JobState.NOT_FOUND
    await pool.aclose()
    await asyncio.sleep(0)
