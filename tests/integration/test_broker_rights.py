"""Redis users with few rights, and servers without a part: what works there, and what is said."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from scalr_tasks import Registry
from scalr_tasks.broker.client import RedisBrokers
from scalr_tasks.broker.faults import RIGHTS
from scalr_tasks.cli.banner import UNKNOWN, server_facts
from scalr_tasks.errors import BrokerRefusedError
from scalr_tasks.settings import Settings
from scalr_tasks.testing.server import RedisServer
from tests.faults.scenes import SCENES, bystanders
from tests.support.jobs import KEEP_MS, QUEUES, new_job
from tests.support.servers import OWN
from tests.support.until import until


def server_for(rights: Sequence[str]) -> RedisServer:
    """A server with a user `app` of these rights; the default user has them all."""
    return RedisServer(["--user", "app", "on", ">pw", *rights], environ=OWN)


def brokers_of_app(server: RedisServer) -> RedisBrokers:
    return RedisBrokers(lambda: Settings(redis=f"redis://app:pw@127.0.0.1:{server.port}/0"))


async def test_the_rights_that_a_refusal_names_are_enough_for_every_act() -> None:
    with server_for(RIGHTS.split()) as server:
        brokers = brokers_of_app(server)
        broker = brokers.broker()
        async with Redis.from_url(server.url) as redis:
            for scene in SCENES:
                await redis.flushall()
                await redis.script_flush()
                await bystanders(broker, redis)
                await scene.before(broker, redis)

                await scene.act(broker)

            await redis.flushall()
            await asyncio.to_thread(brokers.blocking().enqueue, [new_job("inv-1")])
            waiting = asyncio.create_task(broker.wait_ended("inv-1", 10))
            await until(lambda: _subscribed(redis))
            await asyncio.to_thread(brokers.blocking().abort, "inv-1", QUEUES, KEEP_MS)

            assert (await waiting) is not None
        await brokers.close()
        brokers.close_blocking()


async def _subscribed(redis: Redis) -> bool:
    return len(await redis.pubsub_channels()) == 1


@pytest.mark.parametrize("missing", ["~arq:*", "~scalr:*", "+evalsha", "+@write"])
async def test_a_user_without_one_of_the_rights_is_told_which_are_needed(missing: str) -> None:
    with server_for([right for right in RIGHTS.split() if right != missing]) as server:
        brokers = brokers_of_app(server)

        with pytest.raises(BrokerRefusedError, match="NOPERM") as caught:
            await brokers.broker().enqueue([new_job("inv-1")])

        await brokers.close()
        assert missing in str(caught.value)


async def test_a_user_without_info_enqueues_waits_and_works() -> None:
    with server_for(["~*", "&*", "+@all", "-info"]) as server:
        brokers = brokers_of_app(server)
        [answer] = await brokers.broker().enqueue([new_job("inv-1")])

        facts = await server_facts(brokers.broker().client)

        assert answer.created
        assert (facts.version, facts.policy) == (UNKNOWN, UNKNOWN)
        assert not facts.is_too_old
        await brokers.close()


async def test_a_server_without_script_load_is_told_what_is_needed() -> None:
    with RedisServer(["--rename-command", "SCRIPT", ""], environ=OWN) as server:
        brokers = RedisBrokers(lambda: Settings(redis=server.url))

        with pytest.raises(BrokerRefusedError, match=r"Redis 6\.2 or newer with Lua"):
            await brokers.broker().enqueue([new_job("inv-1")])

        await brokers.close()


async def test_a_pool_of_arq_with_a_wrong_password_is_refused_as_every_other_client_is() -> None:
    with server_for(RIGHTS.split()) as server:
        url = f"redis://app:wr0ng@127.0.0.1:{server.port}/0"
        registry: Registry[Any, str] = Registry("shop", settings=Settings(redis=url))

        with pytest.raises(BrokerRefusedError) as pool:
            await registry.arq_pool()

        with pytest.raises(BrokerRefusedError) as client:
            await registry.broker().count_queued(QUEUES)
        await registry.close()
    assert str(pool.value) == str(client.value)
    assert "put the server's own user and password into the URL" in str(pool.value)
    assert "wr0ng" not in str(pool.value)
