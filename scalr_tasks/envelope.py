"""The bytes of a job and of a result: two JSON lines each.

Line 1 is the head, line 2 the arguments or the result exactly as the task's
own validator wrote them, so that the reader validates those raw bytes and
nothing is decoded twice. `redis-cli get arq:job:ID` is readable.

A job's head: `v` wire version, `et` enqueue time ms, `f` task, `n` nonce, and
only where they say something: `tv` task version, `t` first attempt, `r`
retries, `to` timeout ms, `b` backoff, `x` expires at ms, `k` keep result ms,
`h` headers. `et` and `x` are stamped by the script that stores the job, from
Redis's time; so the client writes the rest of the head, without braces.

A result's head has the names of arq's own result, and `kind`: `done`,
`failed`, `aborted` or `expired`. Its second line is the result, or the error.
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from os import urandom
from typing import Any, Final

from pydantic_core import from_json, to_json

from scalr_tasks.policy import Backoff, ErrorRecord

MAX_WHOLE: Final = 2**53
"""Largest number in a head: Redis's Lua and JSON's readers hold no larger one exactly."""

WIRE_VERSION: Final = 1
"""Version of the two lines that this code writes, and the newest it reads."""

MAX_HEAD_BYTES: Final = 4096
"""A first line longer than this is not a head of ours."""

_STAMP_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Overrides:
    """What one call said with `using`, where the task's own policy does not hold."""

    retries: int | None = None
    timeout_ms: int | None = None
    backoff: Backoff | None = None
    keep_result_ms: int | None = None


NO_OVERRIDES: Final = Overrides()


@dataclass(frozen=True, slots=True)
class Envelope:
    """A job as it was read from its bytes."""

    task: str
    arguments: bytes
    """Second line: the arguments as JSON, not decoded."""
    enqueued_at_ms: int
    nonce: str = ""
    """Made by the client for each call: tells a repeated enqueue from another one."""
    task_version: int = 1
    first_attempt: int = 1
    expires_at_ms: int | None = None
    overrides: Overrides = NO_OVERRIDES
    headers: dict[str, str] = field(default_factory=dict)


class UnreadableError(Exception):
    """Bytes that are no job this code can read; the job is parked for this reason."""

    def __init__(self, reason: str, *, task: str = "", version: int = 0) -> None:
        self.reason = reason
        self.task = task
        self.version = version
        super().__init__(reason)


def new_nonce() -> str:
    """Return a text that no other call will ever have: 12 characters from 9 random bytes."""
    return urlsafe_b64encode(urandom(9)).decode()


def new_job_id() -> str:
    """Return a job id: 20 characters from 15 random bytes, the first of them no dash.

    A command line takes `scalr-tasks dead retry -aF3…` for an option.
    """
    made = urlsafe_b64encode(urandom(15)).decode()
    return new_job_id() if made[0] == "-" else made


def write_head(
    task: str,
    nonce: str,
    *,
    task_version: int = 1,
    first_attempt: int = 1,
    overrides: Overrides = NO_OVERRIDES,
    headers: dict[str, str] | None = None,
) -> bytes:
    """Return a head's fields without braces, for the script to stamp and close.

    >>> write_head("send_invoice_email", "c2NhbHI")
    b'"f":"send_invoice_email","n":"c2NhbHI"'

    Raises:
        ValueError: the headers are so long that no reader would take the head for one.
    """
    head: dict[str, Any] = {"f": task, "n": nonce}
    if task_version != 1:
        head["tv"] = task_version
    if first_attempt != 1:
        head["t"] = first_attempt
    if overrides is not NO_OVERRIDES:
        backoff = overrides.backoff
        if overrides.retries is not None:
            head["r"] = overrides.retries
        if overrides.timeout_ms is not None:
            head["to"] = overrides.timeout_ms
        if backoff is not None:
            head["b"] = [backoff.first, backoff.factor, backoff.max, backoff.jitter]
        if overrides.keep_result_ms is not None:
            head["k"] = overrides.keep_result_ms
    if headers:
        head["h"] = headers
    written = to_json(head)[1:-1]
    if len(written) > MAX_HEAD_BYTES - _STAMP_BYTES:
        raise ValueError(f"expected the headers of a job to take less than {MAX_HEAD_BYTES} bytes")
    return written


def stamp(head: bytes, arguments: bytes, *, enqueued_at_ms: int, expires_at_ms: int | None = None) -> bytes:
    """Return a job's bytes: what `enqueue.lua` composes in Redis, for brokers without Lua."""
    expires = b"" if expires_at_ms is None else b'"x":%d,' % expires_at_ms
    return b'{"v":%d,"et":%d,%s%s}\n%s' % (WIRE_VERSION, enqueued_at_ms, expires, head, arguments)


