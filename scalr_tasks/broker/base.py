"""What the layers above may ask of the store of jobs: the `Broker` protocol.

`RedisBroker` answers each method with one script. The records are plain
values; ids and keys are `str`, payloads `bytes`, times whole milliseconds of
Redis's clock.

Reads next: `keys.py` for what is stored, `redis.py` for how.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from scalr_tasks.envelope import ResultRecord
from scalr_tasks.policy import ErrorRecord
from scalr_tasks.state import JobState

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to store, as the client made it."""

    job_id: str
    task: str
    queue_key: str
    head: bytes
    """Fields of the head without braces (`envelope.write_head`)."""
    arguments: bytes
    nonce: str
    delay_ms: int = 0
    """Due this long after the enqueue."""
    at_ms: int | None = None
    """Due at this time instead, epoch ms."""
    expires_ms: int | None = None
    """Expired this long after the enqueue."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Answer to one `NewJob`."""

    job_id: str
    created: bool
    """False where the id was taken by another call."""
    holder: str | None
    """Task of the job that has the id; None where its bytes cannot be read."""


@dataclass(frozen=True, slots=True)
class JobInfo:
    """What Redis knows of one job now."""

    job_id: str
    state: JobState
    task: str | None = None
    queue_key: str | None = None
    """Queue it waits in; None where it is in none of those asked about."""
    due_at_ms: int | None = None
    enqueued_at_ms: int | None = None
    attempts: int = 0
    """Attempts so far that count."""
    result: ResultRecord | None = None
    """How it ended, while that is kept (from the dead record afterwards).

    Its kind is `unreadable` where something else wrote it: plain arq's pickle, say.
    """


@dataclass(frozen=True, slots=True)
class Begun:
    """Answer to the start of an attempt."""

    now_ms: int
    attempts: int
    """Earlier attempts that count."""
    lost: int
    """Earlier starts since then that never ended: the worker died."""
    first_start: bool
    """Whether no attempt was ever started before: only then may the job still expire."""


@dataclass(frozen=True, slots=True)
class DeadJob:
    """A job that failed for good, as it is kept."""

    job_id: str
    task: str
    queue: str
    queue_key: str
    reason: str
    error: ErrorRecord
    attempts: int
    enqueued_at_ms: int
    died_at_ms: int
    payload: bytes
    """Its bytes; empty in a listing, which tells their number only."""
    payload_bytes: int = 0
    """How many there are, stamped by the store."""


@dataclass(frozen=True, slots=True)
class ParkedJob:
    """A job that no code understood yet, as it is kept."""

    job_id: str
    task: str
    """Empty where the bytes do not tell."""
    version: int
    """Task version of the payload, or its wire version where `task` is empty; 0, which no code takes back by itself,
    where the bytes do not tell."""
    queue_key: str
    reason: str
    score: int
    """Its place in the queue, given back when it is requeued."""
    parked_at_ms: int
    """Of the first parking: 24 h later it is dead."""
    payload: bytes
    """Its bytes; empty in a listing, which tells their number only."""
    payload_bytes: int = 0
    """How many there are, stamped by the store."""


