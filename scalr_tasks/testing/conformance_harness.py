"""What a checked broker is given as: `BrokerUnderTest`, and the jobs that the checks make.

The `Broker` protocol leaves out what plain arq does on the keys itself (claim
and finish a job) and the passing of time; a harness adds both. Everything a
check does goes through it, so the checks know no store.

Reads next: `conformance.py`, which collects the checks.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, Protocol, TypeVar

from scalr_tasks.broker.base import Broker, DeadJob, NewJob, PutBack
from scalr_tasks.broker.keys import queue_key
from scalr_tasks.envelope import NO_OVERRIDES, Overrides, ResultRecord, new_job_id, new_nonce, write_error, write_head
from scalr_tasks.policy import ErrorRecord
from scalr_tasks.state import JobState

T = TypeVar("T")

QUEUE: Final = queue_key("default")
"""Queue of the checks' jobs."""

OTHER_QUEUE: Final = queue_key("bulk")
"""A second queue."""

KEEP_MS: Final = 3_600_000
"""How long the checks have results kept: an hour."""

CLAIM_MS: Final = 60_000
"""How long a claim holds where a check does not say."""

HOUR_MS: Final = 3_600_000
"""An hour, in ms."""

SOON_S: Final = 10.0
"""A check fails where something that must happen at once has not happened in this time."""

ODD_IDS: Final = ("a:b:c", "rechnung-ä-Ω-🧾", "with space", "*[?]{x}", "0", "two\nlines", "nul\0", "x" * 512)
"""Job ids that a careless store would mix up."""

LOST: Final = ErrorRecord("ValueError", "no such invoice", "Traceback (most recent call last): ...")
"""The error of the checks' dead jobs."""

QUEUED_AGAIN: Final = PutBack(done=True, state=JobState.QUEUED)
"""Answer to a retry that put its job back."""

NOTHING_THERE: Final = PutBack(done=False, state=JobState.NOT_FOUND)
"""Answer to a retry of what is neither dead nor parked."""


class BrokerUnderTest(Protocol):
    """One empty broker, and what happens to its jobs from outside the protocol.

    Give it as the fixture `broker_under_test`, fresh for each test.
    """

    @property
    def broker(self) -> Broker:
        """The broker that is checked."""
        ...

    async def now_ms(self) -> int:
        """Return the time that the broker goes by, epoch ms."""
        ...

    async def advance(self, ms: int) -> None:
        """Let `ms` pass for everything that is stored, at once and without waiting.

        A store with a clock of its own subtracts them from all that it has stored.
        """
        ...

    async def claim(self, job_id: str, claim_ms: int = CLAIM_MS) -> None:
        """Claim a due job for a worker."""
        ...

    async def drop_claim(self, job_id: str, queue_key: str, due_at_ms: int | None = None) -> None:
        """Give a claimed job back, due as before, or at `due_at_ms`."""
        ...

    async def finish(self, job_id: str, queue_key: str, result: ResultRecord | None, keep_ms: int) -> None:
        """Take a job off its queue, drop its claim, keep its result: one act."""
        ...

    async def payload(self, job_id: str) -> bytes | None:
        """Return the bytes of a job that is on a queue."""
        ...

    async def abort_asked(self, job_id: str) -> bool:
        """Tell whether the end of a running job was asked for."""
        ...


def new_job(
    job_id: str | None = None, *, task: str = "add", overrides: Overrides = NO_OVERRIDES, **fields: Any
) -> NewJob:
    """Return a job of one int with a nonce of its own.

    Args:
        job_id: its id; a fresh one where left out.
        task: its task.
        overrides: what its head says of its policy.
        fields: further fields of `NewJob`; a `head` of one's own instead of one that can be read.
    """
    nonce = new_nonce()
    head = write_head(task, nonce, overrides=overrides)
    given: dict[str, Any] = {"queue_key": QUEUE, "arguments": b'{"invoice_id":1}', "head": head} | fields
    return NewJob(job_id=job_id or new_job_id(), task=task, nonce=nonce, **given)


def record_of(job: NewJob, kind: str = "done", **fields: Any) -> ResultRecord:
    """Return how a job ended, as an engine records it after one attempt."""
    body = b"3" if kind == "done" else write_error(LOST)
    given: dict[str, Any] = {"attempt": 1, "enqueued_at_ms": 1, "queue": job.queue_key, "body": body} | fields
    return ResultRecord(kind=kind, task=job.task, job_id=job.job_id, nonce=job.nonce, **given)


def dead_of(job: NewJob, **fields: Any) -> DeadJob:
    """Return what an engine buries: the broker stamps the time and the bytes."""
    given: dict[str, Any] = {"reason": "failed", "error": LOST, "attempts": 5, "payload": b""} | fields
    return DeadJob(
        job_id=job.job_id,
        task=job.task,
        queue="default",
        queue_key=job.queue_key,
        enqueued_at_ms=7,
        died_at_ms=0,
        **given,
    )


# -- parts of a job's life ---------------------------------------------------------------


async def start(under: BrokerUnderTest, job: NewJob, claim_ms: int = CLAIM_MS) -> None:
    """Enqueue a job and start an attempt of it."""
    await under.broker.enqueue([job])
    await under.claim(job.job_id, claim_ms)
    await under.broker.begin(job.job_id)


async def retry(under: BrokerUnderTest, job: NewJob, delay_ms: int = HOUR_MS) -> None:
    """Bring a job to where an attempt failed and the next one waits."""
    await start(under, job)
    await under.broker.postpone(job.job_id, counts=True)
    await under.drop_claim(job.job_id, job.queue_key, await under.now_ms() + delay_ms)


async def end(under: BrokerUnderTest, job: NewJob, kind: str = "done", keep_ms: int = KEEP_MS) -> None:
    """Enqueue a job, run it and finish it; with `keep_ms=0` it leaves a tombstone."""
    await start(under, job)
    if keep_ms == 0:
        await under.broker.entomb(job.job_id, job.nonce)
    await under.finish(job.job_id, job.queue_key, record_of(job, kind), keep_ms)
    await under.broker.conclude(job.job_id)


async def die(under: BrokerUnderTest, job: NewJob, keep_ms: int = KEEP_MS) -> None:
    """Enqueue a job, run it and make it dead."""
    await start(under, job)
    await under.broker.bury(dead_of(job))
    await under.finish(job.job_id, job.queue_key, record_of(job, "failed"), keep_ms)
    await under.broker.conclude(job.job_id)


async def park(under: BrokerUnderTest, job: NewJob, *, version: int = 1, reason: str = "unknown task") -> None:
    """Enqueue a job and park it; the attempt that parked it has ended."""
    await under.broker.enqueue([job])
    await under.claim(job.job_id)
    await repark(under, job, version=version, reason=reason)


async def repark(under: BrokerUnderTest, job: NewJob, *, version: int = 1, reason: str = "unknown task") -> None:
    """Park a job that is on its queue, and end the attempt that does so as plain arq does."""
    await under.broker.park(job.job_id, job.queue_key, reason=reason, task=job.task, version=version)
    await under.finish(job.job_id, job.queue_key, None, 0)


async def soon(act: Awaitable[T]) -> T:
    """Return what comes; TimeoutError where it does not come in `SOON_S`."""
    async with asyncio.timeout(SOON_S):
        return await act