def read(raw: bytes) -> Envelope:
    """Read a job's bytes; the arguments stay raw.

    Raises:
        UnreadableError: the bytes are no job of ours, or of a newer wire version.
    """
    if raw[:1] == b"\x80":
        raise UnreadableError("pickle")
    head_line, newline, arguments = raw.partition(b"\n")
    if not newline:
        raise UnreadableError("unreadable")
    head = _head(head_line)
    task, version = head.get("f"), head.get("v")
    if not isinstance(task, str) or type(version) is not int:
        raise UnreadableError("unreadable")
    if version < 1:
        raise UnreadableError("unreadable", task=task)
    if version > WIRE_VERSION:
        raise UnreadableError("newer wire version", task=task, version=version)
    try:
        return Envelope(
            task=task,
            arguments=arguments,
            enqueued_at_ms=_whole(head["et"]),
            nonce=_text(head.get("n", "")),
            task_version=_whole(head.get("tv", 1)),
            first_attempt=_whole(head.get("t", 1)),
            expires_at_ms=_whole_or_none(head.get("x")),
            overrides=_overrides(head),
            headers={_text(key): _text(value) for key, value in head.get("h", {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableError("unreadable", task=task) from error


def _head(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_HEAD_BYTES:
        raise UnreadableError("unreadable")
    try:
        head = from_json(line)
    except ValueError as error:
        raise UnreadableError("unreadable") from error
    if not isinstance(head, dict):
        raise UnreadableError("unreadable")
    return head


def _overrides(head: dict[str, Any]) -> Overrides:
    if not head.keys() & {"r", "to", "b", "k"}:
        return NO_OVERRIDES
    backoff = head.get("b")
    return Overrides(
        retries=_whole_or_none(head.get("r")),
        timeout_ms=_whole_or_none(head.get("to")),
        backoff=None if backoff is None else Backoff(*backoff),
        keep_result_ms=_whole_or_none(head.get("k")),
    )


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value <= MAX_WHOLE:
        raise TypeError("expected a whole number")
    return value


def _whole_or_none(value: object) -> int | None:
    return None if value is None else _whole(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("expected a text")
    return value


def _kind(value: object) -> str:
    if value not in RESULT_KINDS:
        raise ValueError("expected a kind of result")
    return _text(value)


# -- results -----------------------------------------------------------------------------


RESULT_KINDS: Final = ("done", "failed", "aborted", "expired")
"""How a job may have ended."""


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """How a job ended, as it is kept under `arq:result:<id>`."""

    kind: str
    """`done`, `failed`, `aborted` or `expired`."""
    task: str
    job_id: str
    body: bytes
    """Second line: the result as JSON where `kind` is `done`, else the error."""
    queue: str = ""
    nonce: str = ""
    attempt: int = 1
    enqueued_at_ms: int = 0
    started_at_ms: int = 0
    finished_at_ms: int = 0
    reason: str = ""
    """Why it is dead, where `kind` is `failed`."""

    @property
    def error(self) -> ErrorRecord:
        """The error of a job that did not succeed."""
        try:
            fields = from_json(self.body)
            return ErrorRecord(str(fields["type"]), str(fields["message"]), str(fields.get("traceback", "")))
        except (ValueError, KeyError, TypeError, AttributeError):
            return ErrorRecord("unknown", "the error record cannot be read")


def write_error(error: ErrorRecord) -> bytes:
    """Return an error as the second line of a result."""
    fields = {"type": error.type, "message": error.message, "traceback": error.traceback}
    # A text may hold half of a surrogate pair, which UTF-8 cannot.
    return to_json({name: text.encode("utf-8", "backslashreplace").decode() for name, text in fields.items()})


def write_result(record: ResultRecord) -> bytes:
    """Return the bytes of a result."""
    head = {
        "v": WIRE_VERSION,
        "kind": record.kind,
        "f": record.task,
        "n": record.nonce,
        "s": record.kind == "done",
        "t": record.attempt,
        "et": record.enqueued_at_ms,
        "st": record.started_at_ms,
        "ft": record.finished_at_ms,
        "q": record.queue,
        "id": record.job_id,
    }
    if record.reason:
        head["why"] = record.reason
    return to_json(head) + b"\n" + record.body


def read_result(raw: bytes) -> ResultRecord:
    """Read the bytes of a result.

    Raises:
        UnreadableError: the bytes are no result of ours (a pickle of plain arq, say).
    """
    head_line, newline, body = raw.partition(b"\n")
    if not newline:
        raise UnreadableError("pickle" if raw[:1] == b"\x80" else "unreadable")
    head = _head(head_line)
    try:
        if _whole(head["v"]) > WIRE_VERSION:
            raise UnreadableError("newer wire version")
        return ResultRecord(
            kind=_kind(head["kind"]),
            task=_text(head["f"]),
            job_id=_text(head.get("id", "")),
            body=body,
            queue=_text(head.get("q", "")),
            nonce=_text(head.get("n", "")),
            attempt=_whole(head.get("t", 1)),
            enqueued_at_ms=_whole(head.get("et", 0)),
            started_at_ms=_whole(head.get("st", 0)),
            finished_at_ms=_whole(head.get("ft", 0)),
            reason=_text(head.get("why", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableError("unreadable") from error
