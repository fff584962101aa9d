"""What the memory broker stores: one table a kind of thing, and the steps that several acts share.

Whatever has a time to live carries the ms from which it is gone, and a look
compares that with the clock. Questions and steps are those of `lua/parts/`.

Reads next: `memory.py`, whose methods change these tables.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

from pydantic_core import from_json

from scalr_tasks.broker.base import DeadJob, NewJob, ParkedJob
from scalr_tasks.broker.records import listing_arguments
from scalr_tasks.clock import Clock
from scalr_tasks.envelope import MAX_HEAD_BYTES, stamp
from scalr_tasks.state import JobState

KIND_STATES: Final = {
    "done": JobState.DONE,
    "failed": JobState.DEAD,
    "aborted": JobState.ABORTED,
    "expired": JobState.EXPIRED,
}
"""State of a job whose result is of that kind; another kind tells only that the job is over: done."""


@dataclass(slots=True)
class Waiting:
    """A job on its queue: waiting, deferred or running."""

    payload: bytes
    queue_key: str
    due_at_ms: int


@dataclass(slots=True)
class Run:
    """What is counted of a job between its first start and its end."""

    attempts: int = 0
    """Attempts that count."""
    starts: int = 0
    """Starts without an end."""
    started_at_ms: int | None = None
    """The first start."""
    parked_at_ms: int | None = None
    """The first parking."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A text that is there until its time is over: a result, or the nonce of a tombstone."""

    text: bytes
    until_ms: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job is in its life, as `lua/parts/state.lua` tells it."""

    state: JobState
    queue_key: str | None = None
    due_at_ms: int | None = None


@dataclass(slots=True)
class Tables:
    """Everything that one memory broker holds, by job id."""

    clock: Clock
    jobs: dict[str, Waiting] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    claims: dict[str, int] = field(default_factory=dict)
    """When the claim of a worker lapses, epoch ms."""
    results: dict[str, Kept] = field(default_factory=dict)
    tombstones: dict[str, Kept] = field(default_factory=dict)
    dead: dict[str, DeadJob] = field(default_factory=dict)
    parked: dict[str, ParkedJob] = field(default_factory=dict)
    aborts: set[str] = field(default_factory=set)
    """Running jobs whose end was asked for."""

    # -- questions -----------------------------------------------------------------------

    def payload(self, job_id: str) -> bytes | None:
        """Return the bytes of a job that has not ended."""
        if job_id in self.jobs:
            return self.jobs[job_id].payload
        return self.parked[job_id].payload if job_id in self.parked else None

    def is_claimed(self, job_id: str) -> bool:
        """Tell whether a worker's claim on the job holds."""
        return self.claims.get(job_id, 0) > self.clock.now_ms()

    def is_held(self, job_id: str) -> bool:
        """Tell whether a parked job must stay where it is: the attempt that parked it has not ended."""
        return job_id in self.jobs or self.is_claimed(job_id)

    def result(self, job_id: str) -> bytes | None:
        """Return the bytes of a result whose time is not over."""
        return self._kept(self.results, job_id)

    def attempts(self, job_id: str) -> int:
        """Return how many attempts of the job count so far."""
        run = self.runs.get(job_id)
        return 0 if run is None else run.attempts

    def holder(self, job_id: str, nonce: str) -> dict[str, Any] | None:
        """Return the head of what has the id; None where nothing has it.

        A tombstone is there for the repeat of its own call; it keeps the id from nobody else.
        """
        raw = self.payload(job_id)
        if raw is None:
            raw = self.result(job_id)
        if raw is not None:
            return head_in(raw)
        if nonce and self._kept(self.tombstones, job_id) == nonce.encode():
            return {"n": nonce}
        return None

    def place(self, job_id: str, queue_keys: Collection[str]) -> Place:
        """Tell where a job is in its life; its queue and its time only where it waits in one of `queue_keys`."""
        if job_id in self.jobs:
            return self._place_of_waiting(job_id, queue_keys)
        if job_id in self.parked:
            return Place(JobState.PARKED, self.parked[job_id].queue_key)
        result = self.result(job_id)
        if result is not None:
            return Place(result_state(head_in(result)))
        if self.is_claimed(job_id):
            return Place(JobState.RUNNING)
        return Place(JobState.DEAD if job_id in self.dead else JobState.NOT_FOUND)

    def parked_in_order(self) -> list[ParkedJob]:
        """Return the parked jobs, those parked first before the others."""
        return sorted(self.parked.values(), key=lambda job: (job.parked_at_ms, job.job_id.encode()))

    # -- steps ---------------------------------------------------------------------------

    def store(self, job: NewJob, now_ms: int) -> None:
        """Put a new job on its queue."""
        expires_at_ms = None if job.expires_ms is None else now_ms + job.expires_ms
        payload = stamp(job.head, job.arguments, enqueued_at_ms=now_ms, expires_at_ms=expires_at_ms)
        due_at_ms = now_ms + job.delay_ms if job.at_ms is None else job.at_ms
        # Counts that an earlier job of this id left behind are not this job's.
        self.runs.pop(job.job_id, None)
        self.jobs[job.job_id] = Waiting(payload, job.queue_key, due_at_ms)

    def requeue(self, job_id: str) -> None:
        """Put a parked job back as it was."""
        job = self.parked.pop(job_id)
        self.jobs[job_id] = Waiting(job.payload, job.queue_key, job.score)

    def remove(self, job_id: str) -> None:
        """Forget a job that has not ended, with its counts."""
        for table in (self.jobs, self.parked, self.claims, self.runs):
            table.pop(job_id, None)
        self.aborts.discard(job_id)

    def forget_dead_before(self, before_ms: int) -> None:
        """Delete what died before that time."""
        for job_id in [job_id for job_id, job in self.dead.items() if job.died_at_ms < before_ms]:
            del self.dead[job_id]

    # -- how -----------------------------------------------------------------------------

    def _place_of_waiting(self, job_id: str, queue_keys: Collection[str]) -> Place:
        job = self.jobs[job_id]
        if job.queue_key not in queue_keys:
            return Place(JobState.RUNNING if self.is_claimed(job_id) else JobState.QUEUED)
        if self.is_claimed(job_id):
            state = JobState.RUNNING
        elif job.due_at_ms <= self.clock.now_ms():
            state = JobState.QUEUED
        else:
            run = self.runs.get(job_id)
            was_started = run is not None and run.started_at_ms is not None
            state = JobState.RETRYING if was_started else JobState.DEFERRED
        return Place(state, job.queue_key, job.due_at_ms)

    def _kept(self, table: dict[str, Kept], job_id: str) -> bytes | None:
        kept = table.get(job_id)
        return kept.text if kept is not None and kept.until_ms > self.clock.now_ms() else None


