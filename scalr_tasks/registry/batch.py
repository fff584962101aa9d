"""Many calls in few round trips: `enqueue_many`.

Calls are taken from the iterable a chunk at a time, so a generator of a
million never stands in memory. What was sent when something fails is said by
`BatchError`; sending the same `Call` objects again stores nothing twice.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, Generic, TypeVar

from scalr_tasks.broker.base import Stored
from scalr_tasks.errors import BatchError, JobIdConflictError, MixedRegistriesError
from scalr_tasks.jobs.job import Job
from scalr_tasks.registry.call import Call, Home, refuse_running_loop

R = TypeVar("R")

CHUNK_JOBS: Final = 1_000
"""Most jobs of one round trip."""

CHUNK_BYTES: Final = 8_000_000
"""Most bytes of arguments in one round trip, since a script holds up every other client of Redis."""


async def enqueue_many(calls: Iterable[Call[R]]) -> list[Job[R]]:
    """Send many calls of one registry, a thousand in one round trip; returns their jobs in order.

        jobs = await enqueue_many(send_invoice_email.call(invoice_id=i) for i in ids)

    Args:
        calls: any iterable; it is read while chunks are being sent.

    Raises:
        MixedRegistriesError: the calls belong to several registries.
        BatchError: a chunk was sent before something failed; the cause is its `__cause__`. Where nothing
            was sent, the cause itself is raised.
    """
    batch: _Batch[R] = _Batch(calls)
    while True:
        try:
            chunk = batch.next_chunk()
            if chunk is None:
                return batch.jobs
            batch.keep(chunk, await chunk[0].home.brokers.broker().enqueue([call.new for call in chunk]))
        except Exception as error:
            batch.fail(error)
            raise


def enqueue_many_sync(calls: Iterable[Call[R]]) -> list[Job[R]]:
    """Send many calls from a thread without an event loop; otherwise like `enqueue_many`.

        jobs = enqueue_many_sync([send_invoice_email.call(invoice_id=1)])

    Raises:
        RunningLoopError: an event loop is running in this thread.
        MixedRegistriesError: the calls belong to several registries.
        BatchError: a chunk was sent before something failed.
    """
    refuse_running_loop("enqueue_many_sync", "enqueue_many(...)")
    batch: _Batch[R] = _Batch(calls)
    while True:
        try:
            chunk = batch.next_chunk()
            if chunk is None:
                return batch.jobs
            batch.keep(chunk, chunk[0].home.brokers.blocking().enqueue([call.new for call in chunk]))
        except Exception as error:
            batch.fail(error)
            raise


class _Batch(Generic[R]):
    """What was sent, and what is next."""

    def __init__(self, calls: Iterable[Call[R]]) -> None:
        self.jobs: list[Job[R]] = []
        self._calls: Iterator[Call[R]] = iter(calls)
        self._chunk: list[Call[R]] = []
        self._held: Call[R] | None = None
        self._home: Home | None = None

    def next_chunk(self) -> list[Call[R]] | None:
        """Take the next calls; None where there are no more."""
        chunk: list[Call[R]] = [] if self._held is None else [self._held]
        self._chunk, self._held = chunk, None
        size = sum(len(call.new.arguments) for call in chunk)
        while len(chunk) < CHUNK_JOBS:
            call = next(self._calls, None)
            if call is None:
                break
            self._check_home(call)
            size += len(call.new.arguments)
            if size > CHUNK_BYTES and chunk:
                self._held = call
                break
            chunk.append(call)
        return chunk or None

    def _check_home(self, call: Call[R]) -> None:
        if self._home is None:
            self._home = call.home
        elif self._home is not call.home:
            raise MixedRegistriesError((self._home.name, call.home.name))

    def keep(self, chunk: list[Call[R]], answers: list[Stored]) -> None:
        """Keep the handles of what was sent, and raise the first conflict after that."""
        conflicts: list[Call[Any]] = []
        first: JobIdConflictError | None = None
        for call, stored in zip(chunk, answers, strict=True):
            try:
                self.jobs.append(call.job_of(stored))
            except JobIdConflictError as error:
                conflicts.append(call)
                first = first or error
        self._chunk = conflicts
        if first is not None:
            raise first

    def fail(self, error: Exception) -> None:
        """Raise `BatchError` where a part was sent."""
        if self.jobs:
            sent = [job.job_id for job in self.jobs]
            raise BatchError(sent, unsent=max(1, len(self._chunk)), cause=error) from error
