"""Dead and parked jobs against a real Redis."""

import pytest
from redis.asyncio import Redis

from scalr_tasks.broker.base import NewJob, PutBack
from scalr_tasks.broker.client import RedisBrokers
from scalr_tasks.broker.keys import DEAD, DEAD_RECORD, IN_PROGRESS, JOB, PARKED, PARKED_RECORD, RESULT, RUN
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.broker.scripts import run
from scalr_tasks.errors import OptionError
from scalr_tasks.settings import Settings
from scalr_tasks.state import JobState
from tests.support.jobs import QUEUE_KEY, QUEUES, claim, dead_of, finish, head_of, new_job, now_ms, result_of, snapshot

DAY_MS = 24 * 3600 * 1000


async def die(broker: RedisBroker, redis: Redis, job: NewJob, *, result: bool = True) -> None:
    """Enqueue a job and let it fail for good, in the order of an engine."""
    await broker.enqueue([job])
    await claim(redis, job.job_id)
    await broker.begin(job.job_id)
    await broker.bury(dead_of(job))
    await finish(redis, job, result_of(job, kind="failed") if result else None)
    await broker.conclude(job.job_id)


async def park(broker: RedisBroker, job: NewJob, *, task: str = "add", version: int = 1) -> None:
    """Enqueue a job and park it."""
    await broker.enqueue([job])
    assert await broker.park(job.job_id, job.queue_key, reason="unknown task", task=task, version=version)


# -- dead --------------------------------------------------------------------------------


