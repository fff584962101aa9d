"""The brokers that the kit gives to every registry: memory, told of each enqueue and each wait.

Reads next: `session.py`, which decides what an enqueue or a wait sets off.
"""

from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from scalr_tasks.broker.base import JobInfo, NewJob, Stored
from scalr_tasks.broker.memory import MemoryBroker
from scalr_tasks.broker.memory_engine import Due
from scalr_tasks.broker.records import result_record
from scalr_tasks.clock import Clock
from scalr_tasks.envelope import ResultRecord
from scalr_tasks.errors import KitError
from scalr_tasks.registry.app import App
from scalr_tasks.registry.brokers import RegistryBrokers
from scalr_tasks.state import JobState
from scalr_tasks.testing.faults import Faults

T = TypeVar("T")


class Watcher(Protocol):
    """What a `KitBroker` tells the session."""

    def recorded(self, broker: "KitBroker", jobs: Sequence[NewJob]) -> None:
        """Take note of jobs that were stored."""
        ...

    async def enqueued(self, broker: "KitBroker", job_ids: Sequence[str]) -> None:
        """Run what runs on enqueue, of jobs that a caller has just enqueued."""
        ...

    async def waited_for(self, broker: "KitBroker", job_id: str) -> bool:
        """Somebody waits for the end of this job; True where it may come by itself."""
        ...

    def aborting(self, job_id: str) -> None:
        """Cancel a running job, whose end was asked for."""
        ...

    def runs_inline(self) -> bool:
        """Whether an enqueue made here and now would run its job."""
        ...

    def run_sync(self, act: Coroutine[Any, Any, T]) -> T:
        """Run something to its end from a thread without an event loop."""
        ...


class KitBroker(MemoryBroker):
    """The store of one registry in one test; satisfies `Broker`."""

    def __init__(self, home: RegistryBrokers, watcher: Watcher, faults: Faults, clock: Clock) -> None:
        super().__init__(clock)
        self.home = home
        self.app: App = home.app()
        self._watcher = watcher
        self._faults = faults

    @property
    def queue_keys(self) -> list[str]:
        """Redis keys of the registry's queues."""
        return [queue.key for queue in self.app.queues.values()]

    def due_job(self, job_id: str) -> Due | None:
        """Return a job that a worker may claim now; None where it is deferred, claimed or gone."""
        job = self._tables.jobs.get(job_id)
        if job is None or job.due_at_ms > self._tables.clock.now_ms() or self._tables.is_claimed(job_id):
            return None
        return Due(job_id, job.queue_key, job.due_at_ms)

    def is_running(self, job_id: str) -> bool:
        """Tell whether a worker holds a claim on the job."""
        return job_id in self._tables.jobs and self._tables.is_claimed(job_id)

    async def store(self, jobs: Sequence[NewJob]) -> list[Stored]:
        """Store and record jobs; nothing is run."""
        stored = await super().enqueue(jobs)
        self._watcher.recorded(self, [job for job, one in zip(jobs, stored, strict=True) if one.created])
        return stored

    async def enqueue(self, jobs: Sequence[NewJob]) -> list[Stored]:
        """Store jobs, and run those that run inline."""
        self._faults.refuse_if_down()
        stored = await self.store(jobs)
        await self._watcher.enqueued(self, [one.job_id for one in stored if one.created])
        return stored

    async def info(self, job_id: str, queue_keys: Sequence[str]) -> JobInfo:
        """Tell what is known of a job."""
        self._faults.refuse_if_down()
        return await super().info(job_id, queue_keys)

    async def wait_ended(self, job_id: str, timeout_s: float | None) -> ResultRecord | None:
        """Return how a job ended; where nothing will ever run it, say so instead of waiting."""
        self._faults.refuse_if_down()
        raw = None if job_id in self._tables.jobs else self._tables.result(job_id)
        if raw is not None:
            return result_record(job_id, raw)
        info = await self.info(job_id, ())
        if not _is_over(info):
            if await self._watcher.waited_for(self, job_id):
                return await super().wait_ended(job_id, timeout_s)
            info = await self.info(job_id, self.queue_keys)
        if not _is_over(info):
            if timeout_s is not None:
                raise TimeoutError  # no time passes while the test waits, so it is over at once
            raise KitError(
                f"the test waits for job {job_id} of task {info.task!r}, which is {info.state} and will not run by itself",
                way_out="await tasks.drain() or tasks.travel(...) first, or take the fixture tasks_inline",
            )
        return info.result

    async def abort(self, job_id: str, queue_keys: Sequence[str], keep_result_ms: int) -> JobState:
        """Abort a job, whatever its state."""
        self._faults.refuse_if_down()
        state = await super().abort(job_id, queue_keys, keep_result_ms)
        if state is JobState.RUNNING:
            self._watcher.aborting(job_id)
        return state


class KitBlocking:
    """The same store for threads without an event loop; satisfies `BlockingBroker`."""

    def __init__(self, broker: KitBroker, watcher: Watcher) -> None:
        self._broker = broker
        self._watcher = watcher

    def enqueue(self, jobs: Sequence[NewJob]) -> list[Stored]:
        """Store jobs, and run those that run inline."""
        act = self._broker.enqueue(jobs)
        return self._watcher.run_sync(act) if self._watcher.runs_inline() else at_once(act)

    def info(self, job_id: str, queue_keys: Sequence[str]) -> JobInfo:
        """Tell what is known of a job."""
        return at_once(self._broker.info(job_id, queue_keys))

    def wait_ended(self, job_id: str, timeout_s: float | None) -> ResultRecord | None:
        """Return how a job ended."""
        return self._watcher.run_sync(self._broker.wait_ended(job_id, timeout_s))

    def abort(self, job_id: str, queue_keys: Sequence[str], keep_result_ms: int) -> JobState:
        """Abort a job, whatever its state."""
        return at_once(self._broker.abort(job_id, queue_keys, keep_result_ms))

    def close(self) -> None:
        """Do nothing: there is no connection."""


def _is_over(info: JobInfo) -> bool:
    return info.state.is_final or info.state is JobState.NOT_FOUND


def at_once(act: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that waits for nothing: an act of the memory broker."""
    try:
        act.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    act.close()
    raise AssertionError("an act of the memory broker waited for something")
