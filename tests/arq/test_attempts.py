"""Retries, timeouts, dead jobs and misbehaving bodies under the real `arq` CLI."""

from typing import Any

import pytest
from redis.asyncio import Redis

from scalr_tasks import JobState, ResultNotKeptError, TaskFailedError
from tests.arq.conftest import Said, StartArq


async def test_the_real_arq_cli_drains_jobs_that_handles_enqueued(app: Any, arq_cli: StartArq) -> None:
    jobs = [await app.add.enqueue(number, b=2) for number in range(20)]

    assert arq_cli("tests.arq.app.DefaultSettings", "--burst").wait() == 0

    assert [await job.result(timeout=1) for job in jobs] == [number + 2 for number in range(20)]


async def test_a_context_carries_typed_state_and_answers_under_arqs_names(
    app: Any, arq_cli: StartArq, said: Said
) -> None:
    job = await app.greet.enqueue()

    arq_cli("tests.arq.app.DefaultSettings", "--burst").wait()

    assert await job.result(timeout=1) == "hello hello attempt 1"
    assert "middleware saw 'hello hello attempt 1'" in await said.rest()


async def test_an_exception_is_retried_with_backoff_and_then_succeeds(app: Any, arq_cli: StartArq) -> None:
    job = await app.flaky.enqueue(fail_times=2)

    arq_cli("tests.arq.app.DefaultSettings", "--burst").wait()

    assert await job.result(timeout=1) == 3


async def test_a_job_whose_attempts_are_used_up_is_dead_and_kept_with_payload_and_error(
    app: Any, arq_cli: StartArq, redis: Redis
) -> None:
    job = await app.flaky.enqueue(fail_times=9)
    payload = await redis.get(f"arq:job:{job.job_id}")

    arq_cli("tests.arq.app.DefaultSettings", "--burst").wait()

    with pytest.raises(TaskFailedError) as caught:
        await job.result(timeout=1)
    assert (caught.value.error_type, caught.value.message) == ("ValueError", "attempt 3 fails")
    assert caught.value.attempts == 3
    assert "in flaky" in caught.value.traceback
    dead = await app.registry.broker().dead(job.job_id)
    assert dead is not None
    assert dead.payload == payload
    assert await job.status() is JobState.DEAD


async def test_retry_sets_the_delay_and_counts_and_snooze_does_not_count(app: Any, arq_cli: StartArq) -> None:
    retried, snoozed = await app.asks_retry.enqueue(), await app.snoozes.enqueue(times=7)

    arq_cli("tests.arq.app.DefaultSettings", "--burst").wait()

    assert await retried.result(timeout=1) == 2
    assert await snoozed.result(timeout=1) == 1


async def test_give_up_makes_a_job_dead_at_once(app: Any, arq_cli: StartArq) -> None:
    job = await app.gives_up.enqueue()

    arq_cli("tests.arq.app.DefaultSettings", "--burst").wait()

    with pytest.raises(TaskFailedError) as caught:
        await job.result(timeout=1)
    assert (caught.value.reason, caught.value.attempts) == ("gave_up", 1)


async def test_our_deadline_strikes_before_arqs_and_a_timeout_is_a_failure(app: Any, arq_cli: StartArq) -> None:
    job = await app.slow.enqueue()

    arq_cli("tests.arq.app.DefaultSettings", "--burst").wait()

    with pytest.raises(TaskFailedError, match=r"took longer than its timeout of 0\.2 s"):
        await job.result(timeout=1)


async def test_a_longer_timeout_of_one_call_is_not_cut_by_arqs_timeout_of_the_function(
    app: Any, arq_cli: StartArq
) -> None:
    job = await app.waits_as_long_as_told.using(timeout=30).enqueue(seconds=0.5)

    arq_cli("tests.arq.app.DefaultSettings", "--burst").wait()

    assert await job.result(timeout=1) == "ended"