async def test_a_dead_job_is_kept_with_its_bytes_and_the_time_of_redis(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    payload = await redis.get(JOB + "inv-1")
    earliest = await now_ms(redis)

    await broker.bury(dead_of(job))

    dead = await broker.dead("inv-1")
    assert dead is not None
    assert (dead.task, dead.queue, dead.queue_key, dead.reason, dead.attempts) == (
        "add",
        "default",
        QUEUE_KEY,
        "failed",
        5,
    )
    assert dead.error.message == "no such invoice"
    assert dead.payload == payload
    assert earliest <= dead.died_at_ms <= await now_ms(redis)
    assert await redis.ttl(DEAD_RECORD + "inv-1") == -1


async def test_a_death_deletes_what_has_been_dead_too_long(broker: RedisBroker, redis: Redis) -> None:
    await die(broker, redis, new_job("old"))
    await die(broker, redis, new_job("young"))
    now = await now_ms(redis)
    await redis.zadd(DEAD, {"old": now - 30 * DAY_MS - 1000, "young": now - 30 * DAY_MS + 60_000})

    await die(broker, redis, new_job("new"))

    assert await broker.dead("old") is None
    assert {job.job_id for job in (await broker.list_dead()).items} == {"young", "new"}


async def test_upkeep_deletes_what_has_been_dead_too_long(broker: RedisBroker, redis: Redis) -> None:
    await die(broker, redis, new_job("old"))
    await redis.zadd(DEAD, {"old": 1})

    assert await broker.bury_overdue_parked(DAY_MS) == []

    assert await broker.dead("old") is None


async def test_a_retried_dead_job_is_as_it_was_and_its_old_end_is_gone(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1")
    await die(broker, redis, job)
    dead = await broker.dead("inv-1")
    assert dead is not None
    await broker.entomb("inv-1", job.nonce)

    assert (await broker.revive("inv-1")).done

    assert sorted(await redis.keys("*")) == [b"arq:job:inv-1", QUEUE_KEY.encode()]
    assert await redis.get(JOB + "inv-1") == dead.payload
    assert await redis.zscore(QUEUE_KEY, "inv-1") <= await now_ms(redis)
    begun = await broker.begin("inv-1")
    assert (begun.attempts, begun.lost) == (0, 0)


async def test_a_retried_dead_job_has_as_long_to_start_as_it_had(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1", expires_ms=5000, arguments=b'{"x":"\\"x\\":1"}')
    await die(broker, redis, job)
    dead = await broker.dead("inv-1")
    assert dead is not None
    old = head_of(dead.payload)
    long_ago = dead.payload.replace(b'"et":%d,"x":%d,' % (old["et"], old["x"]), b'"et":1000,"x":6000,', 1)
    await redis.hset(DEAD_RECORD + "inv-1", "payload", long_ago)
    earliest = await now_ms(redis)

    await broker.revive("inv-1")

    raw = await redis.get(JOB + "inv-1")
    head = head_of(raw)
    assert earliest <= head["et"] <= await now_ms(redis)
    assert earliest + 5000 <= head["x"] <= await now_ms(redis) + 5000
    assert raw.partition(b"\n")[2] == job.arguments
    assert head["n"] == job.nonce


@pytest.mark.parametrize("result", [True, False])
async def test_a_dead_job_is_not_retried_while_another_job_has_its_id(
    broker: RedisBroker, redis: Redis, result: bool
) -> None:
    await die(broker, redis, new_job("inv-1"), result=False)
    other = new_job("inv-1")
    await broker.enqueue([other])
    if result:
        await finish(redis, other, result_of(other))
    before = await snapshot(redis)

    answer = await broker.revive("inv-1")

    assert answer == PutBack(done=False, state=JobState.DONE if result else JobState.QUEUED)
    assert await snapshot(redis) == before


async def test_a_dead_job_is_not_retried_while_the_attempt_it_died_of_still_ends(
    broker: RedisBroker, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scalr_tasks.broker.redis.DYING_S", 0.1)
    job = new_job("inv-1")
    await broker.enqueue([job])
    await claim(redis, "inv-1")
    await broker.bury(dead_of(job))
    before = await snapshot(redis)

    assert await broker.revive("inv-1") == PutBack(done=False, state=JobState.RUNNING)

    assert await snapshot(redis) == before


async def test_what_is_not_dead_cannot_be_retried(broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([new_job("inv-1")])

    assert await broker.revive("inv-1") == PutBack(done=False, state=JobState.NOT_FOUND)
    assert await broker.revive("inv-2") == PutBack(done=False, state=JobState.NOT_FOUND)


async def test_forgotten_dead_jobs_are_gone(broker: RedisBroker, redis: Redis) -> None:
    for name in ("a", "b", "c"):
        await die(broker, redis, new_job(name), result=False)

    assert await broker.forget_dead(["a", "b", "nobody"]) == 2

    assert [job.job_id for job in (await broker.list_dead()).items] == ["c"]
    assert await broker.dead("a") is None


# -- parked ------------------------------------------------------------------------------


async def test_a_parked_job_keeps_bytes_score_and_reason_and_leaves_its_queue(
    broker: RedisBroker, redis: Redis
) -> None:
    await redis.set(JOB + "inv-1", b"\x80\x04 raw \xff bytes")
    await redis.zadd(QUEUE_KEY, {"inv-1": 1_795_000_000_123})

    assert await broker.park("inv-1", QUEUE_KEY, reason="pickle", task="", version=0)

    parked = await broker.parked("inv-1")
    assert parked is not None
    assert (parked.payload, parked.score, parked.reason) == (b"\x80\x04 raw \xff bytes", 1_795_000_000_123, "pickle")
    assert (parked.task, parked.version, parked.queue_key) == ("", 0, QUEUE_KEY)
    assert not await redis.exists(JOB + "inv-1", QUEUE_KEY)


async def test_parking_what_is_gone_keeps_nothing(broker: RedisBroker, redis: Redis) -> None:
    assert not await broker.park("inv-1", QUEUE_KEY, reason="unknown task", task="add", version=1)
    assert await redis.dbsize() == 0


async def test_a_worker_that_knows_the_task_takes_it_back_as_it_was(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1", at_ms=1_795_000_000_123)
    await broker.enqueue([job])
    payload = await redis.get(JOB + "inv-1")
    await broker.park("inv-1", QUEUE_KEY, reason="unknown task", task="add", version=2)

    requeued = await broker.unpark(QUEUE_KEY, {"add": 2})

    assert requeued == ["inv-1"]
    assert await redis.get(JOB + "inv-1") == payload
    assert await redis.zscore(QUEUE_KEY, "inv-1") == 1_795_000_000_123
    assert not await redis.exists(PARKED, PARKED_RECORD + "inv-1")
    assert await redis.keys("scalr:parked*") == []


async def test_unknown_tasks_newer_versions_and_other_queues_stay_parked(broker: RedisBroker) -> None:
    await park(broker, new_job("unknown", task="later"), task="later")
    await park(broker, new_job("newer"), version=3)
    await park(broker, new_job("elsewhere", queue_key="arq:queue:bulk"))

    assert await broker.unpark(QUEUE_KEY, {"add": 2}) == []

    assert len((await broker.list_parked()).items) == 3


async def test_a_parked_job_is_not_requeued_while_its_last_attempt_still_ends(
    broker: RedisBroker, redis: Redis
) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    await claim(redis, "inv-1")
    await broker.park("inv-1", QUEUE_KEY, reason="unknown task", task="add", version=1)

    held = await broker.unpark(QUEUE_KEY, {"add": 1})
    await finish(redis, job)
    freed = await broker.unpark(QUEUE_KEY, {"add": 1})

    assert (held, freed) == ([], ["inv-1"])
    assert await redis.exists(JOB + "inv-1")


async def test_more_parked_jobs_than_one_script_takes_all_come_back(
    broker: RedisBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("records", "redis"):
        monkeypatch.setattr(f"scalr_tasks.broker.{module}.BATCH_IDS", 3)
    for number in range(7):
        await park(broker, new_job(f"inv-{number}"))

    assert len(await broker.unpark(QUEUE_KEY, {"add": 1})) == 7


async def test_a_day_counts_from_the_first_parking_however_often_it_is_requeued(
    broker: RedisBroker, redis: Redis
) -> None:
    await park(broker, new_job("inv-1"))
    await redis.hset(RUN + "inv-1", "parked_at", 1000)
    await broker.requeue_parked("inv-1")
    await broker.park("inv-1", QUEUE_KEY, reason="unknown task", task="add", version=1)

    parked = await broker.parked("inv-1")

    assert parked is not None
    assert parked.parked_at_ms == await redis.zscore(PARKED, "inv-1") == 1000
    assert await broker.bury_overdue_parked(DAY_MS) == ["inv-1"]


async def test_what_is_parked_too_long_is_dead_with_its_reason(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1")
    await park(broker, job)
    parked = await broker.parked("inv-1")
    assert parked is not None

    assert await broker.bury_overdue_parked(DAY_MS) == []
    assert await broker.bury_overdue_parked(0) == ["inv-1"]

    dead = await broker.dead("inv-1")
    assert dead is not None
    assert (dead.task, dead.queue, dead.reason, dead.payload) == ("add", "default", "parked", parked.payload)
    assert "unknown task" in dead.error.message
    assert sorted(await redis.keys("*")) == [b"scalr:dead", b"scalr:dead-of:arq:queue:default", b"scalr:dead:inv-1"]


async def test_a_job_that_was_parked_to_death_can_be_retried(broker: RedisBroker, redis: Redis) -> None:
    await park(broker, new_job("inv-1"))
    await broker.bury_overdue_parked(0)

    assert (await broker.revive("inv-1")).done

    assert (await broker.info("inv-1", QUEUES)).state is JobState.QUEUED


async def test_a_parked_job_is_requeued_by_command_whoever_knows_it(broker: RedisBroker) -> None:
    await park(broker, new_job("inv-1"), task="", version=0)

    assert (await broker.requeue_parked("inv-1")).done

    assert (await broker.info("inv-1", QUEUES)).state is JobState.QUEUED


async def test_a_parked_job_is_not_requeued_over_a_job_that_took_its_id(broker: RedisBroker, redis: Redis) -> None:
    await park(broker, new_job("inv-1"))
    await redis.set(JOB + "inv-1", b"from a plain arq client")
    await redis.zadd(QUEUE_KEY, {"inv-1": 4_102_444_800_000})

    assert await broker.requeue_parked("inv-1") == PutBack(done=False, state=JobState.DEFERRED)
    assert await broker.unpark(QUEUE_KEY, {"add": 1}) == []

    assert await redis.get(JOB + "inv-1") == b"from a plain arq client"


async def test_what_is_not_parked_cannot_be_requeued(broker: RedisBroker) -> None:
    assert await broker.requeue_parked("inv-1") == PutBack(done=False, state=JobState.NOT_FOUND)


async def test_forgotten_parked_jobs_leave_nothing(broker: RedisBroker, redis: Redis) -> None:
    await park(broker, new_job("a"))
    await park(broker, new_job("b"))

    assert await broker.forget_parked(["a", "b", "nobody"]) == 2

    assert await redis.dbsize() == 0


async def test_a_parked_job_whose_last_attempt_still_ends_is_not_forgotten(broker: RedisBroker, redis: Redis) -> None:
    await park(broker, new_job("inv-1"))
    await claim(redis, "inv-1")

    assert await broker.forget_parked(["inv-1"]) == 0

    assert await broker.parked("inv-1") is not None


async def test_an_id_that_is_no_utf_8_is_requeued_all_the_same(broker: RedisBroker, redis: Redis) -> None:
    job_id = b"inv-\xff"
    await redis.set(b"arq:job:" + job_id, b"from a foreign client")
    await redis.zadd(QUEUE_KEY, {job_id: 1})
    await run(redis, "park", (QUEUE_KEY,), (job_id, "unknown task", "add", 1))

    assert await broker.unpark(QUEUE_KEY, {"add": 1}) == ["inv-\\xff"]

    assert await redis.exists(b"arq:job:" + job_id) == 1


# -- listing -----------------------------------------------------------------------------


async def test_a_listing_comes_in_parts_newest_first(broker: RedisBroker, redis: Redis) -> None:
    for number in range(7):
        await die(broker, redis, new_job(f"inv-{number}"))
    await redis.zadd(DEAD, {f"inv-{number}": 1000 + number // 2 for number in range(7)})  # ties too

    ids, cursor = [], None
    while True:
        page = await broker.list_dead(cursor, 2)
        ids += [job.job_id for job in page.items]
        cursor = page.cursor
        if cursor is None:
            break

    assert ids == ["inv-6", "inv-5", "inv-4", "inv-3", "inv-2", "inv-1", "inv-0"]


@pytest.mark.parametrize("number", range(7))
async def test_a_listing_goes_on_where_its_last_row_was_deleted(broker: RedisBroker, redis: Redis, number: int) -> None:
    for each in range(7):
        await die(broker, redis, new_job(f"inv-{each}"))
    await redis.zadd(DEAD, {f"inv-{each}": 1000 + each // 3 for each in range(7)})
    everything = [job.job_id for job in (await broker.list_dead()).items]
    page = await broker.list_dead(None, number + 1)
    last = page.items[-1].job_id
    assert page.cursor is not None

    await broker.forget_dead([last])
    rest = await broker.list_dead(page.cursor, 100)

    assert [job.job_id for job in rest.items] == everything[number + 1 :]


async def test_a_parked_listing_survives_ids_with_colons(broker: RedisBroker) -> None:
    for number in range(3):
        await park(broker, new_job(f"a:b:{number}"))

    first = await broker.list_parked(None, 2)
    second = await broker.list_parked(first.cursor, 2)

    assert {job.job_id for job in [*first.items, *second.items]} == {"a:b:0", "a:b:1", "a:b:2"}


async def test_a_listing_is_one_script_and_never_looks_for_keys(broker: RedisBroker, redis: Redis) -> None:
    for number in range(5):
        await die(broker, redis, new_job(f"inv-{number}"))
    await broker.list_dead()
    await redis.config_resetstat()

    await broker.list_dead()

    stats = await redis.info("commandstats")
    assert stats["cmdstat_evalsha"]["calls"] == 1
    assert not {"cmdstat_keys", "cmdstat_scan", "cmdstat_get"} & stats.keys()


@pytest.mark.parametrize("cursor", ["", "x", "x:y", "-1:a"])
async def test_a_cursor_that_no_listing_gave_is_refused(broker: RedisBroker, cursor: str) -> None:
    with pytest.raises(OptionError, match="cursor"):
        await broker.list_dead(cursor)


async def test_a_shorter_time_for_dead_jobs_comes_from_the_settings(redis_url: str, redis: Redis) -> None:
    brokers = RedisBrokers(lambda: Settings(redis=redis_url, dead_ttl=1))
    broker = brokers.broker()
    await die(broker, redis, new_job("old"))
    await redis.zadd(DEAD, {"old": await now_ms(redis) - 1500})

    await broker.bury_overdue_parked(DAY_MS)

    await brokers.close()
    assert await redis.exists(DEAD_RECORD + "old", IN_PROGRESS + "old") == 0
    assert await redis.exists(RESULT + "old") == 1


async def test_a_listing_of_large_jobs_costs_the_bytes_of_a_small_one(broker: RedisBroker, redis: Redis) -> None:
    for number in range(20):
        job = new_job(f"dead-{number}", arguments=b'"%s"' % (b"x" * 100_000))
        await broker.enqueue([job])
        await broker.bury(dead_of(job))
        await finish(redis, job)
        await broker.enqueue([job])
        await broker.park(job.job_id, QUEUE_KEY, reason="unknown task", task="add", version=1)
    before = (await redis.info("stats"))["total_net_output_bytes"]

    dead = await broker.list_dead()
    parked = await broker.list_parked()

    told = (await redis.info("stats"))["total_net_output_bytes"] - before
    assert min(job.payload_bytes for job in (*dead.items, *parked.items)) > 100_000
    assert (len(dead.items), len(parked.items)) == (20, 20)
    assert told < 40 * 500
