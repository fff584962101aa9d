"""What our own engine asks of the store of jobs: the `LeaseBroker` protocol.

A worker claims jobs for a short time, its lease, and renews it while their
bodies run. Whoever lost a lease can change nothing any more: each act on a
claimed job names the token of the claim. All that happens in one turn of a
worker is one request, and a request may be sent again: the store knows it by
its token, and answers as the first time.

Reads next: `lua/step.lua`, which is the contract; `redis_leases.py` for how.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from scalr_tasks.broker.base import DeadJob


class Ended(NamedTuple):
    """A claimed job is over: done, dead, aborted or expired."""

    job_id: str
    token: str
    result: bytes
    """How it ended (`envelope.write_result`); empty where that is not kept."""
    keep_ms: int
    nonce: str
    """Remembered for a minute where no result is kept; empty where one is."""
    dead: DeadJob | None = None
    """Its record, where it failed for good; the store stamps time and bytes."""


class Again(NamedTuple):
    """An attempt ended in order, and the job runs again."""

    job_id: str
    token: str
    delay_ms: int
    """Due so long from now, by the store's clock."""
    counts: bool


class Back(NamedTuple):
    """The worker gives a job back as it found it; no attempt is counted."""

    job_id: str
    token: str
    score: int
    """Its place in the queue before it was claimed."""
    started: bool
    """Whether its body had begun."""


class Aside(NamedTuple):
    """The job is not understood by this code: it is parked."""

    job_id: str
    token: str
    score: int
    reason: str
    task: str
    version: int


class Started(NamedTuple):
    """The body of a job that the worker held has begun."""

    job_id: str
    token: str


Other = Again | Back | Aside | Started
"""News of a claimed job that is not over."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a worker, for one queue."""

    worker: str
    """Unique for worker and queue."""
    queue_key: str
    token: str
    """Unique for this request; the claim on every job that it takes."""
    lease_ms: int
    to_start: int
    """Take at most so many jobs, which start at once."""
    to_hold: int
    """Take at most so many more, which wait in the worker."""
    ended: Sequence[Ended] = ()
    others: Sequence[Other] = ()
    skip: int = 0
    """Due jobs at the head of the queue that others held a moment ago: not looked at."""


class Claimed(NamedTuple):
    """A job that the worker has now."""

    job_id: str
    score: int
    """Its place in the queue: when it was due, epoch ms."""
    payload: bytes
    attempts: int = 0
    """Earlier attempts that count."""
    lost: int = 0
    """Earlier starts since then that never ended: the worker was lost."""
    is_first: bool = True
    """Whether no attempt was ever started before: only then may the job still expire."""
    abort_asked_ms: int = 0
    """When its end was asked for; 0 where it was not. May be meant for an earlier job of this id."""


@dataclass(frozen=True, slots=True)
class Stepped:
    """Answer to a `Step`."""

    now_ms: int
    next_due_ms: int | None
    """When the next job is due that nobody can have yet; None where there is none, or more are due now."""
    held: int
    """Due jobs that others hold."""
    lost: Sequence[str]
    """Ids of the request that the worker no longer holds: what it said of them changed nothing."""
    abort_asked: Sequence[str]
    """Ids whose end is asked for, of any queue."""
    claimed: Sequence[Claimed]


class Holding(NamedTuple):
    """A job that a worker wants to keep."""

    job_id: str
    token: str
    started: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick of a cron task, to become a job at most once."""

    task: str
    queue_key: str
    tick_ms: int
    """When it was due, epoch ms."""
    head: bytes
    """Fields of the head without braces (`envelope.write_head`)."""
    arguments: bytes
    expires_ms: int | None = None
    """Expired this long after it is stored."""
    may_overlap: bool = True
    """Whether it becomes a job although that of the tick before has not ended."""

    @property
    def job_id(self) -> str:
        """Id of its job."""
        return f"{self.task}:{self.tick_ms}"


def tick_nonce(tick_ms: int) -> str:
    """Return the nonce of a tick's job: the same in both engines, so that one knows the job of the other."""
    return f"tick-{tick_ms}"


class LeaseBroker(Protocol):
    """What the engine asks; each method one act, errors as of `Broker`."""

    async def step(self, step: Step) -> Stepped:
        """Finish what ended, then claim what fits, those due first before the others.

        Sent again with the same token it is answered as the first time, and changes nothing.
        """
        ...

    async def renew(self, queue_key: str, holding: Sequence[Holding], lease_ms: int) -> list[str]:
        """Push back the end of these leases; answers the ids that are lost."""
        ...

    async def tick(self, tick: Tick) -> bool:
        """Make a tick a job; False where it was one before, a later one was, or it may not overlap."""
        ...

    async def last_tick(self, queue_key: str, task: str) -> int | None:
        """Return the newest tick of a task that became a job, epoch ms; None where none is known."""
        ...
