"""Abort, drain, lifespan and cron under the real `arq` CLI."""

import signal
from typing import Any

import pytest
from redis.asyncio import Redis

from scalr_tasks import JobAbortedError, JobState
from tests.arq.conftest import Said, StartArq


async def test_sigterm_lets_a_running_job_end(app: Any, arq_cli: StartArq, said: Said, redis: Redis) -> None:
    job = await app.runs_until_told.enqueue()
    arq = arq_cli()
    await said.until("runs_until_told")
    arq.process.send_signal(signal.SIGTERM)

    await redis.rpush("go on", "now")
    status = arq.wait()

    assert status == 0
    assert await job.result(timeout=1) == "attempt 1"


async def test_a_job_that_a_shutdown_gave_back_runs_again_as_the_same_attempt(
    app: Any, arq_cli: StartArq, said: Said, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALR_TASKS_SHUTDOWN_GRACE", "0")
    job = await app.runs_until_told.enqueue()
    first = arq_cli()
    await said.until("runs_until_told")
    first.stop()

    second = arq_cli()
    await said.until("runs_until_told")
    await redis.rpush("go on", "now")
    result = await job.result(timeout=15)
    second.stop()

    assert result == "attempt 1"


async def test_plain_arqs_abort_of_a_running_job_ends_it_as_aborted(app: Any, arq_cli: StartArq, said: Said) -> None:
    job = await app.runs_until_told.enqueue()
    arq = arq_cli()
    await said.until("runs_until_told")

    aborted = await job.abort()
    arq.stop()

    assert aborted
    assert await job.status() is JobState.ABORTED
    with pytest.raises(JobAbortedError):
        await job.result(timeout=1)


async def test_the_lifespan_is_entered_and_left_in_one_task(app: Any, arq_cli: StartArq, said: Said) -> None:
    arq = arq_cli("tests.arq.app.DefaultSettings", "--burst")
    status = arq.wait()

    words = await said.rest()
    assert status == 0
    assert "lifespan entered" in words
    assert words[-1] == "lifespan left"


async def test_a_cron_tick_enqueues_the_task_once_however_many_workers_there_are(
    app: Any, arq_cli: StartArq, said: Said
) -> None:
    workers = [arq_cli("tests.arq.app.ClockSettings") for _ in range(2)]
    ticks: list[str] = []
    while len(ticks) < 6:
        word = await said.next()
        if word.startswith("tick"):
            ticks.append(word)
    for worker in workers:
        worker.stop()

    assert len(set(ticks)) == len(ticks)
    assert all(word.startswith("tick ticks:") for word in ticks)
