"""One broker per event loop, one for the threads of a process: `RedisBrokers`.

Everything opens lazily. A broker whose loop is closed is dropped by closing
its sockets, since nothing can be awaited there any more; a forked child opens
its own, and leaves those of its parent alone.

Reads next: `connect.py` for the clients, `redis.py` for the broker.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any, Final

from scalr_tasks.broker.blocking import BlockingRedisBroker
from scalr_tasks.broker.connect import abandon, connect, connect_blocking
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.settings import Settings

_INHERITED: Final[list[Any]] = []
"""A forked child keeps its parent's clients here: collecting them would unregister sockets that both share."""


class RedisBrokers:
    """The brokers of one registry; satisfies `Brokers`.

        brokers = RedisBrokers(Settings.from_env)
        await brokers.broker().enqueue([job])
        await brokers.close()

    Args:
        settings: called once, when the first broker is opened.
    """

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._read_settings = settings
        self._settings: Settings | None = None
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._by_loop: dict[asyncio.AbstractEventLoop, RedisBroker] = {}
        self._blocking: BlockingRedisBroker | None = None

    def broker(self) -> RedisBroker:
        """Return the broker of the running event loop.

        Raises:
            SettingsError: the settings cannot be used.
        """
        loop = asyncio.get_running_loop()
        if self._pid == os.getpid() and (known := self._by_loop.get(loop)) is not None:
            return known
        with self._lock:
            self._leave_parent()
            self._drop_closed()
            settings = self._the_settings()
            broker = self._by_loop[loop] = RedisBroker(
                connect(settings),
                url=settings.redis.safe_url,
                enqueue_timeout_s=settings.enqueue_timeout_s,
                result_poll_s=settings.result_poll_s,
                dead_ttl=settings.dead_ttl,
                owns_client=True,
            )
            return broker

    def blocking(self) -> BlockingRedisBroker:
        """Return the broker of this process for threads without an event loop.

        Raises:
            SettingsError: the settings cannot be used.
        """
        with self._lock:
            self._leave_parent()
            if self._blocking is None:
                settings = self._the_settings()
                self._blocking = BlockingRedisBroker(
                    connect_blocking(settings),
                    url=settings.redis.safe_url,
                    enqueue_timeout_s=settings.enqueue_timeout_s,
                    result_poll_s=settings.result_poll_s,
                )
            return self._blocking

    async def close(self) -> None:
        """Close the broker of the running event loop; the next use opens a new one."""
        with self._lock:
            self._leave_parent()
            self._drop_closed()
            broker = self._by_loop.pop(asyncio.get_running_loop(), None)
        if broker is not None:
            await broker.close()

    def close_blocking(self) -> None:
        """Close the broker of the threads; the next use opens a new one."""
        with self._lock:
            self._leave_parent()
            blocking, self._blocking = self._blocking, None
        if blocking is not None:
            blocking.close()

    def _the_settings(self) -> Settings:
        if self._settings is None:
            self._settings = self._read_settings()
        return self._settings

    def _leave_parent(self) -> None:
        if self._pid != os.getpid():
            _INHERITED.append((self._by_loop, self._blocking))
            self._by_loop, self._blocking, self._pid = {}, None, os.getpid()

    def _drop_closed(self) -> None:
        for loop in [loop for loop in self._by_loop if loop.is_closed()]:
            broker = self._by_loop.pop(loop)
            abandon(broker.client, broker.subscriber)
