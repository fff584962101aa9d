"""Enqueue against a real Redis: what is stored, who has an id, when a job is due."""

import asyncio

import pytest
from redis.asyncio import Redis

from scalr_tasks.broker.keys import DEAD_RECORD, JOB, RESULT, RUN
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.envelope import new_job_id, stamp
from tests.support.jobs import QUEUE_KEY, claim, dead_of, finish, head_of, new_job, now_ms, result_of, snapshot


async def test_a_job_is_stored_as_the_envelope_says(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1")

    [answer] = await broker.enqueue([job])

    raw = await redis.get(JOB + "inv-1")
    assert answer.created
    assert raw == stamp(job.head, job.arguments, enqueued_at_ms=head_of(raw)["et"])
    assert await redis.zscore(QUEUE_KEY, "inv-1") == head_of(raw)["et"]


async def test_expires_is_stamped_from_the_enqueue(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1", expires_ms=90_000)

    await broker.enqueue([job])

    raw = await redis.get(JOB + "inv-1")
    enqueued_at_ms = head_of(raw)["et"]
    assert raw == stamp(job.head, job.arguments, enqueued_at_ms=enqueued_at_ms, expires_at_ms=enqueued_at_ms + 90_000)


async def test_a_payload_has_no_ttl(broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([new_job("inv-1", expires_ms=1000)])

    assert await redis.ttl(JOB + "inv-1") == -1


async def test_a_delay_counts_from_the_clock_of_redis(
    broker: RedisBroker, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 0)
    monkeypatch.setattr("time.time", lambda: 0.0)
    earliest = await now_ms(redis)

    await broker.enqueue([new_job("inv-1", delay_ms=60_000)])

    due = await redis.zscore(QUEUE_KEY, "inv-1")
    assert earliest + 60_000 <= due <= await now_ms(redis) + 60_000


async def test_a_given_time_is_kept_to_the_millisecond(broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([new_job("inv-1", at_ms=4_102_444_800_123)])

    assert await redis.zscore(QUEUE_KEY, "inv-1") == 4_102_444_800_123


async def test_a_repeat_after_a_lost_reply_stores_nothing(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    before = await snapshot(redis)

    [again] = await broker.enqueue([job])

    assert again.created
    assert await snapshot(redis) == before


async def test_a_repeat_while_the_job_runs_stores_nothing(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    await claim(redis, "inv-1")
    before = await snapshot(redis)

    [again] = await broker.enqueue([job])

    assert again.created
    assert await snapshot(redis) == before


async def test_a_repeat_after_the_job_ended_stores_nothing(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    await finish(redis, job, result_of(job))

    [again] = await broker.enqueue([job])

    assert again.created
    assert await redis.zcard(QUEUE_KEY) == 0


async def test_a_repeat_after_a_job_without_a_result_ended_stores_nothing(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    await broker.entomb("inv-1", job.nonce)
    await finish(redis, job)

    [again] = await broker.enqueue([job])

    assert again.created
    assert await redis.zcard(QUEUE_KEY) == 0


async def test_a_repeat_of_a_parked_job_stores_nothing(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    await broker.park("inv-1", QUEUE_KEY, reason="unknown task", task="add", version=1)

    [again] = await broker.enqueue([job])

    assert again.created
    assert await redis.zcard(QUEUE_KEY) == 0


async def test_a_tombstone_keeps_the_id_from_no_other_call(broker: RedisBroker, redis: Redis) -> None:
    first = new_job("inv-1")
    await broker.enqueue([first])
    await broker.entomb("inv-1", first.nonce)
    await finish(redis, first)

    [answer] = await broker.enqueue([new_job("inv-1")])

    assert answer.created
    assert await redis.zcard(QUEUE_KEY) == 1


async def test_a_tombstone_is_gone_after_a_minute(broker: RedisBroker, redis: Redis) -> None:
    await broker.entomb("inv-1", "nonce")

    assert 59_000 < await redis.pttl("scalr:tombstone:inv-1") <= 60_000


@pytest.mark.parametrize("state", ["queued", "running", "done", "failed", "parked"])
async def test_a_taken_id_answers_its_holder(broker: RedisBroker, redis: Redis, state: str) -> None:
    job = new_job("inv-1", task="rebuild_report")
    await broker.enqueue([job])
    match state:
        case "running":
            await claim(redis, "inv-1")
        case "done" | "failed":
            await finish(redis, job, result_of(job, kind=state))
        case "parked":
            await broker.park("inv-1", QUEUE_KEY, reason="unknown task", task="rebuild_report", version=1)
    before = await snapshot(redis)

    [answer] = await broker.enqueue([new_job("inv-1", task="add")])

    assert not answer.created
    assert answer.holder == "rebuild_report"
    assert await snapshot(redis) == before


@pytest.mark.parametrize("raw", [b"\x80\x04pickle", b"", b"{}", b'{"f":1}\n', b"[]\n", b'{"f":"add"' + b" " * 5000])
async def test_a_holder_whose_bytes_do_not_tell_is_none(broker: RedisBroker, redis: Redis, raw: bytes) -> None:
    await redis.set(JOB + "inv-1", raw)

    [answer] = await broker.enqueue([new_job("inv-1")])

    assert not answer.created
    assert answer.holder is None


async def test_a_dead_record_does_not_take_the_id(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    await broker.bury(dead_of(job))
    await finish(redis, job)
    assert await redis.exists(DEAD_RECORD + "inv-1")

    [answer] = await broker.enqueue([new_job("inv-1")])

    assert answer.created


async def test_counts_that_an_earlier_job_left_behind_are_not_the_next_ones(broker: RedisBroker, redis: Redis) -> None:
    await redis.hset(RUN + "inv-1", mapping={"attempts": 4, "starts": 2})

    await broker.enqueue([new_job("inv-1")])

    begun = await broker.begin("inv-1")
    assert (begun.attempts, begun.lost, begun.first_start) == (0, 0, True)


async def test_a_job_with_an_empty_nonce_is_never_taken_for_a_repeat(broker: RedisBroker) -> None:
    await broker.enqueue([new_job("inv-1", nonce="")])

    [answer] = await broker.enqueue([new_job("inv-1", nonce="")])

    assert not answer.created


async def test_one_batch_stores_on_several_queues(broker: RedisBroker, redis: Redis) -> None:
    jobs = [new_job("a"), new_job("b", queue_key="arq:queue:bulk"), new_job("c")]

    await broker.enqueue(jobs)

    assert await redis.zrange(QUEUE_KEY, 0, -1) == [b"a", b"c"]
    assert await redis.zrange("arq:queue:bulk", 0, -1) == [b"b"]


async def test_a_batch_answers_each_job_in_order(broker: RedisBroker) -> None:
    await broker.enqueue([new_job("b", task="other")])

    answers = await broker.enqueue([new_job("a"), new_job("b"), new_job("c"), new_job("a")])

    assert [(answer.job_id, answer.created, answer.holder) for answer in answers] == [
        ("a", True, "add"),
        ("b", False, "other"),
        ("c", True, "add"),
        ("a", False, "add"),
    ]


async def test_no_jobs_need_no_round_trip(broker: RedisBroker, redis: Redis) -> None:
    await redis.config_resetstat()

    assert await broker.enqueue([]) == []

    assert "cmdstat_evalsha" not in await redis.info("commandstats")


@pytest.mark.parametrize(("jobs", "scripts"), [(1, 1), (1000, 1), (1001, 2)])
async def test_an_enqueue_is_one_script_and_so_is_a_thousand(
    broker: RedisBroker, redis: Redis, jobs: int, scripts: int
) -> None:
    await broker.enqueue([new_job("warm")])
    await redis.config_resetstat()

    await broker.enqueue([new_job() for _ in range(jobs)])

    stats = await redis.info("commandstats")
    assert stats["cmdstat_evalsha"]["calls"] == scripts
    assert await redis.zcard(QUEUE_KEY) == jobs + 1


async def test_calls_of_one_turn_of_the_loop_share_a_script(broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([new_job("warm")])
    await redis.config_resetstat()

    answers = await asyncio.gather(*(broker.enqueue([new_job()]) for _ in range(100)))

    stats = await redis.info("commandstats")
    assert stats["cmdstat_evalsha"]["calls"] == 1
    assert len({answer[0].job_id for answer in answers}) == 100


async def test_a_queued_job_of_one_int_takes_at_most_360_bytes(broker: RedisBroker, redis: Redis) -> None:
    count = 2000
    before = await redis.memory_usage(QUEUE_KEY) or 0
    jobs = [new_job(new_job_id(), task="send_invoice_email") for _ in range(count)]

    await broker.enqueue(jobs)

    # MEMORY USAGE of a key counts its name and its entry in the table of keys too.
    payloads = [await redis.memory_usage(JOB + job.job_id) for job in jobs]
    growth = (await redis.memory_usage(QUEUE_KEY, samples=0) - before) / count
    assert sum(payloads) / count + growth <= 360, (sum(payloads) / count, growth)


async def test_arguments_travel_byte_for_byte(broker: RedisBroker, redis: Redis) -> None:
    arguments = '{"text":"grüße\\n\\u0000 % \\\\ \U0001f600"}'.encode()

    await broker.enqueue([new_job("inv-1", arguments=arguments)])

    assert (await redis.get(JOB + "inv-1")).partition(b"\n")[2] == arguments


async def test_an_id_may_hold_anything_but_its_own_end(broker: RedisBroker, redis: Redis) -> None:
    job_id = "küche:1/{x} %s \\"

    await broker.enqueue([new_job(job_id)])

    assert (await broker.info(job_id, [QUEUE_KEY])).state == "queued"
    assert await redis.exists(JOB + job_id, RESULT + job_id) == 1
