"""What happens to jobs and workers, told to whoever listens.

Logs, metrics and traces are listeners: nothing below them knows that they
exist. An event carries ids, names, numbers and an error's text, never an
argument or a result. Without a listener, `emit` looks at an empty tuple.

A listener is called at once, in the thread of what happened, and must be
quick; what it raises is logged once for each listener and kind of event, and
never reaches the job.

Reads next: `observe/logs.py`, the listener that writes log lines.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

log: logging.Logger = logging.getLogger("scalr_tasks.events")


@dataclass(frozen=True, slots=True)
class Event:
    """Root of all events."""


# -- jobs --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobEvent(Event):
    """Something happened to one job."""

    job_id: str
    task: str
    """Empty where the bytes of the job do not tell."""
    queue: str


@dataclass(frozen=True, slots=True)
class AttemptStarted(JobEvent):
    """A worker starts an attempt."""

    attempt: int
    waited_ms: int
    """Since the job was due."""


@dataclass(frozen=True, slots=True)
class AttemptSucceeded(JobEvent):
    """The body returned: the job is done."""

    attempt: int
    duration_ms: int
    result_bytes: int


@dataclass(frozen=True, slots=True)
class AttemptFailed(JobEvent):
    """The body raised or ran out of time; `JobDied` follows where `retry_in_ms` is None."""

    attempt: int
    duration_ms: int
    error_type: str
    message: str
    traceback: str = ""
    retry_in_ms: int | None = None
    """Delay before the next attempt; None where there is none."""
    max_attempts: int | None = None
    """Attempts that the policy allows; None where it is not known."""


@dataclass(frozen=True, slots=True)
class AttemptSnoozed(JobEvent):
    """The body raised `Snooze`: it runs again later, and the attempt does not count."""

    attempt: int
    duration_ms: int
    retry_in_ms: int


@dataclass(frozen=True, slots=True)
class AttemptGivenBack(JobEvent):
    """A shutdown stopped the attempt: the job is back on its queue, and the attempt does not count."""

    attempt: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class JobDied(JobEvent):
    """The job failed for good and is kept as dead."""

    attempt: int
    """Number of its last attempt."""
    reason: str
    """`failed`, `gave_up`, `invalid_arguments`, `bad_result`, `worker_lost` or `parked`."""
    error_type: str
    message: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class JobAborted(JobEvent):
    """The job was stopped by `Job.abort`."""

    attempt: int


@dataclass(frozen=True, slots=True)
class JobExpired(JobEvent):
    """The job was not started before its `expires`."""


@dataclass(frozen=True, slots=True)
class JobParked(JobEvent):
    """The job was not understood by this code; it is kept until some code does."""

    reason: str


@dataclass(frozen=True, slots=True)
class JobsUnparked(Event):
    """Parked jobs that this code knows were put back on their queue."""

    queue: str
    count: int


# -- workers -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WorkerEvent(Event):
    """Something happened to a worker process."""

    worker: str
    """Its name, unique while it runs."""


@dataclass(frozen=True, slots=True)
class WorkerStarted(WorkerEvent):
    """The worker is ready and takes jobs."""

    queues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorkerStopping(WorkerEvent):
    """The worker takes no more jobs and waits for those that run."""

    running: int
    grace_s: float


@dataclass(frozen=True, slots=True)
class WorkerStopped(WorkerEvent):
    """The worker has ended."""

    given_back: int
    """Jobs that were still running and went back to their queues."""


@dataclass(frozen=True, slots=True)
class CronTick(JobEvent):
    """A cron task was due and its job was enqueued by this worker."""

    tick_ms: int
    """The instant that was due, epoch ms."""


# -- listening ---------------------------------------------------------------------------

Listener = Callable[[Event], None]
"""Called with each event, in the thread of what happened."""


class _Subscription:
    """One listener, and the kinds of event that it has failed on."""

    __slots__ = ("_failed_on", "_listener")

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._failed_on: set[type[Event]] = set()

    def tell(self, event: Event) -> None:
        try:
            self._listener(event)
        except Exception:
            kind = type(event)
            if kind not in self._failed_on:
                self._failed_on.add(kind)
                log.exception(
                    "a listener failed on %s, later failures of that kind are not logged: listener=%r",
                    kind.__name__,
                    self._listener,
                    extra={"event": "listener.failed"},
                )


_lock: Final = Lock()
_subscriptions: tuple[_Subscription, ...] = ()


def subscribe(listener: Listener) -> Callable[[], None]:
    """Call `listener` with every event from now on; returns how to stop that.

        unsubscribe = subscribe(lambda event: counter.add(type(event).__name__))
        ...
        unsubscribe()

    A listener that subscribes twice is called twice. Stopping twice does nothing.
    """
    global _subscriptions  # noqa: PLW0603  one process has one set of listeners
    subscription = _Subscription(listener)
    with _lock:
        _subscriptions = (*_subscriptions, subscription)

    def unsubscribe() -> None:
        global _subscriptions  # noqa: PLW0603  likewise
        with _lock:
            _subscriptions = tuple(one for one in _subscriptions if one is not subscription)

    return unsubscribe


def emit(event: Event) -> None:
    """Tell every listener; raises nothing that a listener raises."""
    for subscription in _subscriptions:
        subscription.tell(event)
