"""One command on one connection of a redis-py client, without the layers of its client class.

What they add, repeats and callbacks for replies, is switched off or not used
here, and costs as much CPU as the command itself (`docs/performance.md`). A
connection on which something failed is closed by redis-py before it goes back
to the pool, a cancelled command's too.

Reads next: `scripts.py`, whose scripts are sent so.
"""

from typing import Any, Final

import redis
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from scalr_tasks.broker.connect import pool_of

_NAMES: Final[tuple[str, ...]] = () if redis.VERSION >= (5, 3) else ("EVALSHA",)
"""Before 5.3 a pool wants to be told the command; since then it warns of it."""


async def exchange(client: Redis, *command: Any) -> Any:
    """Send a command and return its reply; raises what redis-py raises."""
    pool: Any = pool_of(client)
    connection = await pool.get_connection(*_NAMES)
    try:
        await connection.send_command(*command)
        return await connection.read_response()
    finally:
        await pool.release(connection)


def exchange_blocking(client: BlockingRedis, *command: Any) -> Any:
    """Send a command from a thread and return its reply; raises what redis-py raises."""
    pool: Any = client.connection_pool
    connection = pool.get_connection(*_NAMES)
    try:
        connection.send_command(*command)
        return connection.read_response()
    finally:
        pool.release(connection)
