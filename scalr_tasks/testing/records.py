"""What a test looks at: `Recorded`, one enqueue; `Attempt`, one execution; `Drained`, what a drain did.

Values come from the bytes that were stored, so a test sees what a worker
would see, and not the objects that the caller had.

Reads next: `kit.py`, which finds and compares them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from inspect import Signature
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

from scalr_tasks.broker.base import NewJob
from scalr_tasks.envelope import Envelope, Overrides, read, stamp
from scalr_tasks.errors import KitError, TaskFailedError
from scalr_tasks.jobs.job import Job
from scalr_tasks.policy import Retry, Snooze
from scalr_tasks.registry.brokers import RegistryBrokers
from scalr_tasks.registry.declaration import Declaration

if TYPE_CHECKING:
    from scalr_tasks.registry.app import App

R_co = TypeVar("R_co", covariant=True)

AttemptEnd = Literal["succeeded", "retried", "snoozed", "dead", "expired", "parked", "aborted", "given_back", "lost"]
"""How an attempt ended; `lost` where its worker was killed, `given_back` where the test cancelled it."""


class Arguments:  # noqa: PLW1641  its values may be lists, which have no hash either
    """The arguments of one call by name, defaults included: `arguments.invoice_id` or `arguments["invoice_id"]`.

    It has no methods, so an argument may be called anything. Iterating gives the names.
    """

    __slots__ = ("__values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__values: Final = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self.__values[name]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__values[name]
        except KeyError:
            raise AttributeError(f"there is no argument {name!r}; there are {', '.join(self.__values)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.__values)

    def __eq__(self, other: object) -> bool:
        return self.__values == other.__values if isinstance(other, Arguments) else NotImplemented

    def __repr__(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.__values.items())


def arguments_of(declaration: Declaration, raw: bytes) -> Arguments:
    """Return the arguments that stand in one line of JSON, as the worker of this code reads them."""
    args, kwargs = declaration.arguments.read(raw)
    bound = Signature(declaration.parameters).bind(*args, **kwargs)
    bound.apply_defaults()
    return Arguments(bound.arguments)


def envelope_of(new: NewJob, *, now_ms: int = 0) -> Envelope:
    """Return a call that is not stored yet, as a worker would read it."""
    return read(stamp(new.head, new.arguments, enqueued_at_ms=now_ms))


class Recorded(Generic[R_co]):
    """One job that was enqueued in this test."""

    __slots__ = ("_arguments", "_envelope", "_new", "at_ms", "home", "looked_at")

    def __init__(self, home: RegistryBrokers, new: NewJob, at_ms: int) -> None:
        self.home: Final = home
        self._new = new
        self._arguments: Arguments | None = None
        self._envelope: Envelope | None = None
        self.at_ms: Final = at_ms
        """When it was enqueued, by the clock of the test, epoch ms."""
        self.looked_at: bool = False
        """Whether the test has seen it; strict mode fails a test that has not."""

    @property
    def job_id(self) -> str:
        """Id of the job."""
        return self._new.job_id

    @property
    def task(self) -> str:
        """Name of the task."""
        return self._new.task

    @property
    def registry(self) -> str:
        """Name of the registry."""
        return self.home.registry

    @property
    def queue(self) -> str:
        """Name of the queue."""
        app: App = self.home.app()
        return next((name for name, queue in app.queues.items() if queue.key == self._new.queue_key), "")

    @property
    def queue_key(self) -> str:
        """Redis key of the queue."""
        return self._new.queue_key

    @property
    def arguments(self) -> Arguments:
        """The arguments, read back from the bytes that were stored."""
        if self._arguments is None:
            self._arguments = arguments_of(self._declaration, self._new.arguments)
        return self._arguments

    @property
    def raw_arguments(self) -> bytes:
        """The arguments as they are stored: one line of JSON."""
        return self._new.arguments

    @property
    def overrides(self) -> Overrides:
        """What the call said by `using` instead of the task's own policy."""
        if self._envelope is None:
            self._envelope = envelope_of(self._new, now_ms=self.at_ms)
        return self._envelope.overrides

    @property
    def delay(self) -> timedelta:
        """How long after the enqueue the job is due."""
        new = self._new
        return timedelta(milliseconds=new.delay_ms if new.at_ms is None else max(0, new.at_ms - self.at_ms))

    @property
    def due_at_ms(self) -> int:
        """When the job is due by what the call said, epoch ms."""
        return self.at_ms + self._new.delay_ms if self._new.at_ms is None else self._new.at_ms

    @property
    def is_absolute(self) -> bool:
        """Whether the call named a time (`at=`) and not a delay."""
        return self._new.at_ms is not None

    @property
    def enqueued_at(self) -> datetime:
        """When it was enqueued, by the clock of the test, in UTC."""
        return datetime.fromtimestamp(self.at_ms / 1000, UTC)

    @property
    def job(self) -> Job[R_co]:
        """The handle that the caller got."""
        return Job(
            self._new.job_id,
            task=self._new.task,
            queue_keys=(self._new.queue_key,),
            brokers=self.home,
            read_result=self._declaration.result.read,
        )

    @property
    def _declaration(self) -> Declaration:
        return self.home.app().declarations[self._new.task]

    def __repr__(self) -> str:
        when = f", due {self.delay} later" if self.delay else ""
        return f"{self.task}({self.arguments!r}) on queue {self.queue!r}{when}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a job, and what followed."""

    job_id: str
    task: str
    number: int
    """As `ctx.attempt` had it."""
    at_ms: int
    """When it started, by the clock of the test, epoch ms."""
    end: AttemptEnd
    delay_ms: int | None = None
    """Until the next attempt, where there is one."""
    reason: str = ""
    """Why the job is dead or parked."""
    error: str = ""
    """Type and text of what the body raised."""
    exception: BaseException | None = None

    def line(self, began_ms: int) -> str:
        """Return the attempt as a line of `timeline`, its time counted from `began_ms`."""
        text = f"+{(self.at_ms - began_ms) / 1000:g} s {self.task} attempt {self.number}: {self.end}"
        if self.end == "dead" and self.reason != "failed":
            text += f" ({self.reason})"
        if self.end == "parked":
            text += f" ({self.reason})"
        if self.delay_ms is not None:
            text += f", again in {self.delay_ms / 1000:g} s"
        return f"{text}: {self.error}" if self.error else text


