"""What an engine does with the jobs of the memory broker: claim, give back, finish.

Plain arq does this on the keys itself, so the `Broker` protocol leaves it
out; names and steps are the same.

Reads next: `memory.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scalr_tasks.broker.memory_tables import Kept, Tables
from scalr_tasks.broker.memory_waiting import Watchers
from scalr_tasks.envelope import ResultRecord, write_result


@dataclass(frozen=True, slots=True)
class Due:
    """A job that a worker may claim."""

    job_id: str
    queue_key: str
    due_at_ms: int


class EngineActs:
    """The engine's side of `MemoryBroker`.

        for due in await broker.due([queue_key]):
            payload = await broker.claim(due.job_id, claim_ms=310_000)

    Args:
        tables: what is stored.
        watchers: who waits for a change.
    """

    def __init__(self, tables: Tables, watchers: Watchers) -> None:
        self._tables = tables
        self._watchers = watchers

    async def due(self, queue_keys: Sequence[str], by_ms: int | None = None) -> list[Due]:
        """Return the unclaimed jobs that are due, first due first; those due by `by_ms` instead of by now."""
        by_ms = self._tables.clock.now_ms() if by_ms is None else by_ms
        found = [
            Due(job_id, job.queue_key, job.due_at_ms)
            for job_id, job in self._tables.jobs.items()
            if job.queue_key in queue_keys and job.due_at_ms <= by_ms and not self._tables.is_claimed(job_id)
        ]
        return sorted(found, key=lambda due: due.due_at_ms)

    async def claim(self, job_id: str, claim_ms: int) -> bytes | None:
        """Claim a due job for `claim_ms` and return its bytes; None where it is claimed, not due or not there."""
        job, now_ms = self._tables.jobs.get(job_id), self._tables.clock.now_ms()
        if job is None or job.due_at_ms > now_ms or self._tables.is_claimed(job_id):
            return None
        self._tables.claims[job_id] = now_ms + claim_ms
        return job.payload

    async def drop_claim(self, job_id: str, due_at_ms: int | None = None) -> None:
        """Give a claimed job back, due as before, or at `due_at_ms`."""
        self._tables.claims.pop(job_id, None)
        job = self._tables.jobs.get(job_id)
        if job is not None and due_at_ms is not None:
            job.due_at_ms = due_at_ms
        self._watchers.tell(job_id)

    async def finish(self, job_id: str, result: ResultRecord | None, keep_ms: int) -> None:
        """Take a job off its queue, drop its claim, and keep its result for `keep_ms`.

        As in plain arq, whoever calls this is believed to hold the claim.
        """
        tables = self._tables
        tables.jobs.pop(job_id, None)
        tables.claims.pop(job_id, None)
        tables.aborts.discard(job_id)
        if result is not None and keep_ms > 0:
            tables.results[job_id] = Kept(write_result(result), self._tables.clock.now_ms() + keep_ms)
        self._watchers.tell(job_id)

    async def payload(self, job_id: str) -> bytes | None:
        """Return the bytes of a job that is on a queue; None where there is none."""
        job = self._tables.jobs.get(job_id)
        return None if job is None else job.payload

    async def abort_asked(self, job_id: str) -> bool:
        """Tell whether `abort` asked for the end of this running job."""
        return job_id in self._tables.aborts
