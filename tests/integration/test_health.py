"""Heartbeats and the counts of queues, over a real Redis."""

import json
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from scalr_tasks.broker.health import ALIVE_MS, Health, QueueCounts, WorkedQueue, WorkerSelf
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.registry.heartbeat import Heartbeat, Station
from scalr_tasks.registry.queue import Queue
from tests.support.jobs import QUEUE_KEY, claim, dead_of, new_job, now_ms
from tests.support.until import until

BULK = "arq:queue:bulk"
INFINITE = b'{"host":"a","pid":Infinity,"version":"1","started_at_ms":1,"queues":[]}'


@pytest.fixture(autouse=True)
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALR_TASKS_SOCKET_DIR", str(tmp_path))


@pytest.fixture
def health(redis: Redis, redis_url: str) -> Health:
    return Health(redis, url=redis_url)


def said(*queues: str, pid: int = 7) -> WorkerSelf:
    worked = tuple(WorkedQueue(key.rpartition(":")[2], key, 10, 1, ("inv-1",)) for key in queues)
    return WorkerSelf(host="box", pid=pid, version="0.1.0", started_at_ms=5, queues=worked)


def counts(key: str = QUEUE_KEY, **given: Any) -> QueueCounts:
    fields: dict[str, Any] = {"ready": 0, "oldest_due_ms": None, "deferred": 0, "running": 0, "dead": 0}
    return QueueCounts(key=key, **fields | given)


# -- workers -----------------------------------------------------------------------------


async def test_a_worker_that_beats_is_seen_with_what_it_says_of_itself(health: Health, redis: Redis) -> None:
    await health.beat("w-1", said(QUEUE_KEY, BULK))

    overview = await health.overview()

    (worker,) = overview.workers
    assert worker.worker_id == "w-1"
    assert worker.said == said(QUEUE_KEY, BULK)
    assert 0 <= overview.now_ms - worker.beat_at_ms < 5000
    assert [one.worker_id for one in overview.serving(BULK)] == ["w-1"]
    assert overview.serving("arq:queue:mail") == []


async def test_a_worker_that_has_not_beaten_for_12_seconds_is_not_alive(health: Health, redis: Redis) -> None:
    await health.beat("w-1", said(QUEUE_KEY))
    await redis.zadd("scalr:workers", {"w-1": await now_ms(redis) - ALIVE_MS})

    overview = await health.overview()

    assert overview.workers == ()


async def test_a_heartbeats_key_goes_by_itself_and_a_later_beat_takes_it_off_the_list(
    health: Health, redis: Redis
) -> None:
    await health.beat("w-1", said(QUEUE_KEY))
    ttl_ms = await redis.pttl("scalr:worker:w-1")
    await redis.zadd("scalr:workers", {"w-1": await now_ms(redis) - ALIVE_MS})

    await health.beat("w-2", said(QUEUE_KEY))

    assert 0 < ttl_ms <= ALIVE_MS
    assert await redis.zrange("scalr:workers", 0, -1) == [b"w-2"]


async def test_a_worker_that_leaves_is_gone_at_once_and_its_queues_are_remembered(health: Health, redis: Redis) -> None:
    await health.beat("w-1", said(BULK))

    await health.leave("w-1")

    overview = await health.overview()
    assert overview.workers == ()
    assert [queue.key for queue in overview.queues] == [BULK]
    assert sorted(await redis.keys("*")) == [b"scalr:queues"]


@pytest.mark.parametrize(
    "odd",
    [b"\xff\x00", b"[]", b'"x"', b"{}", b'{"queues": 5}', b'{"host":"a","pid":"x","queues":[]}', INFINITE, b"[" * 5000],
)
async def test_a_heartbeat_that_cannot_be_read_is_left_out(health: Health, redis: Redis, odd: bytes) -> None:
    await health.beat("w-1", said(QUEUE_KEY))
    await health.beat("w-2", said(QUEUE_KEY))
    await redis.set("scalr:worker:w-1", odd)

    overview = await health.overview()

    assert [worker.worker_id for worker in overview.workers] == ["w-2"]


async def test_an_empty_queue_that_nobody_has_served_for_30_days_is_forgotten_and_one_with_jobs_is_not(
    health: Health, redis: Redis, broker: RedisBroker
) -> None:
    await broker.enqueue([new_job(queue_key=BULK)])
    long_ago = await now_ms(redis) - 31 * 24 * 3600 * 1000
    await redis.zadd("scalr:queues", {"arq:queue:old": long_ago, BULK: long_ago})

    await health.beat("w-1", said(QUEUE_KEY))

    assert {queue.key for queue in (await health.overview()).queues} == {QUEUE_KEY, BULK}


