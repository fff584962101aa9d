"""Our engine over a real Redis, worker and callers in one event loop: how jobs end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from scalr_tasks import (
    Context,
    GiveUp,
    JobAbortedError,
    JobExpiredError,
    JobState,
    Queue,
    Registry,
    Retry,
    Snooze,
    TaskFailedError,
    events,
)
from scalr_tasks.settings import Settings
from tests.support.engine import Heard, burst, working
from tests.support.jobs import now_ms
from tests.support.until import until

KEY = "arq:queue:default"


class Shop:
    """A registry and what its tasks were seen doing."""

    def __init__(self, redis_url: str) -> None:
        settings = Settings(redis=redis_url, upkeep_interval_s=0.05)
        self.registry: Registry[Any, str] = Registry(
            "shop", queues=[Queue("default", concurrency=4)], settings=settings
        )
        self.starts: list[tuple[str, int]] = []
        self.entered, self.go_on = asyncio.Event(), asyncio.Event()
        task = self.registry.task

        @task
        async def add(ctx: Context, a: int, b: int = 1) -> int:
            self.starts.append((ctx.job_id, ctx.attempt))
            return a + b

        @task(retries=2, backoff=0)
        async def flaky(ctx: Context, failures: int) -> int:
            self.starts.append((ctx.job_id, ctx.attempt))
            if ctx.attempt <= failures:
                raise ValueError("not yet")
            return ctx.attempt

        @task(retries=2)
        async def asks(ctx: Context, delay: float) -> int:
            self.starts.append((ctx.job_id, ctx.attempt))
            if len(self.starts) == 1:
                raise Retry(delay=delay)
            return ctx.attempt

        @task
        async def snoozes(ctx: Context) -> int:
            self.starts.append((ctx.job_id, ctx.attempt))
            if len(self.starts) == 1:
                raise Snooze(delay=0.05)
            return ctx.attempt

        @task
        async def gives_up(ctx: Context) -> None:
            raise GiveUp("the customer is gone")

        @task(timeout=0.1, retries=0)
        async def hangs(ctx: Context) -> None:
            await asyncio.Event().wait()

        @task
        async def waits(ctx: Context) -> int:
            self.starts.append((ctx.job_id, ctx.attempt))
            self.entered.set()
            await self.go_on.wait()
            return ctx.attempt

        @task(keep_result=0)
        async def keeps_nothing(ctx: Context) -> int:
            self.starts.append((ctx.job_id, ctx.attempt))
            return 1

        @task
        def in_thread(ctx: Context, word: str) -> str:
            return f"{word} of {ctx.task}"

        self.add, self.flaky, self.asks, self.snoozes, self.gives_up = add, flaky, asks, snoozes, gives_up
        self.hangs, self.waits, self.keeps_nothing, self.in_thread = hangs, waits, keeps_nothing, in_thread


@pytest.fixture
async def shop(redis_url: str) -> AsyncIterator[Shop]:
    shop = Shop(redis_url)
    yield shop
    await shop.registry.close()


# -- how a job ends ----------------------------------------------------------------------


async def test_a_job_runs_and_its_result_is_read_back(shop: Shop) -> None:
    job = await shop.add.enqueue(1, b=2)

    await burst(shop.registry)

    assert await job.result(timeout=1) == 3


async def test_a_failure_is_run_again_and_the_attempts_are_counted(shop: Shop) -> None:
    job = await shop.flaky.enqueue(2)

    await burst(shop.registry)

    assert await job.result(timeout=1) == 3
    assert shop.starts == [(job.job_id, 1), (job.job_id, 2), (job.job_id, 3)]


async def test_after_its_last_retry_a_job_is_dead_and_kept(shop: Shop) -> None:
    job = await shop.flaky.enqueue(9)

    await burst(shop.registry)

    with pytest.raises(TaskFailedError, match="not yet"):
        await job.result(timeout=1)
    dead = await shop.registry.broker().dead(job.job_id)
    assert dead is not None
    assert (dead.job_id, dead.reason, dead.attempts, dead.error.type) == (job.job_id, "failed", 3, "ValueError")
    assert dead.payload.endswith(b'{"failures":9}')


async def test_a_dead_job_that_is_retried_begins_at_attempt_1(shop: Shop) -> None:
    job = await shop.flaky.enqueue(9)
    await burst(shop.registry)
    shop.starts.clear()

    await shop.registry.broker().revive(job.job_id)

    await burst(shop.registry)
    assert shop.starts[0] == (job.job_id, 1)


async def test_a_retry_is_due_after_its_delay_from_the_end_of_the_attempt_and_not_of_the_lease(
    shop: Shop, redis: Redis
) -> None:
    job = await shop.asks.enqueue(delay=60)
    async with working(shop.registry):
        await until(lambda: bool(shop.starts))

        async def is_retrying() -> bool:
            return await job.status() is JobState.RETRYING

        await until(is_retrying)

        assert 55_000 < await redis.zscore(KEY, job.job_id) - await now_ms(redis) <= 60_000
        assert (await job.info()).attempts == 1


async def test_a_snooze_does_not_count(shop: Shop) -> None:
    job = await shop.snoozes.enqueue()

    await burst(shop.registry)

    assert await job.result(timeout=1) == 1
    assert len(shop.starts) == 2


async def test_giving_up_is_dead_at_once(shop: Shop) -> None:
    job = await shop.gives_up.enqueue()

    await burst(shop.registry)

    assert (await job.info()).state is JobState.DEAD


async def test_a_timeout_is_a_failure(shop: Shop) -> None:
    job = await shop.hangs.enqueue()

    await burst(shop.registry)

    with pytest.raises(TaskFailedError, match=r"longer than its timeout of 0\.1 s"):
        await job.result(timeout=1)


async def test_a_sync_task_runs_in_a_thread(shop: Shop) -> None:
    job = await shop.in_thread.enqueue("word")

    await burst(shop.registry)

    assert await job.result(timeout=1) == "word of in_thread"


async def test_a_job_that_was_not_started_in_time_expires(shop: Shop, redis: Redis) -> None:
    job = await shop.add.using(expires=0.02).enqueue(1)

    async def is_over() -> bool:
        head = (await redis.get(f"arq:job:{job.job_id}")).partition(b'"x":')[2]
        return await now_ms(redis) > int(head.partition(b",")[0])

    await until(is_over)

    await burst(shop.registry)

    with pytest.raises(JobExpiredError):
        await job.result(timeout=1)
    assert shop.starts == []


async def test_arguments_that_do_not_fit_are_dead_without_a_start(shop: Shop, redis: Redis) -> None:
    job = await shop.add.enqueue(1)
    raw = await redis.get(f"arq:job:{job.job_id}")
    await redis.set(f"arq:job:{job.job_id}", raw.replace(b'"a":1', b'"a":"x"'))

    await burst(shop.registry)

    (dead,) = (await shop.registry.broker().list_dead()).items
    assert dead.reason == "invalid_arguments"
    assert shop.starts == []


# -- what is left ------------------------------------------------------------------------


async def test_a_drained_queue_leaves_results_and_what_lapses_by_itself(shop: Shop, redis: Redis) -> None:
    for number in range(50):
        await shop.add.enqueue(number)
    await shop.flaky.enqueue(1)

    await burst(shop.registry)

    left = [key for key in await redis.keys("*") if key != b"scalr:queues"]
    assert len([key for key in left if key.startswith(b"arq:result:")]) == 51
    assert [key for key in left if await redis.ttl(key) < 0] == []
    assert [key for key in left if key.startswith(b"arq:") and not key.startswith(b"arq:result:")] == []


async def test_a_job_without_a_result_leaves_a_tombstone_only(shop: Shop, redis: Redis) -> None:
    job = await shop.keeps_nothing.enqueue()

    await burst(shop.registry)

    assert list(await redis.keys(f"*{job.job_id}*")) == [f"scalr:tombstone:{job.job_id}".encode()]


async def test_an_id_without_a_job_leaves_the_queue_and_its_result_stays(shop: Shop, redis: Redis) -> None:
    await redis.zadd(KEY, {"ghost": 1})
    await redis.set("arq:result:ghost", b"good")

    await burst(shop.registry)

    assert await redis.get("arq:result:ghost") == b"good"


# -- parked ------------------------------------------------------------------------------


async def test_a_job_of_an_unknown_task_is_parked_and_taken_back_by_code_that_knows_it(
    shop: Shop, redis: Redis, redis_url: str
) -> None:
    job = await shop.add.enqueue(1)
    due_ms = await redis.zscore(KEY, job.job_id)
    older: Registry[Any, str] = Registry("shop", settings=Settings(redis=redis_url))
    await burst(older)
    (parked,) = (await shop.registry.broker().list_parked()).items
    await older.close()

    async with working(shop.registry):
        assert await job.result(timeout=5) == 2

    assert (parked.reason, parked.task, parked.score) == ("unknown task", "add", due_ms)


async def test_bytes_that_are_no_job_are_parked_raw(shop: Shop, redis: Redis) -> None:
    await redis.set("arq:job:odd", b"\x80\x04pickle")
    await redis.zadd(KEY, {"odd": 1})

    await burst(shop.registry)

    parked = await shop.registry.broker().parked("odd")
    assert parked is not None
    assert (parked.job_id, parked.reason, parked.payload) == ("odd", "pickle", b"\x80\x04pickle")


async def test_an_id_that_is_no_text_is_parked_and_ends_no_worker(shop: Shop, redis: Redis) -> None:
    job = await shop.add.enqueue(1)
    raw = await redis.get(f"arq:job:{job.job_id}")
    await redis.set(b"arq:job:\xff\xfe", raw)
    await redis.zadd(KEY, {b"\xff\xfe": 1})

    await burst(shop.registry)

    assert await redis.hget(b"scalr:parked:\xff\xfe", "reason") == b"unreadable id"


async def test_the_death_of_a_job_that_was_parked_for_a_day_is_told(shop: Shop, redis: Redis) -> None:
    await redis.set("arq:job:odd", b"\x80\x04pickle")
    await redis.zadd(KEY, {"odd": 1})
    await burst(shop.registry)
    await redis.zadd("scalr:parked", {"odd": 1})
    heard = Heard(events.JobDied)

    async with working(shop.registry):
        await until(lambda: bool(heard.events))

    heard.stop()
    (died,) = heard.events
    assert (died.job_id, died.reason, died.error_type) == ("odd", "parked", "ParkedTooLong")
    assert await shop.registry.broker().dead("odd") is not None


# -- aborting ----------------------------------------------------------------------------


async def test_a_running_job_is_aborted_within_a_look(shop: Shop) -> None:
    job = await shop.waits.enqueue()
    async with working(shop.registry):
        await shop.entered.wait()

        assert await job.abort()

        with pytest.raises(JobAbortedError):
            await job.result(timeout=5)


async def test_an_abort_that_plain_arq_asked_before_the_start_ends_the_job_unstarted(shop: Shop, redis: Redis) -> None:
    job = await shop.add.enqueue(1)
    await redis.zadd("arq:abort", {job.job_id: await now_ms(redis) + 1})

    await burst(shop.registry)

    assert (await job.info()).state is JobState.ABORTED
    assert shop.starts == []


async def test_an_abort_that_was_asked_of_an_earlier_job_of_the_id_hits_nobody(shop: Shop, redis: Redis) -> None:
    await redis.zadd("arq:abort", {"inv-1": await now_ms(redis) - 60_000})
    job = await shop.add.using(job_id="inv-1").enqueue(1)

    await burst(shop.registry)

    assert await job.result(timeout=1) == 2
    assert not await redis.exists("arq:abort")
