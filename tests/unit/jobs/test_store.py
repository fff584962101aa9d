from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from scalr_tasks.broker.keys import DEAD, DEAD_RECORD
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.errors import JobIdConflictError, JobNotFoundError
from scalr_tasks.jobs.store import DeadJobs, Filter, ParkedJobs
from scalr_tasks.state import JobState
from tests.support.jobs import QUEUE_KEY, QUEUES, dead_of, finish, new_job


@pytest.fixture
async def dead(broker: RedisBroker, redis: Redis) -> DeadJobs:
    """Six dead jobs of two tasks on two queues, one second apart."""
    for number in range(6):
        task, queue = ("add", QUEUE_KEY) if number % 2 else ("send", "arq:queue:bulk")
        job = new_job(f"inv-{number}", task=task, queue_key=queue)
        await broker.enqueue([job])
        await broker.bury(dead_of(job))
        await finish(redis, job)
    for number in range(6):  # after the last burial, since each deletes what is too old
        await redis.zadd(DEAD, {f"inv-{number}": 1000 * number})
        await redis.hset(f"{DEAD_RECORD}inv-{number}", "died_at", 1000 * number)
    return DeadJobs(broker)


async def ids(store: DeadJobs, only: Filter, page: int = 2) -> list[str]:
    return [job.job_id async for job in store.list(only, page=page)]


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (Filter(), [5, 4, 3, 2, 1, 0]),
        (Filter(task="add"), [5, 3, 1]),
        (Filter(queue_key="arq:queue:bulk"), [4, 2, 0]),
        (Filter(since=datetime.fromtimestamp(3, UTC)), [5, 4, 3]),
        (Filter(task="send", since=datetime.fromtimestamp(3, UTC)), [4]),
        (Filter(task="nobody"), []),
    ],
    ids=str,
)
async def test_a_filter_means_what_fits_all_of_it(dead: DeadJobs, only: Filter, expected: list[int]) -> None:
    assert await ids(dead, only) == [f"inv-{number}" for number in expected]


async def test_one_job_is_found_by_its_id(dead: DeadJobs) -> None:
    assert (await dead.get("inv-1")).task == "add"


async def test_an_unknown_id_is_answered_with_the_nearest(dead: DeadJobs) -> None:
    with pytest.raises(JobNotFoundError, match=r"no job 'ivn-5' is dead; did you mean 'inv-5'\?"):
        await dead.get("ivn-5")


async def test_a_retried_job_is_queued_and_no_longer_dead(dead: DeadJobs, broker: RedisBroker) -> None:
    await dead.retry("inv-1")

    assert (await broker.info("inv-1", QUEUES)).state is JobState.QUEUED
    with pytest.raises(JobNotFoundError):
        await dead.get("inv-1")


async def test_a_retry_of_what_is_not_dead_changes_nothing(dead: DeadJobs, redis: Redis) -> None:
    with pytest.raises(JobNotFoundError):
        await dead.retry("nobody")

    assert await redis.zcard(QUEUE_KEY) == 0


async def test_a_retry_names_the_job_that_has_the_id_by_now(dead: DeadJobs, broker: RedisBroker) -> None:
    await broker.enqueue([new_job("inv-1", task="rebuild_report")])

    with pytest.raises(JobIdConflictError, match="is taken by a job of task 'rebuild_report'"):
        await dead.retry("inv-1")

    assert (await dead.get("inv-1")).task == "add"


async def test_many_are_retried_by_filter_and_one_whose_id_is_taken_is_left_alone(
    dead: DeadJobs, broker: RedisBroker
) -> None:
    await broker.enqueue([new_job("inv-3", task="other")])

    answers = [(job_id, answer.done) async for job_id, answer in dead.retry_all(Filter(task="add"))]

    assert answers == [("inv-5", True), ("inv-3", False), ("inv-1", True)]
    assert await ids(dead, Filter()) == ["inv-4", "inv-3", "inv-2", "inv-0"]


async def test_jobs_are_purged_by_id_and_by_filter(dead: DeadJobs) -> None:
    assert await dead.purge(["inv-0", "nobody"]) == 1
    assert await dead.purge_all(Filter(task="add")) == 3

    assert await ids(dead, Filter()) == ["inv-4", "inv-2"]


async def test_parked_jobs_have_the_same_verbs(broker: RedisBroker) -> None:
    parked = ParkedJobs(broker)
    for name in ("a", "b", "c"):
        await broker.enqueue([new_job(name)])
        await broker.park(name, QUEUE_KEY, reason="unknown task", task="add", version=1)

    assert {job.job_id async for job in parked.list(Filter(task="add", queue_key=QUEUE_KEY))} == {"a", "b", "c"}
    await parked.retry("a")
    assert await parked.purge_all() == 2
    assert (await broker.info("a", QUEUES)).state is JobState.QUEUED
    with pytest.raises(JobNotFoundError, match="parked"):
        await parked.get("b")
