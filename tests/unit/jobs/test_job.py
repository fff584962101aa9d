import asyncio
import pickle

import pytest
from redis.asyncio import Redis

from scalr_tasks.broker.client import RedisBrokers
from scalr_tasks.broker.keys import RESULT
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.envelope import Overrides, write_error
from scalr_tasks.errors import (
    InvalidResultError,
    JobAbortedError,
    JobExpiredError,
    OptionError,
    ResultNotKeptError,
    RunningLoopError,
    TaskFailedError,
)
from scalr_tasks.jobs.job import Job
from scalr_tasks.policy import ErrorRecord
from scalr_tasks.settings import Settings
from scalr_tasks.state import JobState
from tests.support.jobs import QUEUE_KEY, QUEUES, claim, dead_of, finish, new_job, result_of
from tests.support.until import until


@pytest.fixture
def job(brokers: RedisBrokers) -> Job[int]:
    """A handle to the job `inv-1`."""
    return handle(brokers)


def handle(brokers: RedisBrokers, job_id: str = "inv-1", **options: bool | int) -> Job[int]:
    return Job(job_id, task="add", queue_keys=QUEUES, brokers=brokers, read_result=lambda raw, _: int(raw), **options)  # type: ignore[arg-type]  # of the two options


async def ended(broker: RedisBroker, redis: Redis, kind: str, body: bytes = b"3") -> None:
    """Enqueue `inv-1` and let it end."""
    new = new_job("inv-1")
    await broker.enqueue([new])
    await finish(redis, new, result_of(new, kind=kind, body=body))
    await broker.conclude("inv-1")


async def test_a_result_comes_back_as_its_type(job: Job[int], broker: RedisBroker, redis: Redis) -> None:
    await ended(broker, redis, "done")

    assert await job.result(timeout=1) == 3


async def test_a_result_is_waited_for(job: Job[int], broker: RedisBroker, redis: Redis) -> None:
    new = new_job("inv-1")
    await broker.enqueue([new])
    waiting = asyncio.create_task(job.result(timeout=10))
    await until(lambda: _watched(redis))

    await finish(redis, new, result_of(new))
    await broker.conclude("inv-1")

    assert await waiting == 3


async def test_a_dead_job_raises_what_the_task_raised(job: Job[int], broker: RedisBroker, redis: Redis) -> None:
    await ended(broker, redis, "failed", write_error(ErrorRecord("ValueError", "no such invoice", "Traceback ...")))

    with pytest.raises(TaskFailedError) as caught:
        await job.result()

    error = caught.value
    assert (error.job_id, error.task, error.error_type, error.message) == (
        "inv-1",
        "add",
        "ValueError",
        "no such invoice",
    )
    assert error.traceback == "Traceback ..."


async def test_a_dead_job_raises_the_same_after_its_result_is_gone(
    job: Job[int], broker: RedisBroker, redis: Redis
) -> None:
    new = new_job("inv-1")
    await broker.enqueue([new])
    await broker.bury(dead_of(new, reason="gave_up", attempts=3))
    await finish(redis, new)

    with pytest.raises(TaskFailedError) as caught:
        await job.result()

    assert (caught.value.reason, caught.value.attempts, caught.value.message) == ("gave_up", 3, "no such invoice")


@pytest.mark.parametrize(("kind", "error"), [("aborted", JobAbortedError), ("expired", JobExpiredError)])
async def test_a_job_that_was_not_let_end_says_why(
    job: Job[int], broker: RedisBroker, redis: Redis, kind: str, error: type[Exception]
) -> None:
    await ended(broker, redis, kind)

    with pytest.raises(error, match="inv-1"):
        await job.result()


async def test_an_id_that_was_never_there_has_no_result(job: Job[int]) -> None:
    with pytest.raises(ResultNotKeptError, match=r"^no result of job inv-1 is kept: "):
        await job.result(timeout=1)


