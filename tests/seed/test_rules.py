"""Rows R1 to R8, C1 and C2 of the page: concurrency, timeouts, retries, draining, cron."""

import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from redis.asyncio import Redis

from scalr_tasks import Context, DefinitionError, Queue, Registry, TaskFailedError
from tests.seed.conftest import Run
from tests.support.until import until

VIENNA = ZoneInfo("Europe/Vienna")


async def said(redis: Redis) -> str:
    answer = await redis.blpop(["said"], timeout=30)
    assert answer is not None
    word: str = answer[1].decode()
    return word


def has_said(redis: Redis, count: int) -> Callable[[], Awaitable[bool]]:
    async def condition() -> bool:
        return int(await redis.llen("said")) >= count

    return condition


async def test_r1_ten_jobs_run_at_once_in_a_worker(app: Any, run: Run, engine: list[str], redis: Redis) -> None:
    jobs = [await app.tells_how_many_run.enqueue() for _ in range(12)]

    run(*engine)
    await until(has_said(redis, 10), within_s=30)
    await redis.rpush("go on", *(["now"] * 12))
    together = [await job.result(timeout=30) for job in jobs]

    assert max(together) == 10
    assert app.registry.queues["default"].concurrency == 10
    assert app.WorkerSettings.max_jobs == 10


async def test_r2_a_job_has_300_seconds(app: Any, run: Run, engine: list[str]) -> None:
    job = await app.tells_context.enqueue()

    run(*engine, "--burst").wait()

    seconds_from_enqueue_to_deadline = int((await job.result(timeout=1))[5])
    assert 300 <= seconds_from_enqueue_to_deadline <= 330


async def test_r3_a_task_that_takes_too_long_is_cancelled_and_retried(
    app: Any, run: Run, engine: list[str], redis: Redis
) -> None:
    job = await app.takes_too_long.enqueue()

    run(*engine)
    with pytest.raises(TaskFailedError) as failed:
        await job.result(timeout=30)

    assert await redis.lrange("said", 0, -1) == [b"attempt 1", b"attempt 2"]
    assert (failed.value.error_type, failed.value.attempts) == ("TimeoutError", 2)


async def test_r4_there_are_five_attempts_with_exponential_backoff(
    app: Any, run: Run, engine: list[str], redis: Redis
) -> None:
    job = await app.fails.enqueue()

    run(*engine)
    with pytest.raises(TaskFailedError) as failed:
        await job.result(timeout=30)

    at = [float(moment) for moment in await redis.lrange("at", 0, -1)]
    gaps = [later - earlier for earlier, later in pairwise(at)]
    assert (failed.value.attempts, len(at)) == (5, 5)
    assert [gap >= wanted for gap, wanted in zip(gaps, (0.1, 0.2, 0.4, 0.8), strict=True)] == [True] * 4


def test_r5_rules_are_overridden_by_options_and_a_misspelled_one_is_refused_at_import() -> None:
    registry = Registry("rules", queues=[Queue("default", concurrency=50)])

    @registry.task(timeout=1800, retries=2)
    async def send(ctx: Context) -> None: ...

    with pytest.raises(DefinitionError, match=r"retires.*retries"):

        @registry.task(retires=3)  # type: ignore[call-overload]  # a type checker refuses it, too
        async def misspelled(ctx: Context) -> None: ...

    settings: Any = registry.worker_settings()
    policy = send.declaration.policy
    assert (settings.max_jobs, policy.timeout_ms, policy.retries) == (50, 1_800_000, 2)


async def test_r6_a_job_that_a_shutdown_stopped_has_not_used_up_an_attempt(
    app: Any, run: Run, engine: list[str], redis: Redis
) -> None:
    job = await app.waits.using(retries=0).enqueue()
    first = run(*engine, SCALR_TASKS_SHUTDOWN_GRACE="0")
    assert await said(redis) == "attempt 1"
    first.signal()
    first.wait()

    run(*engine)

    assert await said(redis) == "attempt 1"
    await redis.rpush("go on", 1)
    assert await job.result(timeout=10) == "attempt 1"


async def test_r7_running_jobs_end_before_the_shutdown_part_of_the_lifespan(
    app: Any, run: Run, engine: list[str], redis: Redis
) -> None:
    job = await app.waits.enqueue()
    worker = run(*engine)
    await said(redis)

    worker.signal(signal.SIGTERM)
    await redis.rpush("go on", 1)
    worker.wait()

    assert await job.result(timeout=1) == "attempt 1"
    assert "caches are cleared" in worker.output


async def test_r8_plain_arq_runs_the_settings_class(app: Any, run: Run) -> None:
    job = await app.send_invoice_email.enqueue(invoice_id=1)

    arq = run("arq", "src.worker.WorkerSettings", "--burst")

    assert arq.wait() == 0
    assert await job.result(timeout=1) == "invoice 1 is sent"


@pytest.mark.parametrize(
    "words", [["arq", "src.worker.ClockSettings"], ["scalr_tasks.worker", "src.worker", "-q", "clock"]], ids=" ".join
)
async def test_c1_a_cron_task_runs_on_a_queue_that_nobody_sends_to(
    folder: Path, run: Run, redis: Redis, words: list[str]
) -> None:
    run(*words)

    assert await said(redis) == "tick"


@pytest.mark.parametrize(
    "after", [datetime(2026, 1, 15, 12, tzinfo=UTC), datetime(2026, 7, 15, 12, tzinfo=UTC)], ids=["winter", "summer"]
)
def test_c2_three_o_clock_is_three_o_clock_all_year(app: Any, after: datetime) -> None:
    schedule = app.cleanup_stale_invoices.declaration.schedule

    due = schedule.after(after).astimezone(VIENNA)

    assert (due.hour, due.minute) == (3, 0)


def test_c2_a_time_that_is_never_due_is_refused_at_import() -> None:
    registry = Registry("clock")

    with pytest.raises(DefinitionError, match=r"cron '0 99 \* \* \*' cannot be read"):

        @registry.task(cron="0 99 * * *")
        async def never(ctx: Context) -> None: ...