@pytest.mark.parametrize(
    ("how", "error_type"),
    [
        ("BaseException", "BaseException"),
        ("SystemExit", "SystemExit"),
        ("KeyboardInterrupt", "KeyboardInterrupt"),
        ("CancelledError", "CancelledError"),
        ("bad repr", "BadRepr"),
        ("huge", "NotSerialisableError"),
        ("unserialisable", "NotSerialisableError"),
    ],
)
async def test_a_misbehaving_task_is_dead_and_its_worker_lives(
    app: Any, arq_cli: StartArq, how: str, error_type: str
) -> None:
    job = await app.misbehaves.enqueue(how)
    following = await app.add.using(delay=0.3).enqueue(1)

    assert arq_cli("tests.arq.app.DefaultSettings", "--burst").wait() == 0

    with pytest.raises(TaskFailedError) as caught:
        await job.result(timeout=1)
    assert caught.value.error_type == error_type
    assert await following.result(timeout=1) == 2


async def test_a_job_that_kills_its_worker_three_times_is_dead(app: Any, arq_cli: StartArq, redis: Redis) -> None:
    job = await app.kills_its_worker.enqueue()

    for _ in range(3):
        assert arq_cli("tests.arq.app.DefaultSettings", "--burst").wait() == 9
        await redis.delete(f"arq:in-progress:{job.job_id}")  # the claim of the lost worker lapses
    arq_cli("tests.arq.app.DefaultSettings", "--burst").wait()

    with pytest.raises(TaskFailedError) as caught:
        await job.result(timeout=1)
    assert caught.value.reason == "worker_lost"


async def test_a_sync_task_runs_in_a_thread(app: Any, arq_cli: StartArq) -> None:
    job = await app.in_thread.enqueue("hello")

    arq_cli("tests.arq.app.DefaultSettings", "--burst").wait()

    assert await job.result(timeout=1) == "hello from a thread"


async def test_a_sync_task_that_timed_out_is_not_retried_before_its_thread_has_ended(
    app: Any, arq_cli: StartArq, said: Said
) -> None:
    await app.overstays.enqueue(seconds=1)

    arq_cli("tests.arq.app.DefaultSettings", "--burst").wait()

    words = [word for word in await said.rest() if word.startswith("overstays")]
    assert words == ["overstays in 1", "overstays out 1", "overstays in 2", "overstays out 2"]


async def test_a_sync_task_that_never_ends_ends_the_process_with_its_stacks_and_the_job_is_not_lost(
    app: Any, arq_cli: StartArq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALR_TASKS_STUCK_GRACE", "0.5")
    job = await app.overstays.enqueue(seconds=60)

    arq = arq_cli()
    status = arq.wait()

    assert status == 70
    assert "sync body is stuck, ending this process: task=overstays" in arq.output
    assert "in overstays" in arq.output
    assert await job.status() is JobState.RUNNING  # its claim lapses, and another worker takes it


async def test_a_result_that_is_not_kept_leaves_no_result_and_says_so(
    app: Any, arq_cli: StartArq, redis: Redis
) -> None:
    job = await app.keeps_nothing.enqueue()

    arq_cli("tests.arq.app.DefaultSettings", "--burst").wait()

    assert not await redis.exists(f"arq:result:{job.job_id}")
    with pytest.raises(ResultNotKeptError):
        await job.result(timeout=1)


async def test_a_job_that_expired_before_it_was_started_never_runs(app: Any, arq_cli: StartArq) -> None:
    job = await app.add.using(delay=0.2, expires=0.05).enqueue(1)

    arq_cli("tests.arq.app.DefaultSettings", "--burst").wait()

    assert await job.status() is JobState.EXPIRED


async def test_a_drained_queue_leaves_only_results_behind(app: Any, arq_cli: StartArq, redis: Redis) -> None:
    for number in range(3):
        await app.add.enqueue(number)
    await app.flaky.enqueue(fail_times=1)
    await app.snoozes.enqueue(times=1)

    arq_cli("tests.arq.app.DefaultSettings", "--burst").wait()

    keys = {key async for key in redis.scan_iter() if key not in {b"said", b"snoozed", b"scalr:queues"}}
    assert {key for key in keys if not key.startswith(b"arq:result:")} <= {
        key for key in keys if key.startswith((b"arq:in-progress:cron:", b"arq:job:cron:"))
    }
