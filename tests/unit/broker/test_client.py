import asyncio
import gc
import os
import threading
import traceback
import warnings

import pytest

from scalr_tasks.broker.client import RedisBrokers
from scalr_tasks.broker.keys import JOB
from scalr_tasks.errors import SettingsError
from scalr_tasks.settings import Settings
from tests.support.jobs import QUEUES, new_job


async def test_an_event_loop_has_one_broker(brokers: RedisBrokers) -> None:
    assert brokers.broker() is brokers.broker()


async def test_nothing_is_read_or_opened_before_the_first_use() -> None:
    def refuse() -> Settings:
        raise SettingsError("redis", "cannot be used")

    brokers = RedisBrokers(refuse)
    await brokers.close()

    with pytest.raises(SettingsError):
        brokers.broker()


async def test_a_closed_broker_is_replaced_by_the_next_use(brokers: RedisBrokers) -> None:
    first = brokers.broker()
    await first.enqueue([new_job()])

    await brokers.close()

    assert brokers.broker() is not first
    await brokers.broker().enqueue([new_job()])


def test_each_event_loop_has_its_own_and_those_of_closed_loops_close_quietly(redis_url: str) -> None:
    brokers = RedisBrokers(lambda: Settings(redis=redis_url))

    async def use() -> int:
        broker = brokers.broker()
        job = new_job()
        await broker.enqueue([job])
        with pytest.raises(TimeoutError):
            await broker.wait_ended(job.job_id, 0.05)  # opens the subscriber too
        return len(await broker.client.client_list())

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        connections = [asyncio.run(use()) for _ in range(5)]
        asyncio.run(brokers.close())
        gc.collect()

    assert max(connections) <= 3


def test_threads_share_one_blocking_broker(redis_url: str) -> None:
    brokers = RedisBrokers(lambda: Settings(redis=redis_url, max_connections=3))
    stored: list[bool] = []

    def enqueue() -> None:
        for _ in range(20):
            stored.append(brokers.blocking().enqueue([new_job()])[0].created)

    threads = [threading.Thread(target=enqueue) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    brokers.close_blocking()
    assert stored == [True] * 160


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
async def test_a_forked_child_opens_its_own_connections(brokers: RedisBrokers) -> None:
    broker, blocking = brokers.broker(), brokers.blocking()
    await broker.enqueue([new_job("parent")])
    blocking.enqueue([new_job("parent-blocking")])

    child = os.fork()
    if child == 0:
        status = 1
        try:
            brokers.blocking().enqueue([new_job("child-blocking")])
            assert brokers.blocking() is not blocking

            def in_a_loop() -> None:
                async def enqueue() -> None:
                    assert brokers.broker() is not broker
                    await brokers.broker().enqueue([new_job("child")])

                asyncio.run(enqueue())

            thread = threading.Thread(target=in_a_loop)  # the child inherits the mark of a running loop
            thread.start()
            thread.join(10)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, ended = await asyncio.to_thread(os.waitpid, child, 0)

    assert ended == 0
    found = await broker.client.exists(
        *(JOB + name for name in ("parent", "parent-blocking", "child-blocking", "child"))
    )
    assert found == 4
    assert (await broker.info("parent", QUEUES)).state == "queued"
