"""Assertions about what a test enqueued: `Recorder`, typed against the handles of tasks.

Reads next: `matching.py` for what counts as equal, `explain.py` for the texts of failures.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar, overload

from scalr_tasks.errors import KitError
from scalr_tasks.registry.call import Call
from scalr_tasks.registry.task import Task
from scalr_tasks.testing import explain
from scalr_tasks.testing.matching import Expected, expected_call
from scalr_tasks.testing.records import Arguments, Recorded
from scalr_tasks.testing.session import Session

R = TypeVar("R")
AnyTask = Task[..., Any]


class Recorder:
    """What a test may ask of the jobs that it enqueued; the half of `TaskKit` that only looks.

    tasks.assert_enqueued(send_invoice_email.call(invoice_id=1))
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    @overload
    def assert_enqueued(
        self,
        what: Call[R],
        /,
        *,
        times: int | None = None,
        queue: str | None = None,
        delay: timedelta | float | None = None,
    ) -> Recorded[R]: ...
    @overload
    def assert_enqueued(
        self,
        what: Task[..., R],
        /,
        *,
        where: Callable[[Arguments], bool] | None = None,
        times: int | None = None,
        queue: str | None = None,
        delay: timedelta | float | None = None,
    ) -> Recorded[R]: ...
    def assert_enqueued(self, what: Call[Any] | AnyTask, /, **asked: Any) -> Recorded[Any]:
        """Fail unless a task was enqueued; returns the first job that is as expected.

            tasks.assert_enqueued(send_invoice_email.call(invoice_id=1), times=1)
            tasks.assert_enqueued(send_invoice_email, where=lambda given: given.invoice_id > 100)

        A call that was made from `using(...)` expects what that said, too.

        Args:
            what: a call, compared value by value; or a task, whatever its arguments.
            **asked: by name:
                where - with a task: tells from its arguments whether a job is meant;
                times - how many jobs there must be; at least one where left out;
                queue - name of the queue;
                delay - seconds or `timedelta` between the enqueue and the due time.

        Raises:
            AssertionError: with the nearest recorded call, and what differs.
            KitError: the question makes no sense.
        """
        __tracebackhide__ = True
        expected = self._expected(what, **asked)
        found = self._seen(expected)
        if not found if expected.times is None else len(found) != expected.times:
            raise AssertionError(explain.not_enqueued(expected, len(found), self.recorded))
        return found[0]

    @overload
    def assert_not_enqueued(self, what: Call[Any], /, *, queue: str | None = None) -> None: ...
    @overload
    def assert_not_enqueued(
        self, what: AnyTask, /, *, where: Callable[[Arguments], bool] | None = None, queue: str | None = None
    ) -> None: ...
    def assert_not_enqueued(self, what: Call[Any] | AnyTask, /, **asked: Any) -> None:
        """Fail where a task was enqueued; the arguments are those of `assert_enqueued`.

        tasks.assert_not_enqueued(charge_card)
        """
        __tracebackhide__ = True
        expected = self._expected(what, **asked)
        found = self._seen(expected)
        if found:
            raise AssertionError(explain.enqueued_after_all(expected, found, self.recorded))

    def assert_nothing_enqueued(self) -> None:
        """Fail where anything was enqueued."""
        __tracebackhide__ = True
        if self.recorded:
            raise AssertionError(explain.not_nothing(self.recorded))

    @property
    def recorded(self) -> list[Recorded[Any]]:
        """Every job that was enqueued in this test, in order."""
        return list(self._session.recorded_jobs)

    def all(self, task: Task[..., R], /) -> list[Recorded[R]]:
        """Return every job of a task that was enqueued in this test, in order."""
        return self._seen(self._expected(task))

    def only(self, task: Task[..., R], /) -> Recorded[R]:
        """Return the one job of a task; fails where there is none, or more than one.

        tasks.only(send_invoice_email).arguments.invoice_id
        """
        __tracebackhide__ = True
        found = self.all(task)
        if len(found) != 1:
            raise AssertionError(explain.not_one(task.name, found, self.recorded))
        return found[0]

    def not_looked_at(self) -> list[Recorded[Any]]:
        """Return the jobs that were neither run nor found by an assertion; strict mode fails a test that has some."""
        return [one for one in self._session.recorded_jobs if not one.looked_at]

    def clear(self) -> None:
        """Forget what was recorded so far, for assertions about what follows; the jobs stay where they are."""
        self._session.recorded_jobs.clear()

    def _expected(self, what: Call[Any] | AnyTask, **asked: Any) -> Expected:
        expected = expected_call(what, **asked)
        self._refuse_uncovered(expected.registry)
        return expected

    def _seen(self, expected: Expected) -> list[Recorded[Any]]:
        found = [one for one in self._session.recorded_jobs if expected.matches(one)]
        for one in found:
            one.looked_at = True
        return found

    def _covered(self, task: AnyTask) -> str:
        registry = task.declaration.registry
        self._refuse_uncovered(registry)
        return registry

    def _refuse_uncovered(self, registry: str) -> None:
        covered = sorted({each.name for each in self._session.registries})
        if registry not in covered:
            raise KitError(
                f"registry {registry!r} is not among those that this test covers ({', '.join(covered) or 'none'})",
                way_out="return it from the fixture tasks_registries too",
            )
