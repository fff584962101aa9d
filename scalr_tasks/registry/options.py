"""The options of `@task` and of `using`, checked: what a user wrote becomes a `Policy` or `CallOptions`.

Reads next: `definition.py`, `task.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn

from scalr_tasks.envelope import NO_OVERRIDES, Overrides
from scalr_tasks.errors import DefinitionError, OptionError
from scalr_tasks.names import did_you_mean, job_id_problem, name_problem
from scalr_tasks.policy import Backoff, Policy, to_ms
from scalr_tasks.registry.queue import Queue
from scalr_tasks.registry.schedule import Schedule

ExceptionTypes = type[BaseException] | Sequence[type[BaseException]]
"""One class of exceptions, or several."""


def span_ms(value: Any, *, name: str, positive: bool = False) -> int:
    """Turn seconds or a `timedelta` into milliseconds.

    Raises:
        ValueError: it is negative, not a number, too long, or 0 where that makes no sense.
    """
    span = to_ms(value, name=name)
    if positive and span == 0:
        raise ValueError(f"expected {name} to be more than 0 seconds")
    return span


# -- of a task ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """The options of `@task`, as they were written."""

    name: str | None = None
    queue: Queue | str = "default"
    retries: int = 4
    timeout: timedelta | float = 300
    backoff: Backoff | timedelta | float = field(default_factory=Backoff)
    retry_on: ExceptionTypes = BaseException
    give_up_on: ExceptionTypes = ()
    keep_result: timedelta | float = 3600
    expires: timedelta | float | None = None
    cron: str | None = None
    timezone: str = "UTC"
    catch_up: Any = "skip"
    overlap: Any = "allow"
    strict: bool = True
    version: int = 1
    ctx: bool = True


_OPTIONS: Final = tuple(TaskOptions.__dataclass_fields__)


class OptionChecker:
    """Checks the options of one task; every refusal names the task and its place."""

    def __init__(self, task: str, where: str) -> None:
        self.task = task
        self.where = where

    def read(self, given: Mapping[str, Any]) -> TaskOptions:
        """Return the options.

        Raises:
            DefinitionError: one of them is unknown.
        """
        for name in given:
            if name not in _OPTIONS:
                self.refuse(f"task has no option {name!r}", did_you_mean(name, _OPTIONS))
        options = TaskOptions(**given)
        if options.name is not None or self.task:
            problem = name_problem(self.task)
            if problem:
                self.refuse(f"the task name {self.task!r} {problem}", "give it another one with name=")
        for name in ("ctx", "strict"):
            if not isinstance(getattr(options, name), bool):
                self._expected(name, "True or False", getattr(options, name))
        if type(options.version) is not int or options.version < 1:
            self._expected("version", "1 or more", options.version)
        return options

    def policy(self, options: TaskOptions) -> Policy:
        """Return the rules that the options ask for.

        Raises:
            DefinitionError: one of them cannot work.
        """
        if type(options.retries) is not int or options.retries < 0:
            self._expected("retries", "0 or more", options.retries)
        try:
            return Policy(
                retries=options.retries,
                timeout_ms=span_ms(options.timeout, name="timeout", positive=True),
                backoff=Backoff.of(options.backoff),
                retry_on=self._exceptions("retry_on", options.retry_on),
                give_up_on=self._exceptions("give_up_on", options.give_up_on),
                keep_result_ms=span_ms(options.keep_result, name="keep_result"),
                expires_ms=None if options.expires is None else span_ms(options.expires, name="expires", positive=True),
            )
        except ValueError as error:
            self.refuse(str(error), "")

    def schedule(self, options: TaskOptions, required: Sequence[str]) -> Schedule | None:
        """Return when a cron task is due; None for any other task.

        Args:
            options: the options.
            required: parameters without a default, which nothing would give.

        Raises:
            DefinitionError: the line or the time zone cannot be read, or a tick could not call the task.
        """
        if options.cron is None:
            for name in ("timezone", "catch_up", "overlap"):
                if getattr(options, name) != TaskOptions.__dataclass_fields__[name].default:
                    self.refuse(
                        f"{name} says something about cron ticks, and there is no cron", "add cron=, or leave it out"
                    )
            return None
        if not isinstance(options.cron, str):
            self._expected("cron", "a crontab line such as '0 3 * * *'", options.cron)
        if required:
            self.refuse(
                f"a cron tick gives no arguments, and {', '.join(map(repr, required))} has no default",
                "give every parameter a default",
            )
        try:
            return Schedule(options.cron, options.timezone, options.catch_up, options.overlap)
        except ValueError as error:
            self.refuse(str(error), "")

    def _exceptions(self, name: str, given: object) -> tuple[type[BaseException], ...]:
        classes: tuple[Any, ...] = tuple(given) if isinstance(given, (tuple, list, set, frozenset)) else (given,)
        for each in classes:
            if not (isinstance(each, type) and issubclass(each, BaseException)):
                self._expected(name, "an exception class, or several", each)
        return classes

    def _expected(self, option: str, what: str, got: object) -> NoReturn:
        self.refuse(f"expected {option} to be {what}, got {got!r}", "")

    def refuse(self, problem: str, way_out: str) -> NoReturn:
        """Raise the `DefinitionError` of this task."""
        raise DefinitionError(problem, task=self.task, where=self.where, way_out=way_out)


# -- of a call ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What `using` said, checked."""

    queue: str | None = None
    delay_ms: int = 0
    at_ms: int | None = None
    job_id: str | None = None
    expires_ms: int | None = None
    overrides: Overrides = NO_OVERRIDES

    def changed(
        self,
        task: str,
        *,
        queue: str | None,
        delay: timedelta | float | None,
        at: datetime | None,
        job_id: str | None,
        expires: timedelta | float | None,
        retries: int | None,
        timeout: timedelta | float | None,
        backoff: Backoff | timedelta | float | None,
        keep_result: timedelta | float | None,
    ) -> "CallOptions":
        """Return a copy with what is not None.

        Raises:
            OptionError: an option cannot work.
        """
        check = _CallChecker(task)
        if delay is not None and at is not None:
            raise OptionError("delay", "and at say two different times", task=task, way_out="give one of them")
        said: dict[str, Any] = {
            "queue": queue,
            "delay_ms": None if delay is None else check.span("delay", delay),
            "at_ms": None if at is None else check.instant_ms("at", at),
            "job_id": None if job_id is None else check.job_id(job_id),
            "expires_ms": None if expires is None else check.span("expires", expires, positive=True),
        }
        policy: dict[str, Any] = {
            "retries": None if retries is None else check.whole("retries", retries),
            "timeout_ms": None if timeout is None else check.span("timeout", timeout, positive=True),
            "backoff": None if backoff is None else check.backoff(backoff),
            "keep_result_ms": None if keep_result is None else check.span("keep_result", keep_result),
        }
        changed = {name: value for name, value in said.items() if value is not None}
        if delay is not None:
            changed["at_ms"] = None
        if at is not None:
            changed["delay_ms"] = 0
        overrides = {name: value for name, value in policy.items() if value is not None}
        if overrides:
            changed["overrides"] = replace(self.overrides, **overrides)
        return replace(self, **changed)


