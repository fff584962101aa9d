"""What a test holds in its hand: `TaskKit`, the fixture `tasks`.

    async def test_paying_sends_a_receipt(tasks: TaskKit) -> None:
        await pay(invoice_id=1)

        tasks.assert_enqueued(send_invoice_email.call(invoice_id=1))

Enqueues go to memory and are validated, written, read and run as in
production; nothing reaches a Redis, and nothing waits for time to pass.

Reads next: `session.py` for what runs when, `plugin.py` for the fixtures.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from scalr_tasks.errors import KitError
from scalr_tasks.policy import to_ms
from scalr_tasks.registry.brokers import StandIn, put_stand_in
from scalr_tasks.registry.call import Call
from scalr_tasks.registry.registry import Registry
from scalr_tasks.registry.task import Task
from scalr_tasks.testing import explain
from scalr_tasks.testing.clock import KitClock, cron_ticks
from scalr_tasks.testing.recorder import AnyTask, Recorder
from scalr_tasks.testing.records import Attempt, Drained, Recorded, errors_of
from scalr_tasks.testing.session import Inline, Session

R = TypeVar("R")


class _NoRedis:
    """Stands for `ctx.redis` where the test has given none."""

    def __getattr__(self, name: str) -> Any:
        raise KitError(
            f"a task used ctx.redis.{name}, and the test kit has no Redis",
            way_out="give it a client or a stand-in of your own: tasks.redis = ...",
        )


class TaskKit(Recorder):
    """Records what a test enqueues, and runs it when the test says so.

        with TaskKit([registry]) as tasks: ...

    Under pytest it is the fixture `tasks`. One kit is for one test.

    Args:
        registries: what it covers; every registry of the process where left out.
    """

    def __init__(self, registries: Sequence[Registry[Any, Any]] | None = None) -> None:
        super().__init__(Session(registries))
        self._before: StandIn | None = None
        self.redis = _NoRedis()

    def __enter__(self) -> Self:
        self._before = put_stand_in(self._session)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        put_stand_in(self._before)
        self._session.close()

    @property
    def redis(self) -> object:
        """What tasks get as `ctx.redis`; to be set by a test whose tasks use it."""
        return self._session.engine.redis

    @redis.setter
    def redis(self, client: object) -> None:
        self._session.engine.redis = client

    # -- running -------------------------------------------------------------------------

    @contextmanager
    def inline(
        self, *, only: Sequence[AnyTask] | None = None, max_depth: int = 5, raises: bool = True
    ) -> Iterator[Self]:
        """Run jobs when they are enqueued, before `enqueue` returns; deferred ones stay.

            with tasks.inline(only=[send_invoice_email]):
                await pay(invoice_id=1)

        Args:
            only: the tasks that run; all where left out.
            max_depth: how deep a job may enqueue a job that enqueues a job.
            raises: whether what a task raises is raised by `enqueue`; False leaves it to the task's policy.

        Raises:
            KitError: `max_depth` was passed.
        """
        if type(max_depth) is not int or max_depth < 1:
            raise KitError("expected max_depth to be 1 or more")
        chosen = None if only is None else frozenset((self._covered(task), task.name) for task in only)
        before, self._session.inline = self._session.inline, Inline(chosen, max_depth, raises)
        try:
            yield self
        finally:
            self._session.inline = before

    async def drain(self, *, queue: str | None = None) -> Drained:
        """Run what is due, and what that enqueues, until nothing is due; returns how many attempts ended how.

            drained = await tasks.drain()
            assert drained.succeeded == 2

        A deferred job, and a retry whose delay is not over, stay; `travel` brings them. What a task raises is not
        raised here: it is retried or dead, as in production.

        Args:
            queue: name of the only queue that is drained.

        Raises:
            KitError: a task enqueues itself for ever; or no registry has such a queue.
        """
        known = {name for registry in self._session.registries for name in registry.queues}
        if queue is not None and queue not in known:
            raise KitError(f"there is no queue {queue!r}", way_out=f"known: {', '.join(sorted(known))}")
        return await self._session.drain(queue)

    def drain_sync(self, *, queue: str | None = None) -> Drained:
        """Drain from a test without an event loop; otherwise like `drain`."""
        return self._session.run_sync(self.drain(queue=queue))

    async def run_one(self, what: Call[R] | Task[..., R], /, *, attempt: int = 1) -> R:
        """Run one attempt of one job, whenever it is due; returns its result, or raises what it raised.

            receipt = await tasks.run_one(send_invoice_email.call(invoice_id=1), attempt=3)

        Args:
            what: a call, which is enqueued first; or a task, whose first waiting job runs.
            attempt: the number that `ctx.attempt` has.

        Raises:
            KitError: no job of the task waits, or the attempt's number makes no sense.
        """
        if type(attempt) is not int or attempt < 1:
            raise KitError("expected attempt to be 1 or more")
        call: Any = what
        if isinstance(what, Call):
            inline, self._session.inline = self._session.inline, None
            try:
                job_id = (await call.enqueue()).job_id
            finally:
                self._session.inline = inline
            home = call.home.brokers
        else:
            waiting = await self._waiting(what)
            home, job_id = waiting.home, waiting.job_id
        broker = self._session.broker(home)
        ran = await self._session.run_job(broker, job_id, attempt)
        if ran is None:
            raise KitError(f"job {job_id} is running already")
        for error in errors_of(ran):
            raise error
        if ran.end != "succeeded":
            raise KitError(f"the attempt did not end with a result, it was {ran.end}")
        found = next(one for one in reversed(self._session.every) if one.job_id == job_id)
        return cast("R", await found.job.result(timeout=0))

    def run_one_sync(self, what: Call[R] | Task[..., R], /, *, attempt: int = 1) -> R:
        """Run one attempt from a test without an event loop; otherwise like `run_one`."""
        return self._session.run_sync(self.run_one(what, attempt=attempt))

    async def _waiting(self, task: Task[..., R]) -> Recorded[R]:
        registry = self._covered(task)
        for one in self._session.every:
            if (one.registry, one.task) == (registry, task.name):
                broker = self._session.broker(one.home)
                if one.job_id in {due.job_id for due in await broker.due(broker.queue_keys, 2**62)}:
                    return one
        raise KitError(
            f"no job of task {task.name!r} waits to be run", way_out=f"enqueue one, or give {task.name}.call(...)"
        )

    # -- what ran ------------------------------------------------------------------------

    def attempts(self, task: AnyTask | None = None, /) -> list[Attempt]:
        """Return every attempt that ran in this test, or those of one task, in order."""
        if task is None:
            return list(self._session.attempts)
        self._covered(task)
        return [one for one in self._session.attempts if one.task == task.name]

    def timeline(self, task: AnyTask | None = None, /) -> list[str]:
        """Return the attempts as lines, for comparing with what a test expects.

            assert tasks.timeline(charge_card) == [
                "+0 s charge_card attempt 1: retried, again in 1 s: CardDeclinedError: no",
                "+1 s charge_card attempt 2: succeeded",
            ]

        Times count from the beginning of the test, or from `clock.set` before the first enqueue.
        """
        return [one.line(self.clock.began_ms) for one in self.attempts(task)]

    def assert_retried(
        self, task: AnyTask, /, *, times: int | None = None, delays: Sequence[timedelta | float] | None = None
    ) -> None:
        """Fail unless a job of the task was retried.

            tasks.assert_retried(charge_card, delays=[1, 2, 4])

        Args:
            task: its task; one job of it is enough.
            times: how often; at least once where left out.
            delays: the delay before each further attempt, in order; without the jitter of production.

        Raises:
            AssertionError: with everything that ran.
        """
        __tracebackhide__ = True
        wanted = None if delays is None else [to_ms(delay, name="delays") for delay in delays]
        by_job: dict[str, list[int | None]] = {}
        for one in self.attempts(task):
            if one.end == "retried":
                by_job.setdefault(one.job_id, []).append(one.delay_ms)
        found = [
            waits
            for waits in by_job.values()
            if (times is None or len(waits) == times) and (wanted is None or waits == wanted)
        ]
        if not found and not (times == 0 and not by_job):
            what = f"a job of task {task.name!r} to be retried"
            what += "" if times is None else f" {times} times"
            what += "" if wanted is None else f" after {', '.join(f'{ms / 1000:g} s' for ms in wanted)}"
            raise AssertionError(explain.not_in_history(what, self.attempts(), self.clock.began_ms))

    def assert_dead(self, task: AnyTask, /, *, reason: str | None = None) -> Attempt:
        """Fail unless a job of the task is dead; returns its last attempt.

            tasks.assert_dead(charge_card, reason="gave_up")

        Args:
            task: its task; one job of it is enough.
            reason: `failed`, `gave_up`, `invalid_arguments`, `bad_result` or `worker_lost`; or a part of the text
                of the error that it died of.

        Raises:
            AssertionError: with everything that ran.
        """
        __tracebackhide__ = True
        for one in self.attempts(task):
            if one.end == "dead" and (reason is None or reason == one.reason or reason in one.error):
                return one
        what = f"a job of task {task.name!r} to be dead" + ("" if reason is None else f", reason {reason!r}")
        raise AssertionError(explain.not_in_history(what, self.attempts(), self.clock.began_ms))

    # -- time ----------------------------------------------------------------------------

    @property
    def clock(self) -> KitClock:
        """The clock of the test: it stands still until `travel` or `clock.set` moves it."""
        return self._session.clock

    async def travel(
        self,
        by: timedelta | None = None,
        /,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        cron: bool = True,
    ) -> Drained:
        """Let time pass, at once: what falls due meanwhile runs at its own time, in order.

            await tasks.travel(hours=2)

        Args:
            by: how far; or by parts.
            days: added to that.
            hours: likewise.
            minutes: likewise.
            seconds: likewise.
            cron: whether cron tasks tick, of every registry that the test covers.

        Raises:
            KitError: the way leads back, or a task enqueues itself for ever.
        """
        span = (by or timedelta()) + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if span < timedelta():
            raise KitError("travel leads forward only", way_out="set tasks.clock before the first enqueue")
        until_ms = self.clock.now_ms() + round(span.total_seconds() * 1000)
        return await self._session.travel(until_ms, cron=cron)

    def travel_sync(self, by: timedelta | None = None, /, **parts: Any) -> Drained:
        """Travel in a test without an event loop; the arguments are those of `travel`."""
        return self._session.run_sync(self.travel(by, **parts))

    def cron_ticks(self, task: AnyTask, /, *, between: tuple[datetime, datetime]) -> list[datetime]:
        """Return every tick of a cron task after the first time and up to the second, in the task's time zone.

        Raises:
            KitError: the task has no `cron`, or a time has no time zone.
        """
        self._covered(task)
        return cron_ticks(task, between)

    # -- faults --------------------------------------------------------------------------

    def fail_next(
        self, task: AnyTask, error: BaseException | type[BaseException] = Exception, /, *, times: int = 1
    ) -> None:
        """Let the next attempts of a task raise, instead of running its body.

            tasks.fail_next(charge_card, CardDeclinedError("no"), times=2)
            tasks.fail_next(charge_card, TimeoutError)

        Middleware, policy and backoff work as if the body had raised.
        """
        self._covered(task)
        self._session.faults.fail_next(task.name, error, times)

    def kill_worker(self, *, during: AnyTask, times: int = 1) -> None:
        """Let the worker die in the next attempts of a task, after the body's last line and before anything is kept.

            tasks.kill_worker(during=charge_card)
            await tasks.drain()                 # the body runs; nobody hears of it
            await tasks.travel(minutes=6)       # the claim lapses: it runs again

        The job stays claimed for its timeout and 10 s more, as under plain arq; the attempt keeps its number.
        """
        self._covered(during)
        kills = self._session.faults.kills
        kills[during.name] = kills.get(during.name, 0) + times

    def redis_down(self, *, seconds: float) -> None:
        """Let Redis not answer for some seconds of the test's clock; `travel` brings it back.

            tasks.redis_down(seconds=30)
            with pytest.raises(BrokerUnavailableError):
                await send_invoice_email.enqueue(invoice_id=1)

        Meanwhile every act of a caller is refused at once, and nothing runs.
        """
        if not seconds > 0:
            raise KitError("expected seconds to be more than 0")
        self._session.faults.down_until_ms = self.clock.now_ms() + round(seconds * 1000)
