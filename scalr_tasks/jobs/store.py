"""Dead and parked jobs as operators see them: list, look at, put back, delete.

What a filter leaves out is filtered here, page by page; every change of a job
is one act of the broker. Nothing here talks to Redis.

Reads next: `broker/base.py` for the acts, `lua/revive.lua` for what a retry does.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final, Generic, Protocol, TypeVar

from scalr_tasks.broker.base import Broker, DeadJob, Page, ParkedJob, PutBack
from scalr_tasks.errors import JobIdConflictError, JobNotFoundError
from scalr_tasks.names import nearest

_SUGGESTED_FROM: Final = 1000
"""How many of the newest ids are looked through for the one that was meant."""

_FORGET_AT_ONCE: Final = 1000


class _Kept(Protocol):
    @property
    def job_id(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def queue_key(self) -> str: ...


KeptT = TypeVar("KeptT", bound=_Kept)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs are meant; what is left out does not matter."""

    task: str | None = None
    """Name of the task."""
    queue_key: str | None = None
    """Redis key of the queue (`Queue.key`)."""
    since: datetime | None = None
    """Only jobs that died, or were first parked, at this aware time or later."""

    def _since_ms(self) -> int | None:
        return None if self.since is None else round(self.since.timestamp() * 1000)


EVERYTHING: Final = Filter()
"""Every job there is."""


class _Store(Generic[KeptT]):
    """What the two stores share."""

    def __init__(
        self,
        where: str,
        broker: Broker,
        pages: Callable[[str | None, int], Awaitable[Page[KeptT]]],
        read: Callable[[str], Awaitable[KeptT | None]],
        put_back: Callable[[str], Awaitable[PutBack]],
        forget: Callable[[Sequence[str]], Awaitable[int]],
    ) -> None:
        self._where = where
        self._broker = broker
        self._pages = pages
        self._read = read
        self._put_back = put_back
        self._forget = forget

    def _time_ms(self, job: KeptT) -> int:
        raise NotImplementedError

    async def list(self, only: Filter = EVERYTHING, *, page: int = 100) -> AsyncIterator[KeptT]:
        """Yield the jobs that a filter means, newest first.

            async for job in store.list(Filter(task="send_invoice_email")):
                print(job.job_id)

        Args:
            only: which jobs.
            page: how many are asked for at once.
        """
        since_ms = only._since_ms()  # noqa: SLF001  same module
        cursor: str | None = None
        while True:
            found = await self._pages(cursor, page)
            for job in found.items:
                if since_ms is not None and self._time_ms(job) < since_ms:
                    return
                if only.task in {None, job.task} and only.queue_key in {None, job.queue_key}:
                    yield job
            cursor = found.cursor
            if cursor is None:
                return

    async def get(self, job_id: str) -> KeptT:
        """Return one job.

        Raises:
            JobNotFoundError: it is not here; the text has the nearest id.
        """
        job = await self._read(job_id)
        if job is None:
            raise await self._not_found(job_id)
        return job

    async def retry(self, job_id: str) -> None:
        """Put one job back on its queue: same id and arguments.

        Raises:
            JobNotFoundError: it is not here; the text has the nearest id.
            JobIdConflictError: another job has the id by now.
        """
        if (await self._put_back(job_id)).done:
            return
        job = await self.get(job_id)
        holder = await self._broker.info(job_id, [job.queue_key])
        raise JobIdConflictError(job_id, task=job.task, holder=holder.task)

    async def retry_all(self, only: Filter = EVERYTHING) -> AsyncIterator[tuple[str, PutBack]]:
        """Put back every job that a filter means.

        Yields each id with what became of it: not done where another job has the id by now.
        """
        # Each leaves the listing when it is put back; the cursor does not mind.
        async for job in self.list(only):
            yield job.job_id, await self._put_back(job.job_id)

    async def purge(self, job_ids: Sequence[str]) -> int:
        """Delete jobs by id; returns how many were there."""
        return await self._forget(job_ids)

    async def purge_all(self, only: Filter = EVERYTHING) -> int:
        """Delete every job that a filter means; returns how many."""
        forgotten, ids = 0, [job.job_id async for job in self.list(only)]
        waiting = iter(ids)
        while batch := list(islice(waiting, _FORGET_AT_ONCE)):
            forgotten += await self._forget(batch)
        return forgotten

    async def _not_found(self, job_id: str) -> JobNotFoundError:
        newest = await self._pages(None, _SUGGESTED_FROM)
        return JobNotFoundError(job_id, where=self._where, near=nearest(job_id, [job.job_id for job in newest.items]))


class DeadJobs(_Store[DeadJob]):
    """Jobs that failed for good.

    store = DeadJobs(brokers.broker())
    await store.retry("inv-1")
    """

    def __init__(self, broker: Broker) -> None:
        super().__init__("dead", broker, broker.list_dead, broker.dead, broker.revive, broker.forget_dead)

    def _time_ms(self, job: DeadJob) -> int:
        return job.died_at_ms


class ParkedJobs(_Store[ParkedJob]):
    """Jobs that no code understood yet.

    store = ParkedJobs(brokers.broker())
    await store.retry("inv-1")
    """

    def __init__(self, broker: Broker) -> None:
        super().__init__(
            "parked", broker, broker.list_parked, broker.parked, broker.requeue_parked, broker.forget_parked
        )

    def _time_ms(self, job: ParkedJob) -> int:
        return job.parked_at_ms
