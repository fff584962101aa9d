"""One test's worth of jobs: which registries it covers, what was recorded, what runs, and when.

Nothing runs by itself. A pump is the time in which jobs run: an enqueue under
inline mode opens one, so do `drain`, `travel` and `run_one`. What a running
body enqueues is taken up by the pump that runs the body, after the body.

Reads next: `engine.py` for one attempt, `kit.py` for what a test may say.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Coroutine, Iterable, Sequence
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from scalr_tasks.broker.base import NewJob
from scalr_tasks.broker.memory_engine import Due
from scalr_tasks.errors import KitError, RunningLoopError
from scalr_tasks.registry.brokers import RegistryBrokers
from scalr_tasks.registry.registry import Registry, all_registries
from scalr_tasks.testing.clock import KitClock
from scalr_tasks.testing.engine import Engine
from scalr_tasks.testing.faults import Faults
from scalr_tasks.testing.records import Attempt, Drained, Recorded, errors_of
from scalr_tasks.testing.store import KitBlocking, KitBroker
from scalr_tasks.testing.ticks import Ticks

T = TypeVar("T")

MAX_ATTEMPTS: Final = 10_000
"""Most attempts at one instant of the test's clock; more are a task that enqueues itself for ever."""


@dataclass(frozen=True, slots=True)
class Inline:
    """How jobs run on enqueue."""

    only: frozenset[tuple[str, str]] | None
    """Registry and name of the tasks that run; None for all."""
    max_depth: int
    raises: bool

    def takes(self, broker: KitBroker, task: str) -> bool:
        """Tell whether a task's jobs run on enqueue."""
        return self.only is None or (broker.home.registry, task) in self.only


@dataclass(slots=True)
class Pump:
    """A time in which jobs run."""

    inline: Inline | None = None
    pending: deque[tuple[KitBroker, str, int]] = field(default_factory=deque)
    """What runs next under inline mode: broker, job id, depth."""
    states: dict[KitBroker, object] = field(default_factory=dict)
    """What the lifespans yielded that this pump has entered."""
    too_deep: str = ""
    is_open: bool = True


@dataclass(slots=True)
class Frame:
    """Where a running body stands."""

    pump: Pump
    depth: int


_frame: ContextVar[Frame | None] = ContextVar("scalr_tasks_kit_frame", default=None)


