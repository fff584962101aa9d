"""A real Redis and a real worker for integration tests: what stands behind `redis_url` and `worker`.

    async def test_an_invoice_is_sent(worker: LiveWorker) -> None:
        async with worker(registry):
            job = await send_invoice_email.enqueue(invoice_id=1)
            await job.result(timeout=10)

Each test has an empty database. Every registry of the process goes to it,
whatever its own settings say.

Reads next: `server.py` for the server, `plugin.py` for the fixtures.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from redis import Redis

from scalr_tasks import events
from scalr_tasks.broker.base import BlockingBroker, Broker
from scalr_tasks.broker.client import RedisBrokers
from scalr_tasks.errors import KitError
from scalr_tasks.registry.brokers import RegistryBrokers
from scalr_tasks.registry.registry import Registry
from scalr_tasks.settings import Settings
from scalr_tasks.testing.server import RedisServer
from scalr_tasks.worker.worker import Worker, served


class RealRedis:
    """Sends the jobs of every registry to one Redis; satisfies `StandIn`.

    Args:
        url: where it is.
    """

    def __init__(self, url: str) -> None:
        self.settings: Settings = Settings.from_env(redis=url)
        self._brokers = RedisBrokers(lambda: self.settings)
        self._loops: set[asyncio.AbstractEventLoop] = set()

    def broker(self, home: RegistryBrokers) -> Broker:  # noqa: ARG002  all go to one Redis
        """Return the broker of the running event loop."""
        self._loops.add(asyncio.get_running_loop())
        return self._brokers.broker()

    def blocking(self, home: RegistryBrokers) -> BlockingBroker:  # noqa: ARG002  likewise
        """Return the broker for threads without an event loop."""
        return self._brokers.blocking()

    def close(self) -> None:
        """Close every connection, also those of loops that are still open; called when no test runs."""
        self._brokers.close_blocking()
        for loop in self._loops:
            if loop.is_running():
                asyncio.run_coroutine_threadsafe(self._brokers.close(), loop).result()
            elif not loop.is_closed():
                loop.run_until_complete(self._brokers.close())
        # Whatever loop closes, the connections of those that are closed already go with it.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(self._brokers.close())


class EmptyDatabase:
    """Empties the database of a server before each test, and never one that was not empty before the first.

    Args:
        server: the server.
        number: which of several test processes this is; each has a database of its own.
    """

    def __init__(self, server: RedisServer, number: int = 0) -> None:
        parts = urlsplit(server.url)
        database = int(parts.path.strip("/") or 0) + number
        self.url: str = parts._replace(path=f"/{database}").geturl()
        self._is_ours = False

    def empty(self) -> str:
        """Empty the database, and return its URL.

        Raises:
            KitError: there was something in it that no test of this run has put there.
        """
        with Redis.from_url(self.url) as client:
            if not self._is_ours and client.dbsize():
                raise KitError(
                    "the database for the tests is not empty, and the tests would delete what is in it",
                    way_out="name an empty one in SCALR_TASKS_TEST_REDIS_URL: redis://localhost:6379/15",
                )
            self._is_ours = True
            client.flushdb()
        return self.url


class LiveWorker:
    """Runs our real worker in the event loop of the test, over the Redis of `redis_url`.

        async with worker(registry): ...

    Args:
        settings: where Redis is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @asynccontextmanager
    async def __call__(self, *registries: Registry[Any, Any], queues: Sequence[str] = ()) -> AsyncIterator[Worker]:
        """Serve the queues of some registries inside the block; jobs that still run at its end are given back.

        Args:
            *registries: whose jobs are run; they are not frozen.
            queues: names of the only queues that are served.

        Raises:
            KitError: no registry was given.
            UnknownQueueError: a registry declares no queue of that name.
        """
        if not registries:
            raise KitError("a worker was started without a registry", way_out="async with worker(registry):")
        brokers = RedisBrokers(lambda: self._settings)
        apps = [replace(registry.snapshot(), settings=lambda: self._settings) for registry in registries]
        worker = Worker([one for app in apps for one in served(app, queues)], broker=brokers.broker())
        started = asyncio.Event()
        stop_listening = events.subscribe(
            lambda event: started.set() if isinstance(event, events.WorkerStarted) else None
        )
        running = asyncio.create_task(worker.run(), name="scalr-tasks-live-worker")
        try:
            await _first(started, running)
            yield worker
        finally:
            stop_listening()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await brokers.close()


async def _first(started: asyncio.Event, running: "asyncio.Task[None]") -> None:
    """Wait until the worker is ready; raises what it failed with."""
    waiting = asyncio.create_task(started.wait())
    try:
        await asyncio.wait([waiting, running], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        waiting.cancel()