NO_OPTIONS: Final = CallOptions()


class _CallChecker:
    def __init__(self, task: str) -> None:
        self.task = task

    def span(self, option: str, value: Any, *, positive: bool = False) -> int:
        try:
            return span_ms(value, name=option, positive=positive)
        except ValueError as error:
            raise self.error(option, str(error)) from None

    def whole(self, option: str, value: Any) -> int:
        if type(value) is not int or value < 0:
            raise self.error(option, f"expected {option} to be 0 or more, got {value!r}")
        return value

    def backoff(self, value: Any) -> Backoff:
        try:
            return Backoff.of(value)
        except ValueError as error:
            raise self.error("backoff", str(error)) from None

    def instant_ms(self, option: str, value: Any) -> int:
        if not isinstance(value, datetime):
            raise self.error(option, f"expected {option} to be a datetime, got {type(value).__name__}")
        if value.utcoffset() is None:
            way_out = "give it a time zone: datetime.now(UTC) + ..., or use delay="
            raise OptionError(option, "is a datetime without a time zone", task=self.task, way_out=way_out)
        at_ms = round(value.timestamp() * 1000)
        if at_ms < 0:
            raise self.error(option, f"expected {option} to be after 1970")
        return at_ms

    def job_id(self, value: Any) -> str:
        problem = job_id_problem(value)
        if problem is not None:
            raise OptionError("job_id", problem, task=self.task)
        return str(value)

    def error(self, option: str, text: str) -> OptionError:
        return OptionError(option, text.replace(f"expected {option} to ", "should "), task=self.task)
