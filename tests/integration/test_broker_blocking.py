"""The broker for threads, against a real Redis; called from a thread, as its users do."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from scalr_tasks.broker.blocking import BlockingRedisBroker
from scalr_tasks.broker.client import RedisBrokers
from scalr_tasks.broker.connect import connect_blocking
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.errors import BrokerRefusedError, BrokerUnavailableError
from scalr_tasks.settings import Settings
from scalr_tasks.state import JobState
from tests.support.jobs import KEEP_MS, QUEUE_KEY, QUEUES, finish, new_job, result_of
from tests.support.proxy import CuttingProxy
from tests.support.until import until


def blocking_at(url: str, *, poll_s: float = 1, timeout_s: float = 5, **options: Any) -> BlockingRedisBroker:
    settings = Settings(redis=url, enqueue_timeout_s=timeout_s, **options)
    return BlockingRedisBroker(
        connect_blocking(settings), url=settings.redis.safe_url, enqueue_timeout_s=timeout_s, result_poll_s=poll_s
    )


async def test_a_job_of_the_blocking_twin_is_the_same_job(brokers: RedisBrokers, broker: RedisBroker) -> None:
    job = new_job("inv-1", delay_ms=60_000)

    [first] = await asyncio.to_thread(brokers.blocking().enqueue, [job])
    [again] = await broker.enqueue([job])
    [other] = await asyncio.to_thread(brokers.blocking().enqueue, [new_job("inv-1", task="other")])

    assert (first.created, again.created, other.created, other.holder) == (True, True, False, "add")
    assert await asyncio.to_thread(brokers.blocking().info, "inv-1", QUEUES) == await broker.info("inv-1", QUEUES)


@pytest.mark.parametrize("side", ["before", "after"])
async def test_a_blocking_enqueue_whose_connection_is_cut_stores_exactly_one_job(
    redis_url: str, redis: Redis, side: str
) -> None:
    async with CuttingProxy(redis_url) as proxy:
        blocking = blocking_at(proxy.url)
        await asyncio.to_thread(blocking.enqueue, [new_job("warm")])
        (proxy.cut_before if side == "before" else proxy.cut_after)(b"EVALSHA")

        [answer] = await asyncio.to_thread(blocking.enqueue, [new_job("inv-1")])

        blocking.close()
    assert answer.created
    assert proxy.cuts == 1
    assert sorted(await redis.zrange(QUEUE_KEY, 0, -1)) == [b"inv-1", b"warm"]


async def test_a_redis_that_stays_away_is_told_to_a_thread_in_time(redis_url: str) -> None:
    async with CuttingProxy(redis_url) as proxy:
        blocking = blocking_at(proxy.url, timeout_s=0.3)
        proxy.down()

        with pytest.raises(BrokerUnavailableError, match=r"for 0\.3 s"):
            await asyncio.to_thread(blocking.enqueue, [new_job()])

        blocking.close()


async def test_a_silent_redis_is_told_to_a_thread_in_time(redis_url: str) -> None:
    async with CuttingProxy(redis_url) as proxy:
        blocking = blocking_at(proxy.url, timeout_s=0.3)
        proxy.silent()

        with pytest.raises(BrokerUnavailableError):
            async with asyncio.timeout(3):
                await asyncio.to_thread(blocking.enqueue, [new_job()])

        blocking.close()


async def test_a_refusal_is_told_to_a_thread_at_once(redis_url: str) -> None:
    blocking = blocking_at(redis_url.removesuffix("/0") + "/9999", timeout_s=30)

    with pytest.raises(BrokerRefusedError, match="DB index"):
        async with asyncio.timeout(5):
            await asyncio.to_thread(blocking.enqueue, [new_job()])

    blocking.close()


async def test_a_thread_that_waits_is_woken_by_the_push(redis_url: str, broker: RedisBroker, redis: Redis) -> None:
    blocking = blocking_at(redis_url, poll_s=60)
    job = new_job("inv-1")
    await broker.enqueue([job])
    waiting = asyncio.create_task(asyncio.to_thread(blocking.wait_ended, "inv-1", 10))
    await until(lambda: _has_subscribers(redis))

    await finish(redis, job, result_of(job))
    await broker.conclude("inv-1")
    record = await waiting

    blocking.close()
    assert record is not None
    assert record.body == b"3"
    await until(lambda: _has_no_subscribers(redis))


async def test_a_thread_that_waits_survives_the_loss_of_its_subscription(
    redis_url: str, broker: RedisBroker, redis: Redis
) -> None:
    blocking = blocking_at(redis_url, poll_s=60)
    job = new_job("inv-1")
    await broker.enqueue([job])
    waiting = asyncio.create_task(asyncio.to_thread(blocking.wait_ended, "inv-1", 10))
    await until(lambda: _has_subscribers(redis))

    await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await finish(redis, job, result_of(job))
    record = await waiting

    blocking.close()
    assert record is not None


async def test_more_threads_wait_than_commands_have_connections_and_all_are_answered(
    redis_url: str, broker: RedisBroker, redis: Redis
) -> None:
    blocking = blocking_at(redis_url, poll_s=60, timeout_s=1, max_connections=2)
    jobs = [new_job(f"inv-{number}") for number in range(4)]
    await broker.enqueue(jobs)
    waiting = [asyncio.create_task(asyncio.to_thread(blocking.wait_ended, job.job_id, 10)) for job in jobs]

    async def all_wait() -> bool:
        return len(await redis.pubsub_channels()) == len(jobs) or any(one.done() for one in waiting)

    await until(all_wait)
    for job in jobs:
        await finish(redis, job, result_of(job))
        await broker.conclude(job.job_id)
    records = await asyncio.gather(*waiting)

    blocking.close()
    assert [record and record.job_id for record in records] == [job.job_id for job in jobs]


@pytest.mark.parametrize("timeout_s", [0, 0.05])
async def test_a_thread_waits_no_longer_than_it_said(brokers: RedisBrokers, timeout_s: float) -> None:
    blocking = brokers.blocking()
    await asyncio.to_thread(blocking.enqueue, [new_job("inv-1")])

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await asyncio.to_thread(blocking.wait_ended, "inv-1", timeout_s)


async def test_a_thread_aborts_a_waiting_job(brokers: RedisBrokers, broker: RedisBroker) -> None:
    await broker.enqueue([new_job("inv-1")])

    assert await asyncio.to_thread(brokers.blocking().abort, "inv-1", QUEUES, KEEP_MS) is JobState.ABORTED

    record = await asyncio.to_thread(brokers.blocking().wait_ended, "inv-1", 1)
    assert record is not None
    assert record.kind == "aborted"


async def test_a_wait_of_a_thread_for_nothing_answers_none(brokers: RedisBrokers) -> None:
    assert await asyncio.to_thread(brokers.blocking().wait_ended, "inv-1", 5) is None


async def _has_subscribers(redis: Redis) -> bool:
    return len(await redis.pubsub_channels()) == 1


async def _has_no_subscribers(redis: Redis) -> bool:
    return await redis.pubsub_channels() == []
