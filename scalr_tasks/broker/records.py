"""Arguments of the scripts and their replies as records: pure, shared by both brokers.

Order and meaning are those of the headers in `lua/`; a field that Redis does
not have is None there.

Reads next: `redis.py`, which sends what this file builds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from scalr_tasks.broker.base import Begun, DeadJob, JobInfo, NewJob, Page, ParkedJob, PutBack, Stored, T
from scalr_tasks.broker.scripts import Value
from scalr_tasks.envelope import ResultRecord, UnreadableError, read, read_result, write_error
from scalr_tasks.errors import OptionError
from scalr_tasks.policy import ErrorRecord
from scalr_tasks.state import JobState

BATCH_JOBS: Final = 1000
"""Most jobs that one script stores; Redis serves nobody else meanwhile."""

BATCH_BYTES: Final = 8_000_000
"""Most bytes of jobs that one script is sent; one job may be larger alone."""

BATCH_IDS: Final = 1000
"""Most ids that one script deletes, requeues or buries."""

UNREADABLE: Final = "unreadable"
"""`ResultRecord.kind` of a result that is not ours: plain arq's pickle."""

DEAD_FIELDS: Final = (
    "task",
    "queue",
    "queue_key",
    "reason",
    "error_type",
    "error_message",
    "error_traceback",
    "attempts",
    "enqueued_at",
    "died_at",
    "payload",
)
"""Fields of a dead job's hash, in the order in which every script gives them."""

PARKED_FIELDS: Final = ("task", "version", "queue_key", "reason", "score", "parked_at", "payload")
"""Fields of a parked job's hash, in the order in which every script gives them."""


# -- enqueue -----------------------------------------------------------------------------


def batches(jobs: Sequence[NewJob]) -> Iterator[Sequence[NewJob]]:
    """Split jobs into what one script is sent."""
    start, size = 0, 0
    for index, job in enumerate(jobs):
        weight = len(job.arguments) + len(job.head)
        if index > start and (index - start == BATCH_JOBS or size + weight > BATCH_BYTES):
            yield jobs[start:index]
            start, size = index, 0
        size += weight
    if start < len(jobs):
        yield jobs[start:]


def enqueue_arguments(jobs: Sequence[NewJob]) -> tuple[list[str], list[Value]]:
    """Return the keys and arguments of `enqueue.lua`."""
    positions: dict[str, int] = {}
    args: list[Value] = []
    for job in jobs:
        position = positions.setdefault(job.queue_key, len(positions) + 1)
        due = "" if job.at_ms is None else job.at_ms
        expires = "" if job.expires_ms is None else job.expires_ms
        args += (job.job_id, position, job.head, job.arguments, job.nonce, job.delay_ms, due, expires)
    return list(positions), args


def stored(jobs: Sequence[NewJob], reply: Sequence[Any]) -> list[Stored]:
    """Return the answers of `enqueue.lua`."""
    return [
        Stored(job.job_id, created=True, holder=job.task)
        if answer == 1
        else Stored(job.job_id, created=False, holder=text(answer) or None)
        for job, answer in zip(jobs, reply, strict=True)
    ]


# -- one job -----------------------------------------------------------------------------


def info(job_id: str, reply: Sequence[Any]) -> JobInfo:
    """Return the answer of `info.lua`."""
    state, queue_key, due, attempts, head, raw_result, dead = reply
    result = None if raw_result is None else result_record(job_id, raw_result)
    if dead is not None:
        record = readable(dead_job, job_id, [*dead, 0])
        result = None if record is None else dead_result(record)
    task, enqueued_at_ms = None, None
    if result is not None:
        task, enqueued_at_ms, attempts = result.task or None, result.enqueued_at_ms or None, result.attempt
    if head is not None:
        task, enqueued_at_ms = task_and_time(head)
    return JobInfo(
        job_id=job_id,
        state=JobState(text(state)),
        task=task,
        queue_key=None if queue_key is None else text(queue_key),
        due_at_ms=due,
        enqueued_at_ms=enqueued_at_ms,
        attempts=attempts,
        result=result,
    )


def result_record(job_id: str, raw: bytes) -> ResultRecord:
    """Read a result; one that is not ours has the kind `UNREADABLE`."""
    try:
        return read_result(raw)
    except UnreadableError:
        return ResultRecord(kind=UNREADABLE, task="", job_id=job_id, body=b"")


def dead_result(dead: DeadJob) -> ResultRecord:
    """Return a dead job's end as the result that it had before its time was over."""
    return ResultRecord(
        kind="failed",
        task=dead.task,
        job_id=dead.job_id,
        body=write_error(dead.error),
        queue=dead.queue_key,
        attempt=dead.attempts,
        enqueued_at_ms=dead.enqueued_at_ms,
        finished_at_ms=dead.died_at_ms,
        reason=dead.reason,
    )