async def test_a_job_that_keeps_no_result_says_so_at_its_end(job: Job[int], broker: RedisBroker, redis: Redis) -> None:
    new = new_job("inv-1")
    await broker.enqueue([new])
    waiting = asyncio.create_task(job.result(timeout=10))
    await until(lambda: _watched(redis))

    await broker.entomb("inv-1", new.nonce)
    await finish(redis, new)
    await broker.conclude("inv-1")

    with pytest.raises(ResultNotKeptError):
        await waiting


async def test_a_result_that_plain_arq_pickled_is_not_read(job: Job[int], redis: Redis) -> None:
    await redis.set(RESULT + "inv-1", pickle.dumps({"s": True, "r": 3}))

    with pytest.raises(InvalidResultError, match="arq_serializer"):
        await job.result()


async def test_a_parked_job_is_waited_for(job: Job[int], broker: RedisBroker) -> None:
    await broker.enqueue([new_job("inv-1")])
    await broker.park("inv-1", QUEUE_KEY, reason="unknown task", task="add", version=1)

    with pytest.raises(TimeoutError):
        await job.result(timeout=0.05)


async def test_a_job_that_goes_on_times_out(job: Job[int], broker: RedisBroker) -> None:
    await broker.enqueue([new_job("inv-1")])

    with pytest.raises(TimeoutError):
        await job.result(timeout=0)


async def test_status_and_info_tell_where_the_job_is(job: Job[int], broker: RedisBroker) -> None:
    assert await job.status() is JobState.NOT_FOUND

    await broker.enqueue([new_job("inv-1", delay_ms=60_000)])

    assert await job.status() is JobState.DEFERRED
    assert (await job.info()).queue_key == QUEUE_KEY


# -- abort -------------------------------------------------------------------------------


async def test_a_waiting_job_is_aborted(job: Job[int], broker: RedisBroker) -> None:
    await broker.enqueue([new_job("inv-1")])

    assert await job.abort() is True

    with pytest.raises(JobAbortedError):
        await job.result()


async def test_a_running_job_is_waited_for_until_it_is_aborted(
    job: Job[int], broker: RedisBroker, redis: Redis
) -> None:
    new = new_job("inv-1")
    await broker.enqueue([new])
    await claim(redis, "inv-1")
    aborting = asyncio.create_task(job.abort())
    await until(lambda: _asked(redis))

    await finish(redis, new, result_of(new, kind="aborted"))
    await broker.conclude("inv-1")

    assert await aborting is True


async def test_a_running_job_that_ends_well_meanwhile_is_not_aborted(
    job: Job[int], broker: RedisBroker, redis: Redis
) -> None:
    new = new_job("inv-1")
    await broker.enqueue([new])
    await claim(redis, "inv-1")
    aborting = asyncio.create_task(job.abort())
    await until(lambda: _asked(redis))

    await finish(redis, new, result_of(new))
    await broker.conclude("inv-1")

    assert await aborting is False


