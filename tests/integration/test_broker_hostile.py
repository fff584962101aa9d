"""Records of dead and parked jobs that somebody else wrote do not stop the acts on the others."""

import pytest
from redis.asyncio import Redis

from scalr_tasks.broker.keys import DEAD, DEAD_RECORD, JOB, PARKED, PARKED_OF, PARKED_RECORD
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.state import JobState
from tests.support.jobs import QUEUE_KEY, QUEUES, dead_of, new_job, snapshot
from tests.support.until import until

DAY_MS = 24 * 3600 * 1000
PARKED_OF_ADD = f"{PARKED_OF}{QUEUE_KEY}:add"
RECORD = {
    "task": "add",
    "version": "1",
    "queue_key": QUEUE_KEY,
    "reason": "unknown task",
    "score": "1",
    "parked_at": "1",
    "payload": '{"v":1,"et":1,"f":"add","n":"x"}\n{}',
}


async def write_parked(redis: Redis, *job_ids: str, parked_at: int = 1, without: str = "", **fields: str) -> None:
    """Write records of parked jobs by another hand."""
    record = {name: value for name, value in (RECORD | fields).items() if name != without}
    async with redis.pipeline(transaction=False) as act:
        for job_id in job_ids:
            act.hset(PARKED_RECORD + job_id, mapping=record)
        act.zadd(PARKED, dict.fromkeys(job_ids, parked_at))
        act.zadd(PARKED_OF_ADD, dict.fromkeys(job_ids, parked_at))
        await act.execute()


@pytest.mark.parametrize("fields", [{"score": "abc"}, {"without": "score"}, {"version": "abc"}])
async def test_a_parked_record_that_cannot_be_read_does_not_keep_the_others_parked(
    broker: RedisBroker, redis: Redis, fields: dict[str, str]
) -> None:
    await write_parked(redis, "a-broken", **fields)  # type: ignore[arg-type]  # no field is called parked_at here
    await write_parked(redis, "good", parked_at=2)

    assert "good" in await broker.unpark(QUEUE_KEY, {"add": 1})


@pytest.mark.parametrize("missing", ["task", "queue_key", "reason", "payload"])
async def test_a_parked_record_with_a_gap_does_not_keep_the_others_from_their_end(
    broker: RedisBroker, redis: Redis, missing: str
) -> None:
    await write_parked(redis, "a-broken", without=missing)
    await write_parked(redis, "good", parked_at=2)

    assert await broker.bury_overdue_parked(DAY_MS) == ["good"]


async def test_thousands_of_parked_jobs_of_a_newer_version_do_not_hide_one_that_is_understood(
    broker: RedisBroker, redis: Redis
) -> None:
    await write_parked(redis, *(f"newer-{number}" for number in range(5_000)), version="999")
    await write_parked(redis, "good", parked_at=2)

    async def is_requeued() -> bool:
        return await broker.unpark(QUEUE_KEY, {"add": 1}) == ["good"]

    await until(is_requeued)

    assert await redis.exists(JOB + "good") == 1


@pytest.mark.parametrize("missing", ["queue_key", "payload", "task"])
async def test_a_parked_record_with_a_gap_is_not_put_back_and_nothing_changes(
    broker: RedisBroker, redis: Redis, missing: str
) -> None:
    await write_parked(redis, "broken", without=missing)
    before = await snapshot(redis)

    put_back = await broker.requeue_parked("broken")

    assert (put_back.done, put_back.state) == (False, JobState.NOT_FOUND)
    assert await broker.parked("broken") is None
    assert await snapshot(redis) == before


async def test_a_dead_record_without_its_queue_is_not_put_back_and_nothing_changes(
    broker: RedisBroker, redis: Redis
) -> None:
    await broker.bury(dead_of(new_job("broken")))
    await redis.hset(DEAD_RECORD + "broken", "payload", RECORD["payload"])
    await redis.hdel(DEAD_RECORD + "broken", "queue_key")
    before = await snapshot(redis)

    put_back = await broker.revive("broken")

    assert (put_back.done, put_back.state) == (False, JobState.NOT_FOUND)
    assert await snapshot(redis) == before


async def test_a_job_whose_records_somebody_else_wrote_still_has_a_state(broker: RedisBroker, redis: Redis) -> None:
    await redis.hset(DEAD_RECORD + "dead", "task", "add")
    await redis.hset(PARKED_RECORD + "parked", "queue_key", QUEUE_KEY)
    await broker.enqueue([new_job("queued")])
    await redis.hset("scalr:run:queued", "attempts", "abc")

    states = [(await broker.info(state, QUEUES)).state for state in ("dead", "parked", "queued")]

    assert states == [JobState.DEAD, JobState.PARKED, JobState.QUEUED]


async def test_a_listing_leaves_out_records_that_somebody_else_wrote(broker: RedisBroker, redis: Redis) -> None:
    await broker.bury(dead_of(new_job("good")))
    await redis.hset(DEAD_RECORD + "broken", "task", "add")
    await redis.set(DEAD_RECORD + "text", "x")
    await redis.zadd(DEAD, {"broken": 1, "text": 2})
    await write_parked(redis, "good")
    await write_parked(redis, "endless", score="inf")

    dead, parked = await broker.list_dead(), await broker.list_parked()

    assert [job.job_id for job in dead.items] == ["good"]
    assert [job.job_id for job in parked.items] == ["good"]


async def test_counts_of_attempts_that_are_no_number_count_as_none(broker: RedisBroker, redis: Redis) -> None:
    await redis.hset("scalr:run:inv-1", "attempts", "abc")

    begun = await broker.begin("inv-1")

    assert (begun.attempts, begun.lost) == (0, 0)
