"""What happens to a job after an attempt: pure values, pure functions.

An attempt ends with an `Outcome`. `decide` turns it, the task's `Policy` and
the number of attempts that already count into a `Decision`: finish, run again
later, or die. Nothing here reads a clock or touches Redis.

Reads next: `attempt/call.py`, which makes the outcomes.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Self

MAX_CRASHES: Final = 3
"""Starts without an end after which a job is held to kill its workers."""

MAX_RESULT_BYTES: Final = 1_000_000
"""Largest result that is kept; a larger one makes the job dead."""


MAX_SPAN_S: Final = 100 * 365 * 86_400
"""Longest span of time, 100 years: its ms are exact in Redis, whose numbers are doubles."""


def to_ms(value: timedelta | float, *, name: str) -> int:
    """Turn seconds or a `timedelta` into whole milliseconds.

    Raises:
        ValueError: `value` is negative, above 100 years, not finite, or not a number.
    """
    seconds: float
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"expected {name} to be seconds or a timedelta, got {type(value).__name__}")
    else:
        seconds = value
    if seconds > MAX_SPAN_S:
        raise ValueError(f"expected {name} to be at most 100 years, got more")
    if not seconds >= 0:
        raise ValueError(f"expected {name} to be 0 or more seconds, got {seconds}")
    return round(seconds * 1000)


# -- what a task may raise to steer its job ----------------------------------------------


class Retry(Exception):  # noqa: N818  a signal to the worker, not an error
    """Raise in a task to have it run again; the attempt counts.

        raise Retry(delay=30)

    Args:
        delay: seconds or `timedelta` until the next attempt; the task's backoff where left out.
    """

    def __init__(self, delay: timedelta | float | None = None) -> None:
        self.delay_ms: int | None = None if delay is None else to_ms(delay, name="delay")
        super().__init__("the task asked to be run again")


class Snooze(Exception):  # noqa: N818
    """Raise in a task to have it run later; the attempt does not count.

        raise Snooze(delay=30)

    Args:
        delay: seconds or `timedelta` until the job is due again.
    """

    def __init__(self, delay: timedelta | float) -> None:
        self.delay_ms: int = to_ms(delay, name="delay")
        super().__init__("the task asked to be run later")


class GiveUp(Exception):  # noqa: N818
    """Raise in a task to make its job dead at once, whatever attempts are left.

    raise GiveUp("the customer is gone")
    """

    def __init__(self, reason: str = "the task gave up") -> None:
        self.reason = reason
        super().__init__(reason)


# -- policy ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next attempt, in seconds.

    The delay before attempt n+1 is `first * factor ** (n - 1)`, at most `max`,
    and up to `jitter` of it more or less, so that jobs that failed together do
    not come back together.
    """

    first: float = 1.0
    factor: float = 2.0
    max: float = 3600.0
    jitter: float = 0.1

    def __post_init__(self) -> None:
        """Refuse values that no delay can be computed from."""
        for name, low in (("first", 0.0), ("factor", 1.0), ("max", 0.0), ("jitter", 0.0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= MAX_SPAN_S:
                raise ValueError(f"expected backoff {name} to be {low:g} or more, at most 100 years, got {value!r}")
        if self.jitter > 1:
            raise ValueError(f"expected backoff jitter to be 1 or less, got {self.jitter:g}")

    @classmethod
    def of(cls, value: "Backoff | timedelta | float") -> Self | "Backoff":
        """Take a number or a `timedelta` as the first delay."""
        if isinstance(value, Backoff):
            return value
        return cls(first=to_ms(value, name="backoff") / 1000)

    def delay_ms(self, failed_attempts: int, uniform: Callable[[float, float], float] = random.uniform) -> int:
        """Return the delay after the given number of failed attempts.

        >>> Backoff(first=1, jitter=0).delay_ms(3)
        4000
        """
        try:
            delay = min(self.first * float(self.factor) ** max(failed_attempts - 1, 0), self.max)
        except OverflowError:  # beyond any float, so beyond max
            delay = self.max if self.first else 0.0
        return max(0, round(delay * 1000 * (1 + uniform(-self.jitter, self.jitter))))


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one task: how often, how long, how late, what is kept."""

    retries: int = 4
    """Further attempts after the first one failed: 4 means five attempts."""
    timeout_ms: int = 300_000
    """How long one attempt may take."""
    backoff: Backoff = field(default_factory=Backoff)
    retry_on: tuple[type[BaseException], ...] = (BaseException,)
    """Only these are worth another attempt."""
    give_up_on: tuple[type[BaseException], ...] = ()
    """These make the job dead at once."""
    keep_result_ms: int = 3_600_000
    """How long a result is kept; 0 keeps none."""
    expires_ms: int | None = None
    """A job not started this long after its enqueue is expired; None never expires."""


# -- outcomes ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ErrorRecord:
    """An error as it is kept: texts only, cut to a bounded size."""

    type: str
    message: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The body returned, and this is its result as JSON."""

    result: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """The body raised, or ran out of time."""

    error: ErrorRecord
    exception: BaseException
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class RetryAsked:
    """The body raised `Retry`."""

    delay_ms: int | None
    error: ErrorRecord


@dataclass(frozen=True, slots=True)
class SnoozeAsked:
    """The body raised `Snooze`."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class Hopeless:
    """No further attempt can help."""

    reason: str
    """`gave_up`, `invalid_arguments`, `bad_result` or `worker_lost`."""
    error: ErrorRecord


Outcome = Succeeded | Failed | RetryAsked | SnoozeAsked | Hopeless
"""How an attempt ended."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The job is done."""

    result: bytes


@dataclass(frozen=True, slots=True)
class RunAgain:
    """The job runs again after a delay."""

    delay_ms: int
    counts: bool
    """Whether the attempt that ended counts towards `retries`."""
    error: ErrorRecord | None


@dataclass(frozen=True, slots=True)
class Die:
    """The job is dead."""

    reason: str
    error: ErrorRecord


Decision = Finish | RunAgain | Die
"""What happens to the job next."""


def decide(
    outcome: Outcome,
    policy: Policy,
    failed_attempts: int,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Decision:
    """Tell what happens to a job after an attempt.

    Args:
        outcome: how the attempt ended.
        policy: the rules of the job.
        failed_attempts: attempts before this one that count.
        uniform: source of the jitter.
    """
    match outcome:
        case Succeeded(result):
            return Finish(result)
        case SnoozeAsked(delay_ms):
            return RunAgain(delay_ms, counts=False, error=None)
        case Hopeless(reason, error):
            return Die(reason, error)
        case Failed(error, exception) if isinstance(exception, policy.give_up_on) or not isinstance(
            exception, policy.retry_on
        ):
            return Die("gave_up", error)
        case Failed(error):
            asked_ms = None
        case RetryAsked(asked_ms, error):
            pass
    failed_attempts += 1
    if failed_attempts > policy.retries:
        return Die("failed", error)
    delay_ms = policy.backoff.delay_ms(failed_attempts, uniform) if asked_ms is None else asked_ms
    return RunAgain(delay_ms, counts=True, error=error)
