"""A job's life after its enqueue, against a real Redis: info, attempts, abort."""

import asyncio
import pickle

import pytest
from redis.asyncio import Redis
from redis.exceptions import WatchError

from scalr_tasks.broker.keys import ABORT, IN_PROGRESS, JOB, RESULT, RETRY, RUN
from scalr_tasks.broker.records import UNREADABLE
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.envelope import Overrides
from scalr_tasks.state import JobState
from tests.support.jobs import KEEP_MS, QUEUE_KEY, QUEUES, claim, dead_of, finish, head_of, new_job, result_of, snapshot

# -- info --------------------------------------------------------------------------------


async def test_a_due_job_is_queued(broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([new_job("inv-1")])

    info = await broker.info("inv-1", QUEUES)

    enqueued_at_ms = head_of(await redis.get(JOB + "inv-1"))["et"]
    assert info.state is JobState.QUEUED
    assert (info.task, info.queue_key, info.attempts, info.result) == ("add", QUEUE_KEY, 0, None)
    assert info.due_at_ms == info.enqueued_at_ms == enqueued_at_ms


async def test_a_job_with_a_delay_is_deferred(broker: RedisBroker) -> None:
    await broker.enqueue([new_job("inv-1", delay_ms=60_000)])

    assert (await broker.info("inv-1", QUEUES)).state is JobState.DEFERRED


async def test_a_job_that_was_started_and_waits_is_retrying(broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([new_job("inv-1", delay_ms=60_000)])
    await broker.begin("inv-1")
    await broker.postpone("inv-1", counts=True)

    info = await broker.info("inv-1", QUEUES)

    assert info.state is JobState.RETRYING
    assert info.attempts == 1


async def test_a_claimed_job_is_running(broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([new_job("inv-1")])
    await claim(redis, "inv-1")

    assert (await broker.info("inv-1", QUEUES)).state is JobState.RUNNING


async def test_a_job_on_a_queue_that_was_not_asked_about_is_queued_somewhere(broker: RedisBroker) -> None:
    await broker.enqueue([new_job("inv-1")])

    info = await broker.info("inv-1", ["arq:queue:other"])

    assert info.state is JobState.QUEUED
    assert info.queue_key is None


@pytest.mark.parametrize(
    ("kind", "state"), [("done", "done"), ("failed", "dead"), ("aborted", "aborted"), ("expired", "expired")]
)
async def test_a_kept_result_tells_how_a_job_ended(
    broker: RedisBroker, redis: Redis, kind: str, state: JobState
) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    await finish(redis, job, result_of(job, kind=kind))

    info = await broker.info("inv-1", QUEUES)

    assert info.state == state
    assert info.result is not None
    assert (info.result.kind, info.result.body, info.attempts) == (kind, b"3", 1)


async def test_a_result_that_plain_arq_pickled_is_done_and_not_read(broker: RedisBroker, redis: Redis) -> None:
    await redis.set(RESULT + "inv-1", pickle.dumps({"s": True, "r": 3}))

    info = await broker.info("inv-1", QUEUES)

    assert info.state is JobState.DONE
    assert info.result is not None
    assert (info.result.kind, info.result.body) == (UNREADABLE, b"")


async def test_a_live_job_wins_over_an_old_result_of_its_id(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    await redis.set(RESULT + "inv-1", result_of(job))

    info = await broker.info("inv-1", QUEUES)

    assert info.state is JobState.QUEUED
    assert info.result is None


async def test_a_result_wins_over_a_claim_without_a_job(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1")
    await claim(redis, "inv-1")
    await redis.set(RESULT + "inv-1", result_of(job))

    assert (await broker.info("inv-1", QUEUES)).state is JobState.DONE


async def test_a_dead_job_is_told_from_its_record_once_its_result_is_gone(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    await broker.bury(dead_of(job, reason="gave_up", attempts=3))
    await finish(redis, job)

    info = await broker.info("inv-1", QUEUES)

    assert info.state is JobState.DEAD
    assert info.result is not None
    assert (info.task, info.attempts, info.result.reason) == ("add", 3, "gave_up")
    assert info.result.error.message == "no such invoice"


async def test_a_parked_job_says_where_it_came_from(broker: RedisBroker) -> None:
    await broker.enqueue([new_job("inv-1")])
    await broker.park("inv-1", QUEUE_KEY, reason="unknown task", task="add", version=1)

    info = await broker.info("inv-1", [])

    assert (info.state, info.task, info.queue_key) == (JobState.PARKED, "add", QUEUE_KEY)


async def test_an_id_that_was_never_there_is_not_found(broker: RedisBroker) -> None:
    assert (await broker.info("inv-1", QUEUES)).state is JobState.NOT_FOUND


# -- attempts ----------------------------------------------------------------------------


async def test_attempts_that_count_add_up_and_others_do_not(broker: RedisBroker) -> None:
    await broker.enqueue([new_job("inv-1")])
    for counts in (True, False, True):
        await broker.begin("inv-1")
        await broker.postpone("inv-1", counts=counts)

    begun = await broker.begin("inv-1")

    assert (begun.attempts, begun.lost, begun.first_start) == (2, 0, False)


async def test_starts_without_an_end_are_counted_as_lost(broker: RedisBroker) -> None:
    await broker.enqueue([new_job("inv-1")])
    await broker.begin("inv-1")
    await broker.begin("inv-1")

    begun = await broker.begin("inv-1")

    assert (begun.attempts, begun.lost) == (0, 2)


async def test_an_end_in_order_forgets_the_lost_starts(broker: RedisBroker) -> None:
    await broker.enqueue([new_job("inv-1")])
    await broker.begin("inv-1")
    await broker.begin("inv-1")
    await broker.postpone("inv-1", counts=False)

    assert (await broker.begin("inv-1")).lost == 0


async def test_an_attempt_of_a_removed_job_leaves_no_counts(broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([new_job("inv-1")])
    await broker.begin("inv-1")
    await redis.delete(JOB + "inv-1")

    await broker.postpone("inv-1", counts=True)

    assert not await redis.exists(RUN + "inv-1")


async def test_the_end_of_a_job_forgets_its_counts(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    await broker.begin("inv-1")
    await finish(redis, job, result_of(job))

    assert await broker.conclude("inv-1")

    assert await redis.keys("*") == [b"arq:result:inv-1"]


async def test_a_job_that_has_not_ended_is_not_concluded(broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([new_job("inv-1")])
    await broker.begin("inv-1")
    before = await snapshot(redis)

    assert not await broker.conclude("inv-1")

    assert await snapshot(redis) == before


async def test_a_held_claim_is_extended_and_a_lapsed_one_is_not_taken_again(broker: RedisBroker, redis: Redis) -> None:
    await redis.set(IN_PROGRESS + "inv-1", b"1", px=1000)

    await broker.hold("inv-1", 60_000)
    await broker.hold("inv-2", 60_000)

    assert await redis.pttl(IN_PROGRESS + "inv-1") > 59_000
    assert not await redis.exists(IN_PROGRESS + "inv-2")


async def test_queued_jobs_are_counted_over_queues(broker: RedisBroker) -> None:
    await broker.enqueue([new_job(), new_job(delay_ms=1000), new_job(queue_key="arq:queue:bulk")])

    assert await broker.count_queued([QUEUE_KEY, "arq:queue:bulk", "arq:queue:none"]) == 3


# -- waiting -----------------------------------------------------------------------------


async def test_a_wait_is_over_at_the_push(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    patient = RedisBroker(redis, url="", result_poll_s=60)
    waiting = asyncio.create_task(patient.wait_ended("inv-1", 10))
    await subscribed(redis, 1)

    await finish(redis, job, result_of(job))
    await broker.conclude("inv-1")
    record = await waiting

    await patient.close()
    assert record is not None
    assert record.body == b"3"


async def subscribed(redis: Redis, count: int) -> None:
    """Wait until so many channels have a subscriber."""
    async with asyncio.timeout(5):
        while len(await redis.pubsub_channels()) != count:
            await asyncio.sleep(0)


async def test_an_end_without_a_push_is_seen_by_the_poll(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    hasty = RedisBroker(redis, url="", result_poll_s=0.05)
    waiting = asyncio.create_task(hasty.wait_ended("inv-1", 10))
    await subscribed(redis, 1)

    await finish(redis, job, result_of(job))
    record = await waiting

    await hasty.close()
    assert record is not None


async def test_a_result_that_is_there_needs_one_round_trip_and_no_subscription(
    broker: RedisBroker, redis: Redis
) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    await finish(redis, job, result_of(job))
    await broker.info("warm", [])
    await redis.config_resetstat()

    await broker.wait_ended("inv-1", 1)

    stats = await redis.info("commandstats")
    assert stats["cmdstat_evalsha"]["calls"] == 1
    assert "cmdstat_subscribe" not in stats


async def test_waiters_of_one_loop_share_a_connection_and_leave_no_channel(broker: RedisBroker, redis: Redis) -> None:
    jobs = [new_job() for _ in range(20)]
    await broker.enqueue(jobs)
    waiting = [asyncio.create_task(broker.wait_ended(job.job_id, 10)) for job in jobs for _ in range(3)]
    await subscribed(redis, 20)

    subscribers = [client for client in await redis.client_list() if int(client["sub"]) > 0]
    for job in jobs:
        await finish(redis, job, result_of(job))
        await broker.conclude(job.job_id)
    records = await asyncio.gather(*waiting)

    assert len(subscribers) == 1
    assert all(record is not None and record.kind == "done" for record in records)
    await subscribed(redis, 0)


async def test_a_lost_subscriber_connection_is_opened_again(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    patient = RedisBroker(redis, url="", result_poll_s=60)
    waiting = asyncio.create_task(patient.wait_ended("inv-1", 10))
    await subscribed(redis, 1)

    assert await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == 1
    await finish(redis, job, result_of(job))  # nobody is told: the new subscription looks for itself
    record = await waiting

    await patient.close()
    assert record is not None


async def test_a_wait_for_nothing_answers_none(broker: RedisBroker) -> None:
    assert await broker.wait_ended("inv-1", 10) is None


async def test_a_wait_ends_when_the_job_ends_without_a_result(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    waiting = asyncio.create_task(broker.wait_ended("inv-1", 10))
    await subscribed(redis, 1)

    await finish(redis, job)
    await broker.conclude("inv-1")

    assert await waiting is None


@pytest.mark.parametrize("timeout_s", [0, 0.05])
async def test_a_wait_for_a_job_that_does_not_end_times_out(broker: RedisBroker, timeout_s: float) -> None:
    await broker.enqueue([new_job("inv-1")])

    with pytest.raises(TimeoutError):
        await broker.wait_ended("inv-1", timeout_s)


# -- abort -------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["queued", "deferred", "retrying", "parked"])
async def test_a_waiting_job_is_aborted_at_once_and_nothing_of_it_stays_but_its_end(
    broker: RedisBroker, redis: Redis, state: str
) -> None:
    await broker.enqueue([new_job("inv-1", delay_ms=0 if state == "queued" else 60_000)])
    if state == "retrying":
        await broker.begin("inv-1")
        await broker.postpone("inv-1", counts=True)
    if state == "parked":
        await broker.park("inv-1", QUEUE_KEY, reason="unknown task", task="add", version=1)
    assert (await broker.info("inv-1", QUEUES)).state == state

    answer = await broker.abort("inv-1", QUEUES, KEEP_MS)

    assert answer is JobState.ABORTED
    assert await redis.keys("*") == [b"arq:result:inv-1"]
    assert 0 < await redis.pttl(RESULT + "inv-1") <= KEEP_MS
    info = await broker.info("inv-1", QUEUES)
    assert (info.state, info.task) == (JobState.ABORTED, "add")
    assert info.result is not None
    assert info.result.error.type == "JobAbortedError"


async def test_a_running_job_is_asked_to_end_and_stays(broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([new_job("inv-1")])
    await claim(redis, "inv-1")

    answer = await broker.abort("inv-1", QUEUES, KEEP_MS)

    assert answer is JobState.RUNNING
    assert await redis.zscore(ABORT, "inv-1") > 0
    assert await redis.exists(JOB + "inv-1")


async def test_a_claim_that_outlives_its_job_is_not_asked_to_end(broker: RedisBroker, redis: Redis) -> None:
    await claim(redis, "inv-1")

    assert await broker.abort("inv-1", QUEUES, KEEP_MS) is JobState.RUNNING

    assert not await redis.exists(ABORT)


@pytest.mark.parametrize(
    ("kind", "state"), [("done", "done"), ("failed", "dead"), ("aborted", "aborted"), ("expired", "expired")]
)
async def test_an_ended_job_is_answered_and_left_alone(
    broker: RedisBroker, redis: Redis, kind: str, state: str
) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    await finish(redis, job, result_of(job, kind=kind))
    before = await redis.get(RESULT + "inv-1")

    assert await broker.abort("inv-1", QUEUES, KEEP_MS) == state

    assert await redis.get(RESULT + "inv-1") == before
    assert not await redis.exists(ABORT)


async def test_the_abort_of_an_absent_id_leaves_nothing_behind(broker: RedisBroker, redis: Redis) -> None:
    assert await broker.abort("inv-1", QUEUES, KEEP_MS) is JobState.NOT_FOUND
    assert await redis.dbsize() == 0


async def test_the_calls_own_keep_result_decides_how_long_an_abort_is_kept(broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([new_job("inv-1", head={"overrides": Overrides(keep_result_ms=5000)})])

    await broker.abort("inv-1", QUEUES, KEEP_MS)

    assert 0 < await redis.pttl(RESULT + "inv-1") <= 5000


async def test_an_abort_that_is_not_kept_leaves_a_tombstone_for_a_late_repeat(
    broker: RedisBroker, redis: Redis
) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])

    await broker.abort("inv-1", QUEUES, 0)
    [again] = await broker.enqueue([job])

    assert again.created
    assert await redis.keys("*") == [b"scalr:tombstone:inv-1"]


async def test_the_claim_of_a_plain_arq_worker_fails_when_the_job_is_aborted_under_it(
    broker: RedisBroker, redis: Redis
) -> None:
    await broker.enqueue([new_job("inv-1")])

    async with redis.pipeline(transaction=True) as worker:  # as arq's start_jobs does
        await worker.watch(IN_PROGRESS + "inv-1")
        assert await worker.zscore(QUEUE_KEY, "inv-1")
        await broker.abort("inv-1", QUEUES, KEEP_MS)
        worker.multi()
        worker.psetex(IN_PROGRESS + "inv-1", 310_000, b"1")
        with pytest.raises(WatchError):
            await worker.execute()


async def test_a_parked_job_whose_last_attempt_still_ends_is_not_aborted_yet(broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([new_job("inv-1")])
    await claim(redis, "inv-1")
    await broker.park("inv-1", QUEUE_KEY, reason="unknown task", task="add", version=1)

    assert await broker.abort("inv-1", QUEUES, KEEP_MS) is JobState.RUNNING

    assert not await redis.exists(ABORT)
    assert (await broker.info("inv-1", QUEUES)).state is JobState.PARKED


async def test_an_abort_of_unreadable_bytes_leaves_a_readable_end(broker: RedisBroker, redis: Redis) -> None:
    await redis.set(JOB + "inv-1", b"\x80\x04garbage")
    await redis.zadd(QUEUE_KEY, {"inv-1": 1})

    assert await broker.abort("inv-1", QUEUES, KEEP_MS) is JobState.ABORTED

    assert (await broker.info("inv-1", QUEUES)).state is JobState.ABORTED
    assert not await redis.exists(QUEUE_KEY, RETRY + "inv-1")


async def test_an_abort_wakes_those_who_wait(broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([new_job("inv-1")])
    patient = RedisBroker(redis, url="", result_poll_s=60)
    waiting = asyncio.create_task(patient.wait_ended("inv-1", 10))
    await subscribed(redis, 1)

    await broker.abort("inv-1", QUEUES, KEEP_MS)
    record = await waiting

    await patient.close()
    assert record is not None
    assert record.kind == "aborted"
