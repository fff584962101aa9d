"""The push side of `wait_ended`: one subscriber connection per event loop.

A channel is subscribed before its job is looked at, so that an end in between
is not missed. A lost connection is opened again and everybody looks once
more; whoever waits also looks by himself from time to time.

Reads next: `redis.py`, `wait_ended`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis.asyncio.connection import AbstractConnection, ConnectionPool

from scalr_tasks.broker.faults import ERRORS
from scalr_tasks.broker.keys import ENDED

_FIRST_DELAY_S = 0.05
_LONGEST_DELAY_S = 1.0

log: logging.Logger = logging.getLogger("scalr_tasks.broker")


class _Channel:
    """One subscribed channel and those who wait on it."""

    def __init__(self) -> None:
        self.subscribed = asyncio.Event()
        self.waiters: set[asyncio.Event] = set()

    def wake(self) -> None:
        for waiter in self.waiters:
            waiter.set()


class EndedChannels:
    """Tells waiters of one event loop that a job ended.

    Args:
        pool: the pool whose connections this one is like; none is taken from it.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._channels: dict[str, _Channel] = {}
        self._connection: AbstractConnection | None = None
        self._listener: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watch(self, job_id: str, subscribe_s: float) -> AsyncIterator[asyncio.Event]:
        """Give an event that is set at each end of the job; entered once the channel is subscribed.

        Args:
            job_id: the job.
            subscribe_s: how long to wait for the subscription; without it the caller's own looks remain.
        """
        name = ENDED + job_id
        waiter = asyncio.Event()
        channel = self._channels.get(name)
        is_first = channel is None
        if channel is None:
            channel = self._channels[name] = _Channel()
        channel.waiters.add(waiter)
        try:
            if is_first:
                await self._send("SUBSCRIBE", name)
            with suppress(TimeoutError):
                async with asyncio.timeout(subscribe_s):
                    await channel.subscribed.wait()
            yield waiter
        finally:
            channel.waiters.discard(waiter)
            if not channel.waiters and self._channels.get(name) is channel:
                del self._channels[name]
                await self._send("UNSUBSCRIBE", name)

    async def close(self) -> None:
        """Close the connection; whoever still waits goes on looking by himself."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.cancel()
            await asyncio.wait({listener})

    @property
    def connection(self) -> AbstractConnection | None:
        """The open connection, if there is one."""
        return self._connection

    async def _send(self, command: str, name: str) -> None:
        if self._listener is None or self._listener.done():
            if self._channels:
                # It subscribes whatever is in the table once it is connected.
                self._listener = asyncio.create_task(self._listen(), name="scalr-tasks-ended")
        elif self._connection is not None and self._connection.is_connected:
            with suppress(*ERRORS):  # the listener sees the same loss, and subscribes anew
                await self._connection.send_command(command, name, check_health=False)

    async def _listen(self) -> None:
        delay_s = _FIRST_DELAY_S
        while self._channels:
            connection: Any = self._make()  # redis-py leaves its connect unannotated
            try:
                await connection.connect()
                self._connection = connection
                if self._channels:
                    await connection.send_command("SUBSCRIBE", *self._channels, check_health=False)
                while True:
                    self._take(await connection.read_response())
                    delay_s = _FIRST_DELAY_S
            except ERRORS as error:
                log.debug(
                    "subscriber connection lost: %s", type(error).__name__, extra={"event": "broker.unsubscribed"}
                )
            finally:
                self._connection = None
                await connection.disconnect(nowait=True)
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _LONGEST_DELAY_S)

    def _make(self) -> AbstractConnection:
        # RESP2 and no read timeout: a subscriber is silent for as long as no job ends.
        settings = self._pool.connection_kwargs | {"protocol": 2, "socket_timeout": None, "decode_responses": False}
        return self._pool.connection_class(**settings)

    def _take(self, reply: Any) -> None:
        kind, name = reply[0], reply[1]
        channel = self._channels.get(name.decode()) if name is not None else None
        if channel is None:
            return
        if kind == b"subscribe":
            channel.subscribed.set()
        if kind in {b"subscribe", b"message"}:
            channel.wake()