@dataclass(slots=True)
class Drained:
    """How many attempts ended how, in one `drain` or `travel`."""

    succeeded: int = 0
    retried: int = 0
    dead: int = 0
    snoozed: int = 0
    expired: int = 0
    parked: int = 0
    aborted: int = 0
    given_back: int = 0
    lost: int = 0

    @property
    def attempts(self) -> int:
        """All of them together."""
        return sum(getattr(self, name) for name in self.__slots__)

    def count(self, attempt: Attempt) -> None:
        """Add one attempt."""
        setattr(self, attempt.end, getattr(self, attempt.end) + 1)

    def __repr__(self) -> str:
        ended = ", ".join(f"{name}={getattr(self, name)}" for name in self.__slots__ if getattr(self, name))
        return f"Drained({ended})"


def errors_of(attempt: Attempt) -> list[BaseException]:
    """Return what an attempt raises in a test: what the body raised, a `Retry` and a `Snooze` apart."""
    if attempt.end == "parked":
        return [KitError(f"job {attempt.job_id} of task {attempt.task!r} was parked: {attempt.reason}")]
    error = attempt.exception
    if attempt.end == "retried":
        return [] if error is None or isinstance(error, (Retry, Snooze)) else [error]
    if attempt.end != "dead":
        return []
    if error is not None:
        return [error]
    kind, _, message = attempt.error.partition(": ")
    return [
        TaskFailedError(
            attempt.job_id,
            task=attempt.task,
            reason=attempt.reason,
            error_type=kind,
            message=message,
            attempts=attempt.number,
        )
    ]