async def test_a_running_job_whose_attempt_ends_with_a_retry_is_aborted_before_the_next(
    job: Job[int], broker: RedisBroker, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scalr_tasks.jobs.job._ASK_AGAIN_S", 0.05)
    await broker.enqueue([new_job("inv-1")])
    await claim(redis, "inv-1")
    aborting = asyncio.create_task(job.abort())
    await until(lambda: _asked(redis))

    await redis.delete("arq:in-progress:inv-1")
    await redis.zincrby(QUEUE_KEY, 60_000, "inv-1")

    assert await aborting is True
    assert await redis.keys("*") == [b"arq:result:inv-1"]


async def test_an_ended_job_cannot_be_aborted(job: Job[int], broker: RedisBroker, redis: Redis) -> None:
    await ended(broker, redis, "done")

    assert await job.abort() is False
    assert await job.result() == 3


async def test_an_absent_job_cannot_be_aborted(job: Job[int], redis: Redis) -> None:
    assert await job.abort() is False
    assert await redis.dbsize() == 0


async def test_a_running_job_that_does_not_end_times_out_and_stays_asked_for(
    job: Job[int], broker: RedisBroker, redis: Redis
) -> None:
    await broker.enqueue([new_job("inv-1")])
    await claim(redis, "inv-1")

    with pytest.raises(TimeoutError):
        await job.abort(timeout=0.05)

    assert await _asked(redis)


async def test_an_aborted_job_is_kept_as_long_as_its_handle_says(brokers: RedisBrokers, redis: Redis) -> None:
    await brokers.broker().enqueue([new_job("a"), new_job("b", head={"overrides": Overrides(keep_result_ms=9000)})])

    await handle(brokers, "a", keep_result_ms=5000).abort()
    await handle(brokers, "b", keep_result_ms=5000).abort()

    assert 4000 < await redis.pttl(RESULT + "a") <= 5000
    assert 8000 < await redis.pttl(RESULT + "b") <= 9000


# -- twins -------------------------------------------------------------------------------


async def test_the_twins_say_the_same_from_a_thread(job: Job[int], broker: RedisBroker, redis: Redis) -> None:
    await ended(broker, redis, "done")

    assert await asyncio.to_thread(job.status_sync) is JobState.DONE
    assert await asyncio.to_thread(job.result_sync, 1) == 3
    assert await asyncio.to_thread(job.abort_sync) is False


async def test_a_thread_aborts_a_running_job(job: Job[int], broker: RedisBroker, redis: Redis) -> None:
    new = new_job("inv-1")
    await broker.enqueue([new])
    await claim(redis, "inv-1")
    aborting = asyncio.create_task(asyncio.to_thread(job.abort_sync))
    await until(lambda: _asked(redis))

    await finish(redis, new, result_of(new, kind="aborted"))
    await broker.conclude("inv-1")

    assert await aborting is True


async def test_a_thread_gives_up_on_an_abort_in_time(job: Job[int], broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([new_job("inv-1")])
    await claim(redis, "inv-1")

    with pytest.raises(TimeoutError):
        await asyncio.to_thread(job.abort_sync, 0.05)


@pytest.mark.parametrize(
    ("method", "instead"), [("status_sync", "status"), ("result_sync", "result"), ("abort_sync", "abort")]
)
async def test_a_twin_is_refused_inside_an_event_loop(job: Job[int], method: str, instead: str) -> None:
    with pytest.raises(RunningLoopError, match=rf"await job\.{instead}\(\)"):
        getattr(job, method)()


# -- the handle --------------------------------------------------------------------------


def test_handles_to_one_job_are_equal() -> None:
    brokers = RedisBrokers(lambda: pytest.fail("nothing is opened"))

    assert handle(brokers, "a") == handle(brokers, "a", duplicate=True)
    assert len({handle(brokers, "a"), handle(brokers, "a"), handle(brokers, "b")}) == 2
    assert handle(brokers, "a") != "a"


def test_a_handle_says_which_job_it_is_and_nothing_else() -> None:
    job = handle(RedisBrokers(lambda: pytest.fail("nothing is opened")), duplicate=True)

    assert repr(job) == "<Job inv-1 of add>"
    assert (job.job_id, job.task, job.duplicate) == ("inv-1", "add", True)


async def _watched(redis: Redis) -> bool:
    return len(await redis.pubsub_channels()) == 1


async def _asked(redis: Redis) -> bool:
    return await redis.zscore("arq:abort", "inv-1") is not None


@pytest.mark.parametrize("job_id", ["", "x" * 513, "half \ud800 a pair"])
def test_an_id_that_no_job_can_have_is_refused_before_redis(job_id: str) -> None:
    away = RedisBrokers(lambda: Settings(redis="redis://127.0.0.1:1/0"))

    with pytest.raises(OptionError, match=r"job_id should .* \(task 'add'\)"):
        handle(away, job_id)
