"""Our worker in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from scalr_tasks import events
from scalr_tasks.registry.registry import Registry
from scalr_tasks.worker.worker import Worker, served


@asynccontextmanager
async def working(registry: Registry[Any, Any], **options: Any) -> AsyncIterator[Worker]:
    """Serve all queues of a registry while the block runs; what then still runs is given back."""
    started = asyncio.Event()
    worker = Worker(served(registry.app()), broker=registry.broker(), **options)

    def hear(event: events.Event) -> None:
        if isinstance(event, events.WorkerStarted) and event.worker == worker.name:
            started.set()

    silence = events.subscribe(hear)
    running = asyncio.create_task(worker.run())
    ready = asyncio.create_task(started.wait())
    try:
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
        yield worker
    finally:
        silence()
        ready.cancel()
        worker.stop()
        worker.stop()
        await running


async def burst(registry: Registry[Any, Any], **options: Any) -> None:
    """Serve all queues of a registry until they are empty."""
    await Worker(served(registry.app()), broker=registry.broker(), burst=True, **options).run()


class Heard:
    """The events of a kind, while it listens."""

    def __init__(self, kind: type[events.Event]) -> None:
        self.events: list[Any] = []
        self._kind = kind
        self.stop = events.subscribe(self._hear)

    def _hear(self, event: events.Event) -> None:
        if isinstance(event, self._kind):
            self.events.append(event)
