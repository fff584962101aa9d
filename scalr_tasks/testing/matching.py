"""Whether a recorded job is the one that a test expects: `Expected`.

A call is compared by its values as a worker reads them, and by whatever it
said with `using`; what it left out may be anything.

Reads next: `kit.py`, which asks.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from scalr_tasks.broker.base import NewJob
from scalr_tasks.envelope import NO_OVERRIDES, Overrides
from scalr_tasks.errors import KitError
from scalr_tasks.policy import to_ms
from scalr_tasks.registry.call import Call
from scalr_tasks.registry.task import Task
from scalr_tasks.testing.records import Arguments, Recorded, arguments_of, envelope_of

AT_SLACK: Final = timedelta(seconds=1)
"""How far a delay may be off where one side named a time: the test computed it from another clock."""

Difference = tuple[str, str, str]
"""What differs, what was expected, what was found."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a test expects to be enqueued."""

    registry: str
    task: str
    arguments: Arguments | None = None
    raw_arguments: bytes = b""
    where: Callable[[Arguments], bool] | None = None
    queue: str | None = None
    delay: timedelta | None = None
    queue_key: str | None = None
    at_ms: int | None = None
    overrides: Overrides = NO_OVERRIDES
    times: int | None = None

    def is_of_task(self, one: Recorded[Any]) -> bool:
        """Tell whether a job is of the expected task."""
        return (one.registry, one.task) == (self.registry, self.task)

    def matches(self, one: Recorded[Any]) -> bool:
        """Tell whether a job is as expected."""
        return self.is_of_task(one) and not self.differences(one)

    def differences(self, one: Recorded[Any]) -> list[Difference]:
        """Return what keeps a job from being as expected; the task alone where that differs."""
        if not self.is_of_task(one):
            return [("task", f"{self.registry}.{self.task}", f"{one.registry}.{one.task}")]
        found = self._differing_arguments(one)
        if self.where is not None and not self.where(one.arguments):
            found.append(("where", "true", "false"))
        if self.queue is not None and self.queue != one.queue:
            found.append(("queue", repr(self.queue), repr(one.queue)))
        if self.queue_key is not None and self.queue_key != one.queue_key:
            found.append(("queue", self.queue_key, one.queue_key))
        if self.delay is not None and abs(self.delay - one.delay) > (AT_SLACK if one.is_absolute else timedelta()):
            found.append(("delay", str(self.delay), str(one.delay)))
        if self.at_ms is not None and abs(self.at_ms - one.due_at_ms) > AT_SLACK.total_seconds() * 1000:
            found.append(("at", _iso(self.at_ms), _iso(one.due_at_ms)))
        for each in fields(Overrides):
            wanted, got = getattr(self.overrides, each.name), getattr(one.overrides, each.name)
            if wanted is not None and wanted != got:
                found.append((each.name, str(wanted), "the task's own" if got is None else str(got)))
        return found

    def _differing_arguments(self, one: Recorded[Any]) -> list[Difference]:
        if self.arguments is None or self.raw_arguments == one.raw_arguments:
            return []
        expected, got = self.arguments, one.arguments
        # Both have every parameter of the task: defaults are filled in.
        return [(name, repr(expected[name]), repr(got[name])) for name in expected if expected[name] != got[name]]

    def __str__(self) -> str:
        """Return the expected call as it is written."""
        inside = "…" if self.arguments is None else repr(self.arguments)
        text = f"{self.task}({inside})"
        if self.where is not None:
            text += " where the condition holds"
        if self.queue is not None:
            text += f" on queue {self.queue!r}"
        if self.delay is not None:
            text += f" with a delay of {self.delay}"
        return text


def expected_call(
    what: Call[Any] | Task[..., Any],
    *,
    where: Callable[[Arguments], bool] | None = None,
    queue: str | None = None,
    delay: timedelta | float | None = None,
    times: int | None = None,
) -> Expected:
    """Return what `assert_enqueued` was asked for.

    Raises:
        KitError: `where` was given with a call, or the arguments make no sense.
    """
    if times is not None and (type(times) is not int or times < 1):
        raise KitError("expected times to be 1 or more", way_out="for 0 there is assert_not_enqueued")
    span = None if delay is None else timedelta(milliseconds=_ms(delay))
    if isinstance(what, Task):
        return Expected(what.declaration.registry, what.name, where=where, queue=queue, delay=span, times=times)
    if not isinstance(what, Call):
        raise KitError(
            f"expected a task or a call of one, got {type(what).__name__}",
            way_out="write send_invoice_email.call(invoice_id=1), or the task alone",
        )
    if where is not None:
        raise KitError(
            "where= was given with a whole call", way_out="give the task alone: assert_enqueued(task, where=…)"
        )
    new, declaration = what.new, what.home.declarations[what.task]
    own_key = what.home.find_queue(declaration.queue, task=declaration.name).key
    return Expected(
        declaration.registry,
        declaration.name,
        arguments_of(declaration, new.arguments),
        new.arguments,
        queue=queue,
        queue_key=None if queue is not None or new.queue_key == own_key else new.queue_key,
        delay=_said_delay(new) if span is None else span,
        at_ms=new.at_ms if span is None else None,
        overrides=envelope_of(new).overrides,
        times=times,
    )


def _ms(delay: timedelta | float) -> int:
    try:
        return to_ms(delay, name="delay")
    except ValueError as error:
        raise KitError(str(error)) from None


def _said_delay(new: NewJob) -> timedelta | None:
    return timedelta(milliseconds=new.delay_ms) if new.delay_ms else None


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
