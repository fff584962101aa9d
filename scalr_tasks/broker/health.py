"""Who works, and what waits: the heartbeats of workers and the counts of queues, over Redis.

A worker lives where its last beat, in Redis's time, is less than `ALIVE_MS`
ago; nothing is concluded from a clock of this machine. What a heartbeat says
of itself is read as data from elsewhere: one that cannot be read is left out.

Reads next: `lua/overview.lua`, `registry/heartbeat.py` for who beats.
"""

import asyncio
import json
from collections.abc import Awaitable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

from redis.asyncio import Redis

from scalr_tasks.broker import scripts
from scalr_tasks.broker.faults import ERRORS, broker_error
from scalr_tasks.broker.keys import JOB
from scalr_tasks.broker.records import text
from scalr_tasks.broker.scripts import Value

BEAT_S: Final = 5.0
"""How often a worker says that it lives."""

ALIVE_MS: Final = 12_000
"""How long one beat counts: two may be lost."""

REMEMBERED_MS: Final = 30 * 24 * 3600 * 1000
"""How long an empty queue that nobody serves any more is remembered."""

LOOKED_AT: Final = 1000
"""How many due jobs of a queue, and how many deferred ones, are looked at to tell which of them run."""


@dataclass(frozen=True, slots=True)
class WorkedQueue:
    """A queue in a worker's heartbeat."""

    name: str
    key: str
    slots: int
    """Jobs that it runs at once."""
    running: int
    """Jobs in hand now."""
    jobs: tuple[str, ...] = ()
    """Ids of some of them."""


@dataclass(frozen=True, slots=True)
class WorkerSelf:
    """What a worker says of itself."""

    host: str
    pid: int
    version: str
    """Of this package."""
    started_at_ms: int
    queues: tuple[WorkedQueue, ...]


@dataclass(frozen=True, slots=True)
class LivingWorker:
    """A worker that has beaten lately."""

    worker_id: str
    beat_at_ms: int
    said: WorkerSelf


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How many jobs of a queue are in which state."""

    key: str
    ready: int
    """Due, and not running."""
    oldest_due_ms: int | None
    """When the ready job that waits longest was due, epoch ms."""
    deferred: int
    """Due later, first attempts and retries."""
    running: int
    dead: int


@dataclass(frozen=True, slots=True)
class Overview:
    """All workers that live and all queues that are known, at one moment."""

    now_ms: int
    workers: tuple[LivingWorker, ...]
    queues: tuple[QueueCounts, ...]

    def serving(self, key: str) -> list[LivingWorker]:
        """Return the workers that serve a queue."""
        return [worker for worker in self.workers if any(queue.key == key for queue in worker.said.queues)]


class Health:
    """Writes and reads heartbeats, and counts jobs.

        overview = await Health(client, url=settings.redis.safe_url).overview()

    Each method raises `BrokerUnavailableError` where Redis does not answer in
    time and `BrokerRefusedError` where it answers with an error.

    Args:
        client: a redis-py client of this event loop that answers bytes.
        url: address for errors, without a password.
        timeout_s: how long a command may take.
    """

    def __init__(self, client: Redis, *, url: str, timeout_s: float = 5) -> None:
        self._client = client
        self._url = url
        self._timeout_s = timeout_s

    async def beat(self, worker_id: str, said: WorkerSelf) -> None:
        """Record that a worker lives."""
        keys = [queue.key for queue in said.queues]
        document = json.dumps(asdict(said), separators=(",", ":"))
        await self._run("beat", [worker_id, document, ALIVE_MS, REMEMBERED_MS, *keys])

    async def leave(self, worker_id: str) -> None:
        """Forget a worker that stops in order."""
        await self._run("leave", [worker_id])

    async def overview(self, queue_keys: Sequence[str] = ()) -> Overview:
        """Return the workers that live and the counts of queues, in one act whose cost does not grow with the jobs.

        Args:
            queue_keys: queues to count beside those that a worker serves or has served.
        """
        now_ms, workers, queues = await self._run("overview", [ALIVE_MS, LOOKED_AT, *queue_keys])
        read = [_worker(*row) for row in workers]
        return Overview(
            now_ms=now_ms,
            workers=tuple(worker for worker in read if worker is not None),
            queues=tuple(QueueCounts(text(key), *counts) for key, *counts in queues),
        )

    async def payload(self, job_id: str) -> bytes | None:
        """Return the bytes of a job that is on its queue or running; None where there is none."""
        read: Awaitable[Any] = self._client.get(JOB + job_id)
        return cast("bytes | None", await self._answered(read))

    async def _run(self, name: str, args: Sequence[Value]) -> Any:
        return await self._answered(scripts.run(self._client, name, (), args))

    async def _answered(self, reply: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await reply
        except ERRORS as error:
            raise broker_error(self._url, error) from error


def _worker(worker_id: bytes, beat_at_ms: int, said: bytes) -> LivingWorker | None:
    try:
        document = json.loads(said)
        queues = tuple(
            WorkedQueue(
                name=str(queue["name"]),
                key=str(queue["key"]),
                slots=int(queue["slots"]),
                running=int(queue["running"]),
                jobs=tuple(str(job) for job in queue["jobs"]),
            )
            for queue in document["queues"]
        )
        return LivingWorker(
            text(worker_id),
            beat_at_ms,
            WorkerSelf(
                host=str(document["host"]),
                pid=int(document["pid"]),
                version=str(document["version"]),
                started_at_ms=int(document["started_at_ms"]),
                queues=queues,
            ),
        )
    except (
        ValueError,
        TypeError,
        LookupError,
        RecursionError,
        OverflowError,
    ):  # not of ours, or of a later version that says it otherwise
        return None
