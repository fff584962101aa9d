"""Servers that restart, are full, take no more clients or no writes: nothing that was answered is lost."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis

from scalr_tasks.broker.base import NewJob
from scalr_tasks.broker.client import RedisBrokers
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.errors import BrokerError, BrokerRefusedError, BrokerUnavailableError
from scalr_tasks.settings import Settings
from scalr_tasks.testing.server import RedisServer
from tests.faults.scenes import SCENES, Scene, new_jobs
from tests.support.jobs import QUEUE_KEY, new_job
from tests.support.servers import OWN
from tests.support.until import until
from tests.support.whole import stored, torn

TOO_MANY = "max number of clients reached|its maxclients may be reached"
"""Its own words, or what is left where it ended the connection before they were read."""

READING = {"info", "count_queued", "list_dead", "list_parked", "HMGET"}


def brokers_of(server: RedisServer, **settings: float) -> RedisBrokers:
    return RedisBrokers(lambda: Settings(redis=server.url, **settings))


async def waiting_in(server: RedisServer) -> list[str]:
    """What is queued, and whole."""
    async with Redis.from_url(server.url) as redis:
        assert await torn(redis) == []
        return [job_id.decode() for job_id in await redis.zrange(QUEUE_KEY, 0, -1)]


async def enqueue_each(broker: RedisBroker, jobs: Sequence[NewJob], callers: int) -> set[str]:
    """Enqueue one by one from several callers; returns what was answered as stored."""
    left = iter(jobs)
    answered: set[str] = set()

    async def caller() -> None:
        for job in left:
            try:
                [answer] = await broker.enqueue([job])
            except BrokerError:
                continue
            assert answer.created
            answered.add(job.job_id)

    await asyncio.gather(*(caller() for _ in range(callers)))
    return answered


async def test_a_redis_that_is_killed_in_the_middle_of_a_stream_of_enqueues_has_each_job_once(tmp_path: Path) -> None:
    """What it answers is on its disk; what it did not answer is sent again and knows itself."""
    on_disk = ["--appendonly", "yes", "--appendfsync", "always", "--dir", str(tmp_path)]
    server = RedisServer(on_disk, environ=OWN).start()
    brokers = brokers_of(server, enqueue_timeout_s=20)
    jobs = new_jobs(400)
    stream = asyncio.create_task(enqueue_each(brokers.broker(), jobs, callers=8))

    for stored_before in (100, 250):
        async with Redis.from_url(server.url) as redis:
            await until(lambda least=stored_before, redis=redis: _has_queued(redis, least), within_s=20)  # type: ignore[misc]  # mypy infers no default
        assert server._process is not None
        server._process.kill()
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
    answered = await stream

    assert answered == {job.job_id for job in jobs}
    assert sorted(await waiting_in(server)) == sorted(answered)
    await brokers.close()
    server.stop()


async def _has_queued(redis: Redis, least: int) -> bool:
    return int(await redis.zcard(QUEUE_KEY)) >= least


async def test_a_redis_with_too_many_clients_is_waited_for() -> None:
    with RedisServer(["--maxclients", "3"], environ=OWN) as server:
        others = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
        for other in others:
            other.sendall(b"PING\r\n")
            other.recv(64)
        impatient, patient = brokers_of(server, enqueue_timeout_s=0.3), brokers_of(server, enqueue_timeout_s=20)
        with pytest.raises(BrokerUnavailableError, match=TOO_MANY):
            await impatient.broker().enqueue([new_job("refused")])
        with pytest.raises(BrokerUnavailableError, match=TOO_MANY):
            await asyncio.to_thread(impatient.blocking().enqueue, [new_job("refused")])
        enqueue = asyncio.create_task(patient.broker().enqueue([new_job("inv-1")]))
        for other in others:
            other.close()

        [answer] = await enqueue

        assert answer.created
        assert await waiting_in(server) == ["inv-1"]
        await impatient.close()
        impatient.close_blocking()
        await patient.close()


async def test_a_redis_that_fills_up_has_all_that_it_answered_and_nothing_else() -> None:
    options = ["--maxmemory", "16mb", "--maxmemory-policy", "noeviction"]
    with RedisServer(options, environ=OWN) as server:
        brokers = brokers_of(server)
        large = b'{"text":"%s"}' % (b"x" * 100_000)
        jobs = [new_job(f"job-{number:05}", arguments=large) for number in range(300)]

        answered = await enqueue_each(brokers.broker(), jobs, callers=4)
        with pytest.raises(BrokerRefusedError, match=r"OOM .*raise maxmemory"):
            await brokers.broker().enqueue([new_job(f"bulk-{number}", arguments=large) for number in range(50)])

        assert 10 < len(answered) < 300
        assert sorted(await waiting_in(server)) == sorted(answered)
        await brokers.close()


@dataclass(frozen=True)
class Pair:
    """A master, and a replica of it that has caught up once."""

    master: RedisServer
    replica: RedisServer


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    # Redis 7 lets a replica wait 5 s for others that may come.
    with (
        RedisServer(["--repl-diskless-sync-delay", "0"], environ=OWN) as master,
        RedisServer(["--replicaof", "127.0.0.1", str(master.port)], environ=OWN) as replica,
    ):
        yield Pair(master, replica)


@pytest.mark.parametrize("scene", SCENES, ids=str)
async def test_a_replica_that_takes_no_writes_answers_what_it_can_and_says_so_of_the_rest(
    scene: Scene, pair: Pair
) -> None:
    above, below = brokers_of(pair.master), brokers_of(pair.replica, enqueue_timeout_s=0.5)
    async with Redis.from_url(pair.master.url) as redis, Redis.from_url(pair.replica.url) as copy:
        await redis.flushall()
        await scene.before(above.broker(), redis)
        before = await stored(redis)
        await until(lambda: _equals(copy, before), within_s=20)

        if scene.command in READING or str(scene) == "enqueue again":
            await scene.act(below.broker())
        else:
            with pytest.raises(BrokerUnavailableError, match="read only replica"):
                await scene.act(below.broker())

        assert await stored(copy) == before
    await above.close()
    await below.close()


async def _equals(redis: Redis, expected: str) -> bool:
    return await stored(redis) == expected