@dataclass(frozen=True, slots=True)
class PutBack:
    """Answer to a retry of a dead or a parked job."""

    done: bool
    """Whether the job is on its queue again; else nothing changed."""
    state: JobState
    """`QUEUED` where it is done; else that of what has the id now, or `NOT_FOUND`.

    `RUNNING` also while the attempt that it died of, or that parked it, still ends.
    """


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a listing."""

    items: Sequence[T]
    cursor: str | None
    """Give it back for the next part; None at the end."""


class Broker(Protocol):
    """Where jobs are stored; one act a method, one script an act.

    Every method raises `BrokerUnavailableError` where Redis does not answer
    in time and `BrokerRefusedError` where it answers with an error. It never
    answers None for either.
    """

    # -- callers -----------------------------------------------------------------

    async def enqueue(self, jobs: Sequence[NewJob]) -> list[Stored]:
        """Store jobs, all in one act, and answer for each in order.

        A repeat of the same `NewJob` (same nonce) after a lost reply answers
        `created` again and stores nothing. An id is taken while its job is
        deferred, queued, running, retrying or parked, or its result is kept.
        """
        ...

    async def info(self, job_id: str, queue_keys: Sequence[str]) -> JobInfo:
        """Tell what is known of a job; its place is looked up in `queue_keys`."""
        ...

    async def wait_ended(self, job_id: str, timeout_s: float | None) -> ResultRecord | None:
        """Wait until the job's end is kept, and return it.

        Returns None where nothing is there to wait for: no job and no record
        of its end. Raises TimeoutError after `timeout_s`; 0 looks once.
        """
        ...

    async def abort(self, job_id: str, queue_keys: Sequence[str], keep_result_ms: int) -> JobState:
        """Abort a job.

        A waiting or parked one is `ABORTED` at once. For a running one the
        abort is asked for and the answer is `RUNNING`. Else its state is
        answered and nothing changes.
        """
        ...

    # -- workers -----------------------------------------------------------------

    async def begin(self, job_id: str) -> Begun:
        """Record that an attempt starts."""
        ...

    async def postpone(self, job_id: str, *, counts: bool) -> None:
        """Record that an attempt ended in order and the job runs again."""
        ...

    async def hold(self, job_id: str, claim_ms: int) -> None:
        """Extend the claim on a running job to `claim_ms` from now."""
        ...

    async def bury(self, dead: DeadJob) -> None:
        """Keep a job that failed for good. The engine then finishes it.

        The store stamps `died_at_ms` with its own time, and an empty
        `payload` with the bytes that the job has in the queue.
        """
        ...

    async def entomb(self, job_id: str, nonce: str) -> None:
        """Remember for 60 s that a job without a result ended (`keep_result=0`)."""
        ...

    async def conclude(self, job_id: str) -> bool:
        """Forget the counts of a job that ended, and wake those who wait for its end.

        Answers False, and changes nothing, where the job has not ended: its payload is still there.
        """
        ...

    async def park(self, job_id: str, queue_key: str, *, reason: str, task: str, version: int) -> bool:
        """Move a job with its raw bytes and score out of the queue; False where it was gone."""
        ...

    async def unpark(self, queue_key: str, known: Mapping[str, int]) -> list[str]:
        """Requeue this queue's parked jobs whose task and version `known` (task -> version) covers.

        Skips ids whose claim is still held. Returns the ids that were requeued.
        """
        ...

    async def bury_overdue_parked(self, parked_ms: int) -> list[str]:
        """Make dead what was first parked longer ago than `parked_ms`; returns the ids."""
        ...

    async def count_queued(self, queue_keys: Sequence[str]) -> int:
        """Return how many jobs are in these queues: waiting, deferred and running."""
        ...

    # -- operators ---------------------------------------------------------------

    async def dead(self, job_id: str) -> DeadJob | None:
        """Return the record of a dead job."""
        ...

    async def list_dead(self, cursor: str | None = None, limit: int = 100) -> Page[DeadJob]:
        """List dead jobs, newest first, without their payloads: `dead` has each one whole."""
        ...

    async def revive(self, job_id: str) -> PutBack:
        """Put a dead job back on its queue: same id and arguments, no counted attempts.

        Clears its old result in the same act. An `expires` counts again from
        now. Not done where another job has the id by now.
        """
        ...

    async def forget_dead(self, job_ids: Sequence[str]) -> int:
        """Delete dead jobs; returns how many were there."""
        ...

    async def parked(self, job_id: str) -> ParkedJob | None:
        """Return the record of a parked job."""
        ...

    async def list_parked(self, cursor: str | None = None, limit: int = 100) -> Page[ParkedJob]:
        """List parked jobs, newest first, without their payloads: `parked` has each one whole."""
        ...

    async def requeue_parked(self, job_id: str) -> PutBack:
        """Put a parked job back on its queue as it was, whoever understands it."""
        ...

    async def forget_parked(self, job_ids: Sequence[str]) -> int:
        """Delete parked jobs; returns how many were there."""
        ...

    async def close(self) -> None:
        """Close every connection of this loop."""
        ...


class BlockingBroker(Protocol):
    """What callers without an event loop may ask; each method as in `Broker`."""

    def enqueue(self, jobs: Sequence[NewJob]) -> list[Stored]:
        """Store jobs, and answer for each in order."""
        ...

    def info(self, job_id: str, queue_keys: Sequence[str]) -> JobInfo:
        """Tell what is known of a job."""
        ...

    def wait_ended(self, job_id: str, timeout_s: float | None) -> ResultRecord | None:
        """Wait until the job's end is kept, and return it; None where there is nothing to wait for."""
        ...

    def abort(self, job_id: str, queue_keys: Sequence[str], keep_result_ms: int) -> JobState:
        """Abort a job."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


class Brokers(Protocol):
    """Gives each caller the broker that fits where it runs."""

    def broker(self) -> Broker:
        """Return the broker of the running event loop."""
        ...

    def blocking(self) -> BlockingBroker:
        """Return the broker of this process for callers without an event loop."""
        ...