def task_and_time(head: bytes) -> tuple[str | None, int | None]:
    """Return a job's task and enqueue time, epoch ms, from its first bytes; None each where they do not tell."""
    try:
        envelope = read(head)
    except UnreadableError as error:
        return error.task or None, None
    return envelope.task, envelope.enqueued_at_ms


def begun(reply: Sequence[int]) -> Begun:
    """Return the answer of `begin.lua`."""
    now_ms, attempts, lost, first = reply
    return Begun(now_ms=now_ms, attempts=attempts, lost=lost, first_start=first == 1)


# -- dead and parked jobs ----------------------------------------------------------------


def bury_arguments(dead: DeadJob, keep_ms: int) -> list[Value]:
    """Return the arguments of `bury.lua`."""
    return [
        dead.job_id,
        keep_ms,
        dead.task,
        dead.queue,
        dead.queue_key,
        dead.reason,
        dead.error.type,
        dead.error.message,
        dead.error.traceback,
        dead.attempts,
        dead.enqueued_at_ms,
        dead.payload,
    ]


def unpark_arguments(known: Mapping[str, int]) -> list[Value]:
    """Return the arguments of `unpark.lua`."""
    return [BATCH_IDS, *(value for pair in known.items() for value in pair)]


def dead_job(job_id: str, values: Sequence[Any]) -> DeadJob:
    """Return a dead job from the values of `DEAD_FIELDS`, the last of them as `_payload` takes it."""
    task, queue, queue_key, reason, kind, message, trace, attempts, enqueued_at, died_at, last = values
    payload, payload_bytes = _payload(last)
    return DeadJob(
        job_id=job_id,
        task=text(task),
        queue=text(queue),
        queue_key=text(queue_key),
        reason=text(reason),
        error=ErrorRecord(text(kind), text(message), text(trace)),
        attempts=int(attempts),
        enqueued_at_ms=int(enqueued_at),
        died_at_ms=int(died_at),
        payload=payload,
        payload_bytes=payload_bytes,
    )


def parked_job(job_id: str, values: Sequence[Any]) -> ParkedJob:
    """Return a parked job from the values of `PARKED_FIELDS`, the last of them as `_payload` takes it."""
    task, version, queue_key, reason, score, parked_at, last = values
    payload, payload_bytes = _payload(last)
    return ParkedJob(
        job_id=job_id,
        task=text(task),
        version=int(version),
        queue_key=text(queue_key),
        reason=text(reason),
        score=int(float(score)),
        parked_at_ms=int(parked_at),
        payload=payload,
        payload_bytes=payload_bytes,
    )


def _payload(last: bytes | int) -> tuple[bytes, int]:
    """Return a payload and its size; a listing has the size alone."""
    return (b"", last) if isinstance(last, int) else (last, len(last))


def put_back(reply: Sequence[Any]) -> PutBack:
    """Return the answer of `revive.lua` and `requeue_parked.lua`."""
    return PutBack(done=reply[0] == 1, state=JobState(text(reply[1])))


def listing_arguments(cursor: str | None, limit: int) -> list[Value]:
    """Return the arguments of `list_dead.lua` and `list_parked.lua`.

    Raises:
        OptionError: the cursor is none that a listing gave, or the limit is below 1.
    """
    if limit < 1:
        raise OptionError("limit", "must be 1 or more")
    if cursor is None:
        return ["", "", limit]
    score, colon, job_id = cursor.partition(":")
    if not colon or not (score.isascii() and score.isdigit()):
        raise OptionError("cursor", "is none that a listing gave", way_out="begin without one")
    return [score, job_id, limit]


def readable(read: Callable[[str, Sequence[Any]], T], job_id: str, values: Sequence[Any]) -> T | None:
    """Return what `dead_job` or `parked_job` reads; None where there is no record, or one that somebody else wrote."""
    try:
        return read(job_id, values)
    except (ValueError, TypeError, OverflowError):
        return None


def _all_readable(read: Callable[[str, Sequence[Any]], T], rows: Sequence[Any]) -> list[T]:
    found = (readable(read, text(row[0]), row[1:]) for row in rows)
    return [record for record in found if record is not None]


def dead_page(reply: Sequence[Any]) -> Page[DeadJob]:
    """Return the answer of `list_dead.lua`."""
    return Page(_all_readable(dead_job, reply[1:]), _cursor(reply[0]))


def parked_page(reply: Sequence[Any]) -> Page[ParkedJob]:
    """Return the answer of `list_parked.lua`."""
    return Page(_all_readable(parked_job, reply[1:]), _cursor(reply[0]))


def _cursor(raw: Any) -> str | None:
    return None if raw is None else text(raw)


def text(raw: Any) -> str:
    """Return what Redis holds as text; bytes of a foreign writer that are no UTF-8 are shown escaped."""
    return bytes(raw).decode(errors="backslashreplace")
