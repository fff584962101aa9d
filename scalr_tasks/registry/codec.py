"""The wire between plain arq and us: arq's dicts of a job and of a result, as our two lines and back.

arq hands its serializer one dict for a job (`f a k t et`) and one for a result
(the same and `s r st ft q id`), and wants them back from the deserializer.
With this pair, plain arq workers and `arq.jobs.Job` read and write what we do;
without it they would write pickles, which are parked.

Nothing is ever imported or executed from what is read: an error comes back as
one of a fixed table of classes.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, cast

from pydantic_core import from_json

from scalr_tasks.attempt.call import record_of
from scalr_tasks.envelope import (
    ResultRecord,
    UnreadableError,
    new_nonce,
    read,
    read_result,
    stamp,
    write_error,
    write_head,
    write_result,
)
from scalr_tasks.errors import JobExpiredError, TaskFailedError, UnknownTaskError
from scalr_tasks.policy import ErrorRecord
from scalr_tasks.registry.declaration import Declaration
from scalr_tasks.registry.delivery import Delivery

CRON_PREFIX = "cron:"
"""arq's name for a cron job; task names cannot hold a colon."""

ARQ_UNKNOWN = "<unknown>"
"""arq's name for the function of a job whose payload is gone."""


class JobEnded(Exception):  # noqa: N818  tells arq how a job ended without a result
    """The job is over, and not done."""

    def __init__(self, kind: str, error: ErrorRecord, *, reason: str = "", attempt: int = 1) -> None:
        self.kind = kind
        """`failed` or `expired`, as in `ResultRecord`."""
        self.error = error
        self.reason = reason
        self.attempt = attempt
        super().__init__(f"{error.type}: {error.message}")


class RawResult:
    """A result as JSON, on its way through arq; its repr hides the value."""

    __slots__ = ("attempt", "json")

    def __init__(self, json: bytes, attempt: int) -> None:
        self.json: Final = json
        self.attempt: Final = attempt

    def __repr__(self) -> str:
        return "…"


class ArqCodec:
    """`serialize` and `deserialize` for plain arq, over the tasks of one registry."""

    def __init__(self, declarations: Mapping[str, Declaration]) -> None:
        self._declarations = declarations

    def serialize(self, data: dict[str, Any]) -> bytes:
        """Return the bytes of a job or of a result.

        Raises:
            UnknownTaskError: a job's task is not registered.
            InvalidArgumentsError: a job's arguments do not fit its signature.
        """
        return self._result(data) if "s" in data else self._job(data)

    def deserialize(self, raw: bytes) -> dict[str, Any]:
        """Read the bytes of a job or of a result, for a plain arq client.

        Raises:
            UnreadableError: they are neither.
        """
        try:
            return self._read_result(raw)
        except UnreadableError:
            envelope = read(raw)
        return {
            "f": envelope.task,
            "a": (),
            "k": HiddenValues(from_json(envelope.arguments)),
            "t": envelope.first_attempt,
            "et": envelope.enqueued_at_ms,
        }

    # -- jobs ----------------------------------------------------------------------------

    def _job(self, data: dict[str, Any]) -> bytes:
        name, enqueued_at_ms = data["f"], data["et"]
        nonce = new_nonce()
        if name.startswith(CRON_PREFIX):
            return stamp(write_head(name, nonce), b"{}", enqueued_at_ms=enqueued_at_ms)
        declaration = self._declarations.get(name)
        if declaration is None:
            raise UnknownTaskError(name, self._declarations)
        arguments = declaration.arguments.write(data["a"], data["k"])
        head = write_head(name, nonce, task_version=declaration.version, first_attempt=data["t"] or 1)
        expires_ms = declaration.policy.expires_ms
        expires_at_ms = None if expires_ms is None else enqueued_at_ms + expires_ms
        return stamp(head, arguments, enqueued_at_ms=enqueued_at_ms, expires_at_ms=expires_at_ms)

    # -- results -------------------------------------------------------------------------

    def _result(self, data: dict[str, Any]) -> bytes:
        if data["f"] == ARQ_UNKNOWN:
            # The payload was gone before arq read it: the job ended elsewhere meanwhile, and how it ended must not be
            # overwritten. arq stores nothing where its serializer answers None.
            return cast("bytes", None)
        delivery = data["a"][0] if data["a"] and isinstance(data["a"][0], Delivery) else None
        value = data["r"]
        kind, reason, attempt = "failed", "failed", data["t"]
        match value:
            case RawResult():
                kind, reason, attempt, body = "done", "", value.attempt, value.json
            case JobEnded():
                kind, reason, attempt, body = value.kind, value.reason, value.attempt, write_error(value.error)
            case asyncio.CancelledError():
                kind, reason = "aborted", ""
                body = write_error(ErrorRecord("JobAbortedError", "the job was aborted"))
            case BaseException():
                body = write_error(record_of(value))
            case _:  # arq's own text where a first try to serialise failed
                body = write_error(ErrorRecord("SerializationError", str(value)))
        return write_result(
            ResultRecord(
                kind=kind,
                task=data["f"],
                job_id=data["id"],
                body=body,
                queue=data["q"],
                nonce=delivery.envelope.nonce if delivery else "",
                attempt=attempt,
                enqueued_at_ms=data["et"],
                started_at_ms=data["st"],
                finished_at_ms=data["ft"],
                reason=reason,
            )
        )

    def _read_result(self, raw: bytes) -> dict[str, Any]:
        record = read_result(raw)
        return {
            "f": record.task,
            "a": (),
            "k": {},
            "t": record.attempt,
            "et": record.enqueued_at_ms,
            "s": record.kind == "done",
            "r": self._value(record),
            "st": record.started_at_ms,
            "ft": record.finished_at_ms,
            "q": record.queue,
            "id": record.job_id,
        }

    def _value(self, record: ResultRecord) -> Any:
        match record.kind:
            case "done":
                declaration = self._declarations.get(record.task)
                if declaration is None:
                    return from_json(record.body)
                return declaration.result.read(record.body, record.job_id)
            case "aborted":
                return asyncio.CancelledError()
            case "expired":
                return JobExpiredError(record.job_id)
        error = record.error
        return TaskFailedError(
            record.job_id,
            task=record.task,
            reason=record.reason,
            error_type=error.type,
            message=error.message,
            traceback=error.traceback,
            attempts=record.attempt,
        )


class HiddenValues(dict[str, Any]):
    """Arguments for a plain arq client; the repr names them and hides their values."""

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{name!r}: …" for name in self) + "}"