def head_in(raw: bytes) -> dict[str, Any]:
    """Return the first line of a job or of a result; an empty dict where it cannot be read."""
    line, newline, _ = raw.partition(b"\n")
    if not newline or len(line) > MAX_HEAD_BYTES:
        return {}
    try:
        head = from_json(line)
    except ValueError:
        return {}
    return head if isinstance(head, dict) else {}


def result_state(head: dict[str, Any]) -> JobState:
    """Return the state of a job that ended with a result of this head."""
    return KIND_STATES.get(text(head.get("kind")), JobState.DONE)


def text(value: object) -> str:
    """Return a text from a head; an empty one where it is none."""
    return value if isinstance(value, str) else ""


def count(value: object) -> int:
    """Return a whole number of 0 or more from a head; 0 where it is none."""
    return int(value) if is_number(value) and value >= 0 else 0


def is_number(value: object) -> TypeGuard[int | float]:
    """Tell whether a value from a head is a number; JSON's `true` is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def page_of(rows: Mapping[str, int], cursor: str | None, limit: int) -> tuple[list[str], str | None]:
    """Return the ids of a part of a listing, newest first, and the cursor of the next part.

    Args:
        rows: job id -> when, epoch ms; equal times in the order of the ids' bytes, as Redis has them.
        cursor: where the last part ended; that row may be gone meanwhile.
        limit: most ids of the part.

    Raises:
        OptionError: the cursor is none that a listing gave.
    """
    score, last_id, _ = listing_arguments(cursor, limit)
    newest_first = sorted(((at_ms, job_id.encode()) for job_id, at_ms in rows.items()), reverse=True)
    if cursor is not None:
        end = (int(score), str(last_id).encode())
        newest_first = [row for row in newest_first if row < end]
    part = newest_first[:limit]
    ids = [job_id.decode() for _, job_id in part]
    return ids, f"{part[-1][0]}:{ids[-1]}" if part and len(part) == limit else None
