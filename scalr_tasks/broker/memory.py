"""The broker in this process's memory: what `RedisBroker` answers, without a server.

Each method is one act as its script in `lua/` is: nothing is awaited between
its look and its change. All time comes from the given clock, so a test that
moves it moves every delay, result and claim with it.

Reads next: `memory_tables.py` for what is stored, `base.py` for what each
method promises.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final

from scalr_tasks.broker import records
from scalr_tasks.broker.base import Begun, DeadJob, JobInfo, NewJob, Page, ParkedJob, PutBack, Stored
from scalr_tasks.broker.keys import QUEUE, TOMBSTONE_MS
from scalr_tasks.broker.memory_engine import EngineActs
from scalr_tasks.broker.memory_return import requeue_parked, revive
from scalr_tasks.broker.memory_tables import (
    Kept,
    Run,
    Tables,
    count,
    head_in,
    is_number,
    page_of,
    text,
)
from scalr_tasks.broker.memory_waiting import Watchers
from scalr_tasks.clock import SYSTEM_CLOCK, Clock
from scalr_tasks.envelope import ResultRecord, write_error, write_result
from scalr_tasks.policy import ErrorRecord
from scalr_tasks.state import JobState

_ABORTABLE: Final = {JobState.QUEUED, JobState.DEFERRED, JobState.RETRYING, JobState.PARKED}


class MemoryBroker(EngineActs):
    """Stores jobs in this process; satisfies `Broker`.

        broker = MemoryBroker(clock)
        await broker.enqueue([new_job])

    What it stores lives as long as the object. It may be used by one event
    loop after another, by one at a time, and from the thread of that loop
    only. Timeouts of `wait_ended` are real seconds, whatever the clock does.

    An engine over this broker also calls the acts of `EngineActs`.

    Args:
        clock: where the time comes from.
        dead_ttl: how long dead jobs are kept.
        dying_s: how long a job's last attempt is given to end, in real seconds,
            before `revive` and `requeue_parked` answer that it runs.
    """

    def __init__(
        self,
        clock: Clock = SYSTEM_CLOCK,
        *,
        dead_ttl: timedelta = timedelta(days=30),
        dying_s: float = 5.0,
    ) -> None:
        super().__init__(Tables(clock), Watchers())
        self._clock = clock
        self._dead_ms = round(dead_ttl.total_seconds() * 1000)
        self._dying_s = dying_s

    # -- callers -------------------------------------------------------------------------

    async def enqueue(self, jobs: Sequence[NewJob]) -> list[Stored]:
        """Store jobs, all in one act, and answer for each in order."""
        now_ms = self._clock.now_ms()
        return [self._enqueue_one(job, now_ms) for job in jobs]

    async def info(self, job_id: str, queue_keys: Sequence[str]) -> JobInfo:
        """Tell what is known of a job."""
        tables = self._tables
        place = tables.place(job_id, queue_keys)
        head, raw_result = tables.payload(job_id), None
        if head is None:
            raw_result = tables.result(job_id)
        result = None if raw_result is None else records.result_record(job_id, raw_result)
        if place.state is JobState.DEAD and result is None:
            result = records.dead_result(tables.dead[job_id])
        task, enqueued_at_ms, attempts = None, None, tables.attempts(job_id)
        if head is not None:
            task, enqueued_at_ms = records.task_and_time(head)
        elif result is not None:
            task, enqueued_at_ms, attempts = result.task or None, result.enqueued_at_ms or None, result.attempt
        return JobInfo(
            job_id=job_id,
            state=place.state,
            task=task,
            queue_key=place.queue_key,
            due_at_ms=place.due_at_ms,
            enqueued_at_ms=enqueued_at_ms,
            attempts=attempts,
            result=result,
        )

    async def wait_ended(self, job_id: str, timeout_s: float | None) -> ResultRecord | None:
        """Wait for a job's end; woken by each change of the job, with a look every second."""
        async with asyncio.timeout(timeout_s or None):
            while True:
                info = await self.info(job_id, ())
                if info.state.is_final or info.state is JobState.NOT_FOUND:
                    return info.result
                if timeout_s == 0:
                    raise TimeoutError
                await self._watchers.changed(job_id)

    async def abort(self, job_id: str, queue_keys: Sequence[str], keep_result_ms: int) -> JobState:
        """Abort a job, whatever its state."""
        tables = self._tables
        place = tables.place(job_id, queue_keys)
        if place.state is JobState.RUNNING:
            # A claim may outlive its job; what is asked of an id without a job would hit the next job of that id.
            if job_id in tables.jobs:
                tables.aborts.add(job_id)
            return JobState.RUNNING
        if place.state is JobState.PARKED and tables.is_claimed(job_id):
            # The attempt that parked it is about to end, and would delete a new job of this id.
            return JobState.RUNNING
        payload = tables.payload(job_id)
        if place.state not in _ABORTABLE or payload is None or place.queue_key is None:
            return place.state  # also where it waits in a queue that was not named
        now_ms, head = self._clock.now_ms(), head_in(payload)
        keep_ms = count(head["k"]) if is_number(head.get("k")) else keep_result_ms
        nonce = text(head.get("n"))
        record = ResultRecord(
            kind="aborted",
            task=text(head.get("f")),
            job_id=job_id,
            body=write_error(ErrorRecord("JobAbortedError", "the job was aborted")),
            queue=place.queue_key or "",
            nonce=nonce,
            attempt=tables.attempts(job_id),
            enqueued_at_ms=count(head.get("et")),
            finished_at_ms=now_ms,
        )
        if keep_ms > 0:
            tables.results[job_id] = Kept(write_result(record), now_ms + keep_ms)
        elif nonce:
            tables.tombstones[job_id] = Kept(nonce.encode(), now_ms + TOMBSTONE_MS)
        tables.remove(job_id)
        self._watchers.tell(job_id)
        return JobState.ABORTED

    # -- workers -------------------------------------------------------------------------

    async def begin(self, job_id: str) -> Begun:
        """Record that an attempt starts."""
        now_ms = self._clock.now_ms()
        run = self._tables.runs.setdefault(job_id, Run())
        is_first = run.started_at_ms is None
        if is_first:
            run.started_at_ms = now_ms
        run.starts += 1
        return Begun(now_ms=now_ms, attempts=run.attempts, lost=run.starts - 1, first_start=is_first)

    async def postpone(self, job_id: str, *, counts: bool) -> None:
        """Record that an attempt ended in order and the job runs again."""
        if job_id not in self._tables.jobs:
            # The job was removed while it ran; nobody would ever delete its counts.
            self._tables.runs.pop(job_id, None)
            return
        run = self._tables.runs.setdefault(job_id, Run())
        run.attempts += counts
        run.starts = 0

    async def hold(self, job_id: str, claim_ms: int) -> None:
        """Extend the claim on a running job; a claim that lapsed is not taken again."""
        if self._tables.is_claimed(job_id):
            self._tables.claims[job_id] = self._clock.now_ms() + claim_ms

    async def bury(self, dead: DeadJob) -> None:
        """Keep a job that failed for good."""
        job = self._tables.jobs.get(dead.job_id)
        payload = dead.payload or (b"" if job is None else job.payload)
        self._tables.dead[dead.job_id] = replace(
            dead, died_at_ms=self._clock.now_ms(), payload=payload, payload_bytes=len(payload)
        )
        self._tables.forget_dead_before(self._clock.now_ms() - self._dead_ms)

    async def entomb(self, job_id: str, nonce: str) -> None:
        """Remember for 60 s that a job without a result ended."""
        self._tables.tombstones[job_id] = Kept(nonce.encode(), self._clock.now_ms() + TOMBSTONE_MS)

    async def conclude(self, job_id: str) -> bool:
        """Forget the counts of a job that ended, and wake those who wait for its end."""
        if self._tables.payload(job_id) is not None:
            return False
        self._tables.runs.pop(job_id, None)
        self._watchers.tell(job_id)
        return True

    async def park(self, job_id: str, queue_key: str, *, reason: str, task: str, version: int) -> bool:
        """Move a job with its raw bytes and score out of the queue."""
        tables = self._tables
        job = tables.jobs.pop(job_id, None)
        if job is None:
            return False
        now_ms = self._clock.now_ms()
        run = tables.runs.setdefault(job_id, Run())
        run.starts = 0
        if run.parked_at_ms is None:
            run.parked_at_ms = now_ms
        tables.parked[job_id] = ParkedJob(
            job_id=job_id,
            task=task,
            version=version,
            queue_key=queue_key,
            reason=reason,
            score=job.due_at_ms if job.queue_key == queue_key else now_ms,
            parked_at_ms=run.parked_at_ms,
            payload=job.payload,
            payload_bytes=len(job.payload),
        )
        return True

    async def unpark(self, queue_key: str, known: Mapping[str, int]) -> list[str]:
        """Requeue this queue's parked jobs that `known` covers, those parked first before the others."""
        requeued = [
            job.job_id
            for task, version in known.items()
            for job in self._tables.parked_in_order()
            if (job.queue_key, job.task) == (queue_key, task)
            and 0 < job.version <= version
            and not self._tables.is_held(job.job_id)
        ]
        for job_id in requeued:
            self._tables.requeue(job_id)
        return requeued

    async def bury_overdue_parked(self, parked_ms: int) -> list[str]:
        """Make dead what was parked too long, and delete what was dead too long."""
        tables, now_ms = self._tables, self._clock.now_ms()
        overdue = [
            job
            for job in self._tables.parked_in_order()
            if job.parked_at_ms <= now_ms - parked_ms and not tables.is_held(job.job_id)
        ]
        for job in overdue:
            message = f"no worker understood the job for {parked_ms / 1000:.0f} s: {job.reason}"
            tables.dead[job.job_id] = DeadJob(
                job_id=job.job_id,
                task=job.task,
                queue=job.queue_key.removeprefix(QUEUE),
                queue_key=job.queue_key,
                reason="parked",
                error=ErrorRecord("ParkedTooLong", message),
                attempts=tables.attempts(job.job_id),
                enqueued_at_ms=count(head_in(job.payload).get("et")),
                died_at_ms=now_ms,
                payload=job.payload,
                payload_bytes=len(job.payload),
            )
            self._forget_parked(job.job_id)
        self._tables.forget_dead_before(self._clock.now_ms() - self._dead_ms)
        return [job.job_id for job in overdue]

    async def count_queued(self, queue_keys: Sequence[str]) -> int:
        """Return how many jobs are in these queues."""
        return sum(job.queue_key in queue_keys for job in self._tables.jobs.values())

    # -- operators -----------------------------------------------------------------------

    async def dead(self, job_id: str) -> DeadJob | None:
        """Return the record of a dead job."""
        return self._tables.dead.get(job_id)

    async def list_dead(self, cursor: str | None = None, limit: int = 100) -> Page[DeadJob]:
        """List dead jobs, newest first."""
        rows = {job_id: job.died_at_ms for job_id, job in self._tables.dead.items()}
        ids, next_cursor = page_of(rows, cursor, limit)
        return Page([replace(self._tables.dead[job_id], payload=b"") for job_id in ids], next_cursor)

    async def revive(self, job_id: str) -> PutBack:
        """Put a dead job back on its queue; waits a moment for the attempt that it died of."""
        return await self._when_ended(revive, job_id)

    async def forget_dead(self, job_ids: Sequence[str]) -> int:
        """Delete dead jobs."""
        return sum(self._tables.dead.pop(job_id, None) is not None for job_id in job_ids)

    async def parked(self, job_id: str) -> ParkedJob | None:
        """Return the record of a parked job."""
        return self._tables.parked.get(job_id)

    async def list_parked(self, cursor: str | None = None, limit: int = 100) -> Page[ParkedJob]:
        """List parked jobs, newest first."""
        rows = {job_id: job.parked_at_ms for job_id, job in self._tables.parked.items()}
        ids, next_cursor = page_of(rows, cursor, limit)
        return Page([replace(self._tables.parked[job_id], payload=b"") for job_id in ids], next_cursor)

    async def requeue_parked(self, job_id: str) -> PutBack:
        """Put a parked job back on its queue; waits a moment for the attempt that parked it."""
        return await self._when_ended(requeue_parked, job_id)

    async def forget_parked(self, job_ids: Sequence[str]) -> int:
        """Delete parked jobs, but none whose last attempt still ends, and wake those who wait for their end."""
        tables = self._tables
        found = [job_id for job_id in dict.fromkeys(job_ids) if job_id in tables.parked]
        forgotten = [job_id for job_id in found if not tables.is_claimed(job_id)]
        for job_id in forgotten:
            self._forget_parked(job_id)
        return len(forgotten)

    async def close(self) -> None:
        """Do nothing: there is no connection, and what is stored stays."""

    # -- how -----------------------------------------------------------------------------

    def _enqueue_one(self, job: NewJob, now_ms: int) -> Stored:
        holder = self._tables.holder(job.job_id, job.nonce)
        if holder is None:
            self._tables.store(job, now_ms)
        elif not job.nonce or holder.get("n") != job.nonce:
            return Stored(job.job_id, created=False, holder=text(holder.get("f")) or None)
        return Stored(job.job_id, created=True, holder=job.task)

    async def _when_ended(self, act: Callable[[Tables, str], PutBack], job_id: str) -> PutBack:
        answer = act(self._tables, job_id)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._dying_s):
                while answer.state is JobState.RUNNING:
                    await self._watchers.changed(job_id)
                    answer = act(self._tables, job_id)
        return answer

    def _forget_parked(self, job_id: str) -> None:
        self._tables.parked.pop(job_id)
        self._tables.runs.pop(job_id, None)
        self._watchers.tell(job_id)
