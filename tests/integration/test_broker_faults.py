"""What a caller sees, and what is stored, when connections and servers fail."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from redis.asyncio import Redis

from scalr_tasks.broker.client import RedisBrokers
from scalr_tasks.broker.keys import JOB
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.errors import BrokerError, BrokerRefusedError, BrokerUnavailableError
from scalr_tasks.settings import Settings
from scalr_tasks.testing.server import URL_VARIABLE, RedisServer
from tests.support.jobs import QUEUE_KEY, QUEUES, finish, new_job, result_of
from tests.support.proxy import CuttingProxy
from tests.support.servers import OWN
from tests.support.until import until

Behind = Callable[..., AbstractAsyncContextManager[tuple[CuttingProxy, RedisBroker]]]


@pytest.fixture
def behind(redis_url: str) -> Behind:
    """A broker whose connections go through a proxy."""

    @asynccontextmanager
    async def open_behind(**settings: float) -> AsyncIterator[tuple[CuttingProxy, RedisBroker]]:
        async with CuttingProxy(redis_url) as proxy:
            brokers = RedisBrokers(lambda: Settings(redis=proxy.url, **settings))
            try:
                yield proxy, brokers.broker()
            finally:
                await brokers.close()

    return open_behind


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("loaded", [True, False], ids=["script loaded", "script flushed"])
async def test_an_enqueue_whose_connection_is_cut_stores_exactly_one_job(
    behind: Behind, redis: Redis, side: str, loaded: bool
) -> None:
    async with behind() as (proxy, broker):
        await broker.enqueue([new_job("warm")])
        if not loaded:
            await redis.script_flush()
        (proxy.cut_before if side == "before" else proxy.cut_after)(b"EVALSHA")

        [answer] = await broker.enqueue([new_job("inv-1")])

        assert proxy.cuts == 1
    assert answer.created
    assert sorted(await redis.zrange(QUEUE_KEY, 0, -1)) == [b"inv-1", b"warm"]


@pytest.mark.parametrize("times", [2, 3, 4])
async def test_several_lost_replies_in_a_row_store_exactly_one_job(behind: Behind, redis: Redis, times: int) -> None:
    async with behind() as (proxy, broker):
        proxy.cut_after(b"EVALSHA", times=times)

        [answer] = await broker.enqueue([new_job("inv-1")])

        assert proxy.cuts == times
    assert answer.created
    assert await redis.zcard(QUEUE_KEY) == 1


async def test_a_cut_while_the_script_is_loaded_stores_exactly_one_job(behind: Behind, redis: Redis) -> None:
    await redis.script_flush()
    async with behind() as (proxy, broker):
        proxy.cut_after(b"SCRIPT")

        [answer] = await broker.enqueue([new_job("inv-1")])

        assert proxy.cuts == 1
    assert answer.created
    assert await redis.zcard(QUEUE_KEY) == 1


async def test_a_bulk_whose_reply_is_lost_is_stored_once(behind: Behind, redis: Redis) -> None:
    async with behind() as (proxy, broker):
        await broker.enqueue([new_job("warm")])
        proxy.cut_after(b"EVALSHA")

        answers = await broker.enqueue([new_job() for _ in range(500)])

    assert all(answer.created for answer in answers)
    assert await redis.zcard(QUEUE_KEY) == 501


async def test_a_job_that_ended_before_its_enqueue_was_repeated_is_not_stored_again(
    behind: Behind, redis: Redis
) -> None:
    job = new_job("inv-1")
    async with behind() as (proxy, broker):
        await broker.info("warm", [])
        await broker.enqueue([new_job("warm")])
        proxy.cut_after(b"EVALSHA")
        proxy_cut = asyncio.create_task(broker.enqueue([job]))
        await until(lambda: proxy.cuts == 1)
        proxy.down()
        await until(lambda: _exists(redis, JOB + "inv-1"))
        await finish(redis, job, result_of(job))
        proxy.up()

        [answer] = await proxy_cut

    assert answer.created
    assert not await redis.exists(JOB + "inv-1")


async def _exists(redis: Redis, key: str) -> bool:
    return await redis.exists(key) == 1


async def test_a_redis_that_stays_away_is_told_after_the_time_is_over(behind: Behind, redis: Redis) -> None:
    async with behind(enqueue_timeout_s=0.3) as (proxy, broker):
        proxy.down()

        with pytest.raises(BrokerUnavailableError, match=r"did not answer for 0\.3 s"):
            await broker.enqueue([new_job("inv-1")])

    assert await redis.dbsize() == 0


async def test_a_redis_that_takes_commands_and_is_silent_is_told_in_time(behind: Behind) -> None:
    async with behind(enqueue_timeout_s=0.3) as (proxy, broker):
        proxy.silent()

        with pytest.raises(BrokerUnavailableError):
            async with asyncio.timeout(3):
                await broker.enqueue([new_job("inv-1")])


async def test_a_redis_that_comes_back_in_time_is_not_noticed(behind: Behind, redis: Redis) -> None:
    async with behind() as (proxy, broker):
        proxy.down()
        enqueue = asyncio.create_task(broker.enqueue([new_job("inv-1")]))
        await asyncio.sleep(0)
        proxy.up()

        [answer] = await enqueue

    assert answer.created


async def test_what_may_not_be_repeated_is_sent_once(behind: Behind, redis: Redis) -> None:
    async with behind() as (proxy, broker):
        await broker.enqueue([new_job("inv-1")])
        await broker.begin("inv-1")
        proxy.cut_after(b"EVALSHA")

        with pytest.raises(BrokerUnavailableError):
            await broker.begin("inv-1")

    assert await redis.hget("scalr:run:inv-1", "starts") == b"2"


@pytest.mark.parametrize("act", ["info", "abort", "list_dead"])
async def test_what_may_be_repeated_survives_a_lost_reply(behind: Behind, redis: Redis, act: str) -> None:
    async with behind() as (proxy, broker):
        await broker.enqueue([new_job("inv-1")])
        await broker.list_dead()
        proxy.cut_after(b"EVALSHA")

        match act:
            case "info":
                assert (await broker.info("inv-1", QUEUES)).state == "queued"
            case "abort":
                assert await broker.abort("inv-1", QUEUES, 1000) == "aborted"
            case _:
                assert (await broker.list_dead()).items == []
        assert proxy.cuts == 1


async def test_a_cancelled_caller_gets_its_cancellation_and_the_next_one_its_answer(
    behind: Behind, redis: Redis
) -> None:
    async with behind(max_connections=1) as (proxy, broker):
        await broker.enqueue([new_job("warm")])
        proxy.silent()
        caller = asyncio.create_task(broker.enqueue([new_job("inv-1")]))
        await until(lambda: _exists(redis, JOB + "inv-1"))

        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        proxy.up()

        [answer] = await broker.enqueue([new_job("inv-2")])
        assert answer.created
        assert (await broker.info("inv-2", QUEUES)).job_id == "inv-2"


async def test_more_callers_than_connections_all_get_their_own_answer(redis_url: str) -> None:
    brokers = RedisBrokers(lambda: Settings(redis=redis_url, max_connections=3))
    broker = brokers.broker()
    jobs = [new_job(f"inv-{number}") for number in range(200)]

    answers = await asyncio.gather(*(broker.enqueue([job]) for job in jobs))

    connected = len(await broker.client.client_list())
    await brokers.close()
    assert [answer[0].job_id for answer in answers] == [job.job_id for job in jobs]
    assert connected <= 3 + 1


async def test_each_script_lost_once_is_loaded_again(broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([new_job("inv-1")])
    for act in (
        lambda: broker.enqueue([new_job("inv-2")]),
        lambda: broker.info("inv-1", QUEUES),
        lambda: broker.begin("inv-1"),
        lambda: broker.postpone("inv-1", counts=True),
        lambda: broker.count_queued(QUEUES),
        broker.list_dead,
        broker.list_parked,
        lambda: broker.park("inv-1", QUEUE_KEY, reason="unknown task", task="add", version=1),
        lambda: broker.unpark(QUEUE_KEY, {"add": 1}),
        lambda: broker.bury_overdue_parked(1),
        lambda: broker.revive("inv-9"),
        lambda: broker.requeue_parked("inv-9"),
        lambda: broker.forget_dead(["inv-9"]),
        lambda: broker.forget_parked(["inv-9"]),
        lambda: broker.abort("inv-1", QUEUES, 1000),
        lambda: broker.entomb("inv-1", "nonce"),
        lambda: broker.conclude("inv-1"),
    ):
        await redis.script_flush()
        await act()  # type: ignore[no-untyped-call]  # each has a signature of its own

    assert (await broker.info("inv-1", QUEUES)).state == "aborted"


# -- refusals ----------------------------------------------------------------------------


async def refused(server: RedisServer, url: str | None = None) -> BrokerError:
    """What an enqueue to a server is refused with, and that it is refused at once."""
    brokers = RedisBrokers(lambda: Settings(redis=url or server.url, enqueue_timeout_s=30))
    try:
        with pytest.raises(BrokerRefusedError) as caught:
            async with asyncio.timeout(5):
                await brokers.broker().enqueue([new_job("inv-1", arguments=b'{"secret":"hunter2"}')])
    finally:
        await brokers.close()
    assert "hunter2" not in str(caught.value)
    return caught.value


async def test_a_full_redis_refuses_with_the_way_out_and_stores_nothing() -> None:
    with RedisServer(["--maxmemory", "1", "--maxmemory-policy", "noeviction"], environ=OWN) as server:
        error = await refused(server)

    assert "OOM" in str(error)
    assert "raise maxmemory" in str(error)


async def test_a_missing_password_is_told_without_repeating() -> None:
    with RedisServer(["--requirepass", "s3cret"], environ=OWN) as server:
        error = await refused(server)

    assert "redis://user:password@host:6379/0" in str(error)


async def test_a_wrong_password_is_told_and_not_shown() -> None:
    with RedisServer(["--requirepass", "s3cret"], environ=OWN) as server:
        error = await refused(server, f"redis://:wr0ng@127.0.0.1:{server.port}/0")

    assert "wr0ng" not in str(error)
    assert "password" in str(error)


async def test_a_user_without_rights_is_told_which_are_needed() -> None:
    with RedisServer(["--user", "app", "on", ">pw", "~none:*", "+@all"], environ=OWN) as server:
        error = await refused(server, f"redis://app:pw@127.0.0.1:{server.port}/0")

    assert "~arq:* ~scalr:*" in str(error)


async def test_a_server_without_scripts_is_told_what_is_needed() -> None:
    with RedisServer(["--rename-command", "EVALSHA", ""], environ=OWN) as server:
        error = await refused(server)

    assert "Redis 6.2 or newer" in str(error)
    assert "inv-1" not in str(error)


async def test_a_database_that_is_not_there_is_told(redis_server: RedisServer) -> None:
    error = await refused(redis_server, redis_server.url.removesuffix("/0") + "/9999")

    assert "database" in str(error)


# -- servers -----------------------------------------------------------------------------


async def test_an_enqueue_waits_for_a_redis_that_restarts() -> None:
    server = RedisServer(environ=OWN).start()
    brokers = RedisBrokers(lambda: Settings(redis=server.url, enqueue_timeout_s=10))
    broker = brokers.broker()
    await broker.enqueue([new_job("before")])
    server.stop()
    enqueue = asyncio.create_task(broker.enqueue([new_job("inv-1")]))
    await asyncio.to_thread(server.start)

    [answer] = await enqueue

    assert answer.created
    assert (await broker.info("inv-1", QUEUES)).state == "queued"
    await brokers.close()
    server.stop()


async def test_a_restart_of_redis_does_not_cost_the_next_command_that_is_sent_once() -> None:
    with RedisServer(environ=OWN) as server:
        brokers = RedisBrokers(lambda: Settings(redis=server.url))
        broker = brokers.broker()
        await asyncio.gather(*(broker.enqueue([new_job()]) for _ in range(5)))
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)

        begun = [await broker.begin("inv-1") for _ in range(5)]

        await brokers.close()
    assert [each.lost for each in begun] == [0, 1, 2, 3, 4]


async def test_callers_that_are_cancelled_at_any_moment_cost_no_connection(redis_url: str) -> None:
    brokers = RedisBrokers(lambda: Settings(redis=redis_url, max_connections=4))
    broker = brokers.broker()
    for turns in range(60):
        callers = [asyncio.create_task(broker.enqueue([new_job()])) for _ in range(8)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers)

    async with asyncio.timeout(5):
        answers = await asyncio.gather(*(broker.enqueue([new_job()]) for _ in range(50)))

    await brokers.close()
    assert all(answer[0].created for answer in answers)


async def test_a_replica_that_takes_no_writes_is_waited_for_until_it_is_the_master(redis_server: RedisServer) -> None:
    options = ["--replicaof", "127.0.0.1", str(redis_server.port)]
    with RedisServer(options, environ=OWN) as server:
        impatient = RedisBrokers(lambda: Settings(redis=server.url, enqueue_timeout_s=0.2))
        with pytest.raises(BrokerUnavailableError, match="read only replica"):
            await impatient.broker().enqueue([new_job()])
        patient = RedisBrokers(lambda: Settings(redis=server.url, enqueue_timeout_s=10))
        enqueue = asyncio.create_task(patient.broker().enqueue([new_job()]))
        await impatient.broker().client.replicaof("NO", "ONE")

        [answer] = await enqueue

        assert answer.created
        await impatient.close()
        await patient.close()


async def test_a_stopped_redis_process_does_not_hang_a_caller() -> None:
    server = RedisServer(environ=OWN).start()
    brokers = RedisBrokers(lambda: Settings(redis=server.url, enqueue_timeout_s=0.3))
    await brokers.broker().enqueue([new_job("before")])
    process = server._process
    assert process is not None
    process.send_signal(signal.SIGSTOP)

    with pytest.raises(BrokerUnavailableError):
        async with asyncio.timeout(5):
            await brokers.broker().enqueue([new_job("inv-1")])

    process.send_signal(signal.SIGCONT)
    await brokers.close()
    server.stop()


def test_the_variable_of_the_suite_does_not_reach_a_server_of_a_tests_own() -> None:
    assert URL_VARIABLE not in OWN