class Session:
    """Everything that one test enqueues and runs; stands in for the brokers of its registries.

    Args:
        registries: what the test covers; every registry of the process where left out.
    """

    def __init__(self, registries: Sequence[Registry[Any, Any]] | None = None) -> None:
        self._registries = None if registries is None else tuple(registries)
        self.every: list[Recorded[Any]] = []
        self.recorded_jobs: list[Recorded[Any]] = []  # the part of `every` that assertions see: `clear` empties it
        self.attempts: list[Attempt] = []
        self.clock: KitClock = KitClock(lambda: not self.every)
        self.faults: Faults = Faults(self.clock)
        self.engine: Engine = Engine(self.clock, self.faults)
        self.inline: Inline | None = None
        self._by_id: dict[str, Recorded[Any]] = {}
        self._brokers: dict[RegistryBrokers, KitBroker] = {}
        self._open_pumps = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: asyncio.Runner | None = None

    def close(self) -> None:
        """Let go of threads and of the event loop for sync tests."""
        self.engine.close()
        if self._runner is not None:
            self._runner.close()

    # -- standing in ---------------------------------------------------------------------

    @property
    def registries(self) -> list[Registry[Any, Any]]:
        """What the test covers, by name."""
        covered = all_registries() if self._registries is None else self._registries
        return sorted(covered, key=lambda registry: registry.name)

    def broker(self, home: RegistryBrokers) -> KitBroker:
        """Return the store of a registry.

        Raises:
            KitError: the test does not cover it.
        """
        known = self._brokers.get(home)
        if known is None:
            self._refuse_uncovered(home)
            known = self._brokers[home] = KitBroker(home, self, self.faults, self.clock)
        return known

    def blocking(self, home: RegistryBrokers) -> KitBlocking:
        """Return the same store for threads without an event loop."""
        return KitBlocking(self.broker(home), self)

    @property
    def brokers(self) -> list[KitBroker]:
        """The store of every registry that was used."""
        return list(self._brokers.values())

    def _refuse_uncovered(self, home: RegistryBrokers) -> None:
        if self._registries is None or any(registry.brokers is home for registry in self._registries):
            return
        covered = ", ".join(repr(registry.name) for registry in self.registries) or "none"
        raise KitError(
            f"registry {home.registry!r} is not among those that this test covers ({covered})",
            way_out="return it from the fixture tasks_registries too",
        )

    # -- what the brokers tell -----------------------------------------------------------

    def recorded(self, broker: KitBroker, jobs: Sequence[NewJob]) -> None:
        """Keep what was enqueued."""
        for new in jobs:
            one: Recorded[Any] = Recorded(broker.home, new, self.clock.now_ms())
            self.every.append(one)
            self.recorded_jobs.append(one)
            self._by_id[new.job_id] = one

    async def enqueued(self, broker: KitBroker, job_ids: Sequence[str]) -> None:
        """Run what runs on enqueue; inside a running body, leave it to the pump that runs it."""
        frame = _frame.get()
        if frame is not None and frame.pump.is_open:
            self._offer(frame.pump, broker, job_ids, frame.depth + 1)
        elif self.inline is not None and job_ids:
            async with self._pump(self.inline) as pump:
                self._offer(pump, broker, job_ids, 1)
                await self._run_pending(pump, self.inline)

    async def waited_for(self, broker: KitBroker, job_id: str) -> bool:
        """Run a due job that a running body waits for; True where somebody else may end it."""
        frame = _frame.get()
        if frame is not None and frame.pump.is_open:
            while (due := broker.due_job(job_id)) is not None:
                depth = frame.depth + 1
                if depth > self._deepest(frame.pump):
                    frame.pump.too_deep = self._by_id[job_id].task
                    break
                await self._run(frame.pump, broker, due, depth)
            return broker.is_running(job_id)
        return self._open_pumps > 0

    def aborting(self, job_id: str) -> None:
        """Cancel a running job."""
        self.engine.abort(job_id)

    def runs_inline(self) -> bool:
        """Whether an enqueue made here and now would run its job."""
        frame = _frame.get()
        return self.inline is not None and (frame is None or not frame.pump.is_open)

    # -- running -------------------------------------------------------------------------

    def _pump(self, inline: Inline | None = None) -> "_Pumping":
        return _Pumping(self, inline)

    def open_pump(self) -> None:
        """Take note that jobs run from now on.

        Raises:
            KitError: jobs run in another event loop at the same time.
        """
        self._bind_loop()
        self._open_pumps += 1

    async def close_pump(self, pump: Pump) -> None:
        """Take note that the jobs of a pump have run, and leave the lifespans that it has entered."""
        pump.is_open = False
        self._open_pumps -= 1
        for broker in pump.states:
            await broker.app.lifespan.release()

    def _bind_loop(self) -> None:
        loop, known = asyncio.get_running_loop(), self._loop
        if known is not None and known is not loop and known.is_running():
            raise KitError(
                "jobs of this test run in two event loops at the same time",
                way_out="drain in the loop that enqueues, or use drain_sync from a test without a loop",
            )
        self._loop = loop

    def _offer(self, pump: Pump, broker: KitBroker, job_ids: Iterable[str], depth: int) -> None:
        if pump.inline is None:
            return
        for job_id in job_ids:
            task = self._by_id[job_id].task
            if not pump.inline.takes(broker, task):
                continue
            if depth > pump.inline.max_depth:
                pump.too_deep = task
            else:
                pump.pending.append((broker, job_id, depth))

    async def _run_pending(self, pump: Pump, inline: Inline) -> None:
        errors = []
        while pump.pending:
            broker, job_id, depth = pump.pending.popleft()
            due = broker.due_job(job_id)
            if due is None:
                continue  # deferred, or a body that waited for it has run it
            attempt = await self._run(pump, broker, due, depth)
            if attempt is not None and inline.raises:
                errors += errors_of(attempt)
        if pump.too_deep:
            raise KitError(
                f"inline jobs went deeper than max_depth={inline.max_depth}, the last one of task {pump.too_deep!r}",
                way_out="does a task enqueue itself for ever? else give tasks.inline(max_depth=...) more",
            )
        if errors:
            raise errors[0]

    async def _run(self, pump: Pump, broker: KitBroker, due: Due, depth: int = 1) -> Attempt | None:
        if broker not in pump.states:
            pump.states[broker] = await broker.app.lifespan.acquire()
        variables = copy_context()
        variables.run(_frame.set, Frame(pump, depth))
        attempt = await self.engine.run(broker, due, pump.states[broker], variables)
        if attempt is not None:
            self.attempts.append(attempt)
            known = self._by_id.get(attempt.job_id)
            if known is not None:
                known.looked_at = True
        return attempt

    def _deepest(self, pump: Pump) -> int:
        return 100 if pump.inline is None else pump.inline.max_depth

    async def drain(self, queue: str | None = None) -> Drained:
        """Run what is due, and what that enqueues, until nothing is due."""
        drained = Drained()
        async with self._pump() as pump:
            await self._run_due(pump, drained, queue)
        return drained

    async def _run_due(self, pump: Pump, drained: Drained, queue: str | None = None) -> None:
        ran: Counter[str] = Counter()
        while not self.faults.is_down:
            found = [(due, broker) for broker in self.brokers for due in await broker.due(_keys(broker, queue))]
            if not found:
                return
            found.sort(key=lambda pair: pair[0].due_at_ms)
            for due, broker in found:
                attempt = await self._run(pump, broker, due)
                if attempt is not None:
                    drained.count(attempt)
                    ran[attempt.task] += 1
            if ran.total() > MAX_ATTEMPTS:
                raise KitError(
                    f"more than {MAX_ATTEMPTS:,} attempts ran at one instant, "
                    f"most of them of task {ran.most_common(1)[0][0]!r}",
                    way_out="does it enqueue itself for ever, or snooze by 0 s?",
                )

    async def run_job(self, broker: KitBroker, job_id: str, number: int) -> Attempt | None:
        """Run one attempt of one job now, whenever it is due, as attempt `number`; None where it is running."""
        if broker.is_running(job_id):
            return None
        for _ in range(number - 1):
            await broker.postpone(job_id, counts=True)
        await broker.drop_claim(job_id, self.clock.now_ms())
        async with self._pump() as pump:
            due = broker.due_job(job_id)
            return None if due is None else await self._run(pump, broker, due)

    # -- time ----------------------------------------------------------------------------

    async def travel(self, until_ms: int, *, cron: bool) -> Drained:
        """Let time pass; whatever falls due runs at its own time, in order."""
        drained = Drained()
        ticks = Ticks([self.broker(each.brokers) for each in self.registries], self.clock, until_ms) if cron else None
        async with self._pump() as pump:
            await self._run_due(pump, drained)
            while (at_ms := await self._next_event(until_ms, ticks)) is not None:
                self.clock.move_to(at_ms)
                if ticks is not None and not self.faults.is_down:
                    await ticks.enqueue_due()
                await self._run_due(pump, drained)
        self.clock.move_to(until_ms)
        return drained

    async def _next_event(self, until_ms: int, ticks: Ticks | None) -> int | None:
        now_ms = self.clock.now_ms()
        events = [*self.engine.lapses, self.faults.down_until_ms]
        for broker in self.brokers:
            events += [due.due_at_ms for due in await broker.due(broker.queue_keys, until_ms)]
        if ticks is not None:
            events += [tick_ms for tick_ms in ticks.next_ms.values() if tick_ms is not None]
        return min((at_ms for at_ms in events if now_ms < at_ms <= until_ms), default=None)

    # -- without a loop ------------------------------------------------------------------

    def run_sync(self, act: Coroutine[Any, Any, T]) -> T:
        """Run something to its end from a thread without an event loop.

        Raises:
            RunningLoopError: an event loop is running in this thread.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            act.close()
            raise RunningLoopError("a blocking method of the test kit", "the method without _sync")
        loop = self._loop
        if loop is not None and loop.is_running():
            return asyncio.run_coroutine_threadsafe(act, loop).result()
        if self._runner is None:
            # A loop factory keeps the runner from setting, and later unsetting, the thread's current loop.
            self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        return self._runner.run(act, context=copy_context())


class _Pumping:
    """Opens a pump for the time of a block; a class, because every inline enqueue pays for it."""

    __slots__ = ("_pump", "_session")

    def __init__(self, session: Session, inline: Inline | None) -> None:
        self._session = session
        self._pump = Pump(inline)

    async def __aenter__(self) -> Pump:
        self._session.open_pump()
        return self._pump

    async def __aexit__(self, *_error: object) -> None:
        await self._session.close_pump(self._pump)


def _keys(broker: KitBroker, queue: str | None) -> list[str]:
    return [one.key for name, one in broker.app.queues.items() if queue in {None, name}]
