"""Other ways to reach Redis: a unix socket, and Sentinels with a failover."""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from scalr_tasks.broker.client import RedisBrokers
from scalr_tasks.broker.connect import connect_blocking
from scalr_tasks.broker.leases import Holding
from scalr_tasks.broker.redis_leases import BlockingLeases
from scalr_tasks.errors import BrokerUnavailableError
from scalr_tasks.settings import Settings
from scalr_tasks.testing.server import RedisServer, find_binary
from tests.support.jobs import KEEP_MS, QUEUES, new_job, now_ms
from tests.support.proxy import CuttingProxy
from tests.support.servers import OWN
from tests.support.until import until


async def test_everything_works_over_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    with RedisServer(["--unixsocket", str(path)], environ=OWN):
        brokers = RedisBrokers(lambda: Settings(redis=f"unix://{path}?db=2"))
        await brokers.broker().enqueue([new_job("inv-1")])
        await asyncio.to_thread(brokers.blocking().enqueue, [new_job("inv-2")])
        waiting = asyncio.create_task(brokers.broker().wait_ended("inv-1", 10))
        await until(lambda: _subscribed(brokers.broker().client))

        await brokers.broker().abort("inv-1", QUEUES, KEEP_MS)
        record = await waiting

        assert record is not None
        assert await brokers.broker().count_queued(QUEUES) == 1
        await brokers.close()
        brokers.close_blocking()


async def test_enqueues_and_waiters_survive_a_failover(tmp_path: Path) -> None:
    with RedisServer(environ=OWN) as master:
        options = ["--replicaof", "127.0.0.1", str(master.port)]
        with RedisServer(options, environ=OWN) as replica:
            async with sentinel_of(master, tmp_path) as port:
                url = f"redis+sentinel://127.0.0.1:{port}/mymaster/0"
                brokers = RedisBrokers(lambda: Settings(redis=url, enqueue_timeout_s=30))
                await brokers.broker().enqueue([new_job("before")])
                await asyncio.to_thread(brokers.blocking().enqueue, [new_job("before-blocking")])
                waiting = asyncio.create_task(brokers.broker().wait_ended("before", 30))
                await until(lambda: _replicated(replica, 2))

                master.stop()
                await brokers.broker().enqueue([new_job("after")])
                await asyncio.to_thread(brokers.blocking().enqueue, [new_job("after-blocking")])
                await brokers.broker().abort("before", QUEUES, KEEP_MS)
                record = await waiting

                assert record is not None
                assert await brokers.broker().count_queued(QUEUES) == 3
                await brokers.close()
                brokers.close_blocking()


async def test_leases_are_renewed_at_the_new_master_after_a_failover_that_cut_no_connection(redis_url: str) -> None:
    holding = [Holding("inv-1", "w:1", started=True)]
    with RedisServer(environ=OWN) as old:
        async with (
            CuttingProxy(old.url) as proxy,
            Redis.from_url(old.url) as before,
            Redis.from_url(redis_url) as after,
        ):
            for redis in (before, after):
                await redis.set("arq:in-progress:inv-1", "w:1")
                await redis.zadd(QUEUES[0], {"inv-1": 1})
            leases = BlockingLeases(connect_blocking(Settings(redis=proxy.url)), url=proxy.url)
            await asyncio.to_thread(leases.renew, QUEUES[0], holding, 1_000)
            # No server is there, so nothing is taken over; it takes no writes all the same.
            await before.replicaof("127.0.0.1", 1)
            proxy.lead_to(redis_url)
            with pytest.raises(BrokerUnavailableError, match="read only replica"):
                await asyncio.to_thread(leases.renew, QUEUES[0], holding, 1_000)

            lost = await asyncio.to_thread(leases.renew, QUEUES[0], holding, 60_000)

            due_ms, at_ms = await after.zscore(QUEUES[0], "inv-1"), await now_ms(after)
            leases.close()
    assert lost == []
    assert due_ms > at_ms + 30_000


@asynccontextmanager
async def sentinel_of(master: RedisServer, folder: Path) -> AsyncIterator[int]:
    """A Sentinel that knows the master and one replica of it; gives its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    settings = folder / "sentinel.conf"
    settings.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
        f"sentinel monitor mymaster 127.0.0.1 {master.port} 1\n"
        "sentinel down-after-milliseconds mymaster 300\nsentinel failover-timeout mymaster 2000\n"
    )
    process = subprocess.Popen(
        [find_binary(OWN), str(settings), "--sentinel"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        async with Redis(port=port) as sentinel:
            await until(lambda: _knows_replica(sentinel), within_s=20)
        yield port
    finally:
        process.terminate()
        process.wait()


async def _knows_replica(sentinel: Redis) -> bool:
    try:
        replicas = await sentinel.execute_command("SENTINEL", "REPLICAS", "mymaster")
    except RedisError:
        return False
    return any(b"slave" in replica and b"ok" in replica for replica in replicas)


async def _replicated(replica: RedisServer, jobs: int) -> bool:
    async with Redis.from_url(replica.url) as client:
        return int(await client.zcard(QUEUES[0])) == jobs


async def _subscribed(redis: Redis) -> bool:
    return len(await redis.pubsub_channels()) == 1
