"""A worker's signs of life: a beat in Redis every 5 s, gone 12 s after the last one, and the socket of `pulse.py`.

Both engines start one for each worker, and take both signs away at an orderly
stop. They come from the worker's own event loop, so a loop that is blocked
gives none. Redis being away costs beats, never the worker.

Reads next: `broker/health.py` for what is kept, `pulse_server.py` for the sign of life without Redis.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from typing import Final

from scalr_tasks.broker.health import BEAT_S, Health, WorkedQueue, WorkerSelf
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.envelope import new_nonce
from scalr_tasks.errors import BrokerError
from scalr_tasks.registry.pulse_server import hang_up, listen
from scalr_tasks.registry.queue import Queue

MAX_JOBS: Final = 20
"""How many ids of jobs in hand a heartbeat names for each queue."""

log: logging.Logger = logging.getLogger("scalr_tasks.worker")


@dataclass(frozen=True, slots=True)
class Station:
    """One queue that a worker serves."""

    queue: Queue
    in_hand: Callable[[], Collection[str]]
    """Ids of the jobs of this queue that run now."""


class Heartbeat:
    """Says that a worker lives, until it is stopped.

        heartbeat = Heartbeat(Health(client, url=url), [Station(queue, runner.in_hand)])
        await heartbeat.start()
        await heartbeat.stop()

    Args:
        health: where it is said.
        stations: the queues that the worker serves.
        name: the worker's id; made of its pid where left out.
        interval_s: how often, in seconds.
    """

    def __init__(
        self, health: Health, stations: Sequence[Station], *, name: str | None = None, interval_s: float = BEAT_S
    ) -> None:
        self.name: Final[str] = name or f"w-{os.getpid()}-{new_nonce()[:4]}"
        self._health = health
        self._stations = tuple(stations)
        self._interval_s = interval_s
        self._version = _version()
        self._started_at_ms = SYSTEM_CLOCK.now_ms()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to answer `check --self`, and to beat, the first time at once."""
        await listen()
        self._task = asyncio.create_task(self._beat(), name="scalr-tasks-heartbeat")

    async def stop(self) -> None:
        """Stop, and take both signs away; without Redis the one there lapses by itself."""
        if self._task is None:
            return
        # Not cancelled: a beat that is on its way could arrive after the worker has left.
        self._stopping.set()
        await self._task
        self._task = None
        await hang_up()
        with suppress(BrokerError):
            await self._health.leave(self.name)

    async def _beat(self) -> None:
        is_heard = True
        while not self._stopping.is_set():
            try:
                await self._health.beat(self.name, self._said())
                is_heard = True
            except BrokerError as error:
                if is_heard:  # once, not every five seconds
                    log.warning("heartbeat was not written: %s", error, extra={"event": "heartbeat.failed"})
                is_heard = False
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval_s):
                    await self._stopping.wait()

    def _said(self) -> WorkerSelf:
        return WorkerSelf(
            host=socket.gethostname(),
            pid=os.getpid(),
            version=self._version,
            started_at_ms=self._started_at_ms,
            queues=tuple(_worked(station) for station in self._stations),
        )


def _worked(station: Station) -> WorkedQueue:
    queue, jobs = station.queue, station.in_hand()
    return WorkedQueue(queue.name, queue.key, queue.concurrency, len(jobs), tuple(islice(jobs, MAX_JOBS)))


def _version() -> str:
    try:
        return version("scalr-tasks")
    except PackageNotFoundError:  # a checkout on the path
        return ""
