import asyncio

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from scalr_tasks.broker.connect import connect_blocking
from scalr_tasks.broker.exchange import exchange, exchange_blocking
from scalr_tasks.settings import Settings
from tests.support.until import until


async def test_an_error_of_redis_is_raised_and_the_connection_serves_the_next_command(redis: Redis) -> None:
    await redis.set("text", "a")

    with pytest.raises(ResponseError):
        await exchange(redis, "INCR", "text")

    assert await exchange(redis, "GET", "text") == b"a"


async def test_a_cancelled_command_leaves_its_reply_to_nobody(redis: Redis) -> None:
    waits = asyncio.create_task(exchange(redis, "BLPOP", "list", 30))
    await until(lambda: _blocked(redis))

    waits.cancel()
    await asyncio.wait({waits})
    await redis.rpush("list", "late")

    assert waits.cancelled()
    assert await exchange(redis, "ECHO", "mine") == b"mine"


def test_a_thread_gets_its_reply_and_its_error(redis_url: str) -> None:
    client = connect_blocking(Settings(redis=redis_url))

    assert exchange_blocking(client, "ECHO", "mine") == b"mine"
    with pytest.raises(ResponseError):
        exchange_blocking(client, "INCR")
    assert exchange_blocking(client, "ECHO", "again") == b"again"

    client.connection_pool.disconnect()


async def _blocked(redis: Redis) -> bool:
    clients = await redis.info("clients")
    return bool(clients["blocked_clients"])