# -- a worker's own beat -----------------------------------------------------------------


async def test_a_heartbeat_names_the_jobs_in_hand_and_is_taken_away_when_it_stops(health: Health, redis: Redis) -> None:
    in_hand = {f"inv-{number}" for number in range(30)}
    heartbeat = Heartbeat(health, [Station(Queue("bulk", concurrency=50), lambda: in_hand)], name="w-9")
    await heartbeat.start()
    await until(lambda: redis.exists("scalr:worker:w-9"))
    written = json.loads(await redis.get("scalr:worker:w-9"))

    await heartbeat.stop()

    (queue,) = written["queues"]
    assert (queue["name"], queue["key"], queue["slots"], queue["running"]) == ("bulk", BULK, 50, 30)
    assert len(queue["jobs"]) == 20
    assert not await redis.exists("scalr:worker:w-9")
    assert await redis.zcard("scalr:workers") == 0


async def test_a_heartbeat_without_redis_warns_once_and_stops_in_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = Redis(host="127.0.0.1", port=1)
    beats = 0

    def in_hand() -> list[str]:
        nonlocal beats
        beats += 1
        return []

    health = Health(client, url="redis://127.0.0.1:1/0")
    heartbeat = Heartbeat(health, [Station(Queue("bulk"), in_hand)], interval_s=0)
    await heartbeat.start()
    await until(lambda: beats > 3)

    await heartbeat.stop()

    assert [record.message.partition(":")[0] for record in caplog.records] == ["heartbeat was not written"]
    await client.aclose()


# -- queues ------------------------------------------------------------------------------


async def test_every_state_of_a_queue_is_counted(health: Health, redis: Redis, broker: RedisBroker) -> None:
    jobs = [new_job(f"inv-{number}") for number in range(4)]
    later = new_job("later", delay_ms=60_000)
    await broker.enqueue([*jobs, later])
    await claim(redis, "inv-0")
    await redis.zadd(QUEUE_KEY, {"inv-2": 1000})
    await broker.bury(dead_of(new_job("gone")))

    overview = await health.overview([QUEUE_KEY])

    assert overview.queues == (counts(ready=3, oldest_due_ms=1000, deferred=1, running=1, dead=1),)


async def test_a_leased_job_runs_though_its_score_lies_ahead(health: Health, redis: Redis, broker: RedisBroker) -> None:
    await broker.enqueue([new_job("leased"), new_job("later", delay_ms=60_000)])
    await claim(redis, "leased")
    await redis.zadd(QUEUE_KEY, {"leased": await now_ms(redis) + 30_000.5})

    (queue,) = (await health.overview([QUEUE_KEY])).queues

    assert queue == counts(deferred=1, running=1)


async def test_a_name_of_something_else_among_the_queues_does_not_hide_them(health: Health, redis: Redis) -> None:
    await redis.set("odd", "x")
    await redis.zadd("scalr:queues", {"odd": await now_ms(redis), BULK: await now_ms(redis)})

    assert (await health.overview([QUEUE_KEY])).queues == (counts(), counts(BULK))


async def test_a_queue_is_counted_once_and_one_that_nobody_filled_is_empty(health: Health) -> None:
    await health.beat("w-1", said(QUEUE_KEY))

    overview = await health.overview([QUEUE_KEY, BULK, BULK])

    assert overview.queues == (counts(), counts(BULK))


async def test_the_dead_jobs_of_a_queue_are_counted_through_retry_purge_and_a_second_death(
    health: Health, broker: RedisBroker, redis: Redis
) -> None:
    for job_id in ("a", "b", "c"):
        job = new_job(job_id)
        await broker.enqueue([job])
        await broker.bury(dead_of(job))
        await redis.zrem(QUEUE_KEY, job_id)
        await redis.delete(f"arq:job:{job_id}")
    await broker.bury(dead_of(new_job("c", queue_key=BULK)))

    await broker.revive("a")
    await broker.forget_dead(["b"])

    on_default, on_bulk = (await health.overview([QUEUE_KEY, BULK])).queues
    assert (on_default.dead, on_bulk.dead) == (0, 1)


async def test_the_bytes_of_a_waiting_job_are_read_and_of_no_other(health: Health, broker: RedisBroker) -> None:
    await broker.enqueue([new_job("inv-1")])

    assert (await health.payload("inv-1") or b"").endswith(b'{"invoice_id":1}')
    assert await health.payload("nobody") is None
