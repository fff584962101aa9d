"""Tells when a key changes, whoever changes it: `Changes`.

Redis itself says so to a connection that has read the key (client-side
caching, Redis 6): once for each time that it was read. A plain arq client
needs to do nothing for it.

Reads next: `worker/listen.py`, which wakes workers by it.
"""

from typing import Any, Final, Self

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection

from scalr_tasks.broker.connect import pool_of

_CHANNEL: Final = "__redis__:invalidate"


class Changes:
    """Two connections like those of a client: one reads the key, the other is told that it changed.

        async with Changes(client, "arq:queue:default") as changes:
            due = await changes.due_by(now_ms)
            await changes.wait()

    Raises what redis-py raises.
    """

    def __init__(self, client: Redis, queue_key: str) -> None:
        self._key = queue_key
        pool = pool_of(client)
        # RESP2, where one connection is told what another one has read; and no read timeout, for it may be long silent.
        settings = pool.connection_kwargs | {"protocol": 2, "socket_timeout": None, "decode_responses": False}
        self._told: AbstractConnection = pool.connection_class(**settings)
        self._reads: AbstractConnection = pool.connection_class(**settings)

    async def __aenter__(self) -> Self:
        try:
            for connection in (self._told, self._reads):
                opened: Any = connection  # redis-py leaves its connect unannotated
                await opened.connect()
            told_id = await _ask(self._told, "CLIENT", "ID")
            await _ask(self._told, "SUBSCRIBE", _CHANNEL)
            await _ask(self._reads, "CLIENT", "TRACKING", "ON", "REDIRECT", told_id)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        for connection in (self._told, self._reads):
            await connection.disconnect(nowait=True)

    async def due_by(self, now_ms: int) -> int:
        """Return how many jobs of the queue are due; the next change after this look is told."""
        return int(await _ask(self._reads, "ZCOUNT", self._key, "-inf", now_ms))

    async def wait(self) -> None:
        """Wait for the change after the last look."""
        await self._told.read_response()


async def _ask(connection: AbstractConnection, *words: Any) -> Any:
    await connection.send_command(*words, check_health=False)
    return await connection.read_response()
