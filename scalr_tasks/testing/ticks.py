"""Cron tasks in a test: which tick comes next, and the job of each.

Reads next: `session.py`, whose `travel` meets them.
"""

from collections.abc import Iterable

from scalr_tasks.broker.base import NewJob
from scalr_tasks.envelope import new_nonce, write_head
from scalr_tasks.state import JobState
from scalr_tasks.testing.clock import KitClock
from scalr_tasks.testing.store import KitBroker


class Ticks:
    """The next tick of every cron task of some registries.

    Args:
        brokers: one a registry.
        clock: the clock of the test; ticks before it are not caught up.
        until_ms: no tick after this matters, epoch ms.
    """

    def __init__(self, brokers: Iterable[KitBroker], clock: KitClock, until_ms: int) -> None:
        self._clock = clock
        self._until_ms = until_ms
        self.next_ms: dict[tuple[KitBroker, str], int] = {}
        """Broker and task -> its next tick, epoch ms."""
        self._last: dict[tuple[KitBroker, str], str] = {}
        for broker in brokers:
            for declaration in broker.app.declarations.values():
                if declaration.schedule is not None and declaration.function is not None:
                    self._advance(broker, declaration.name)

    async def enqueue_due(self) -> None:
        """Enqueue the job of every tick that is due now, as a worker does."""
        for (broker, task), tick_ms in list(self.next_ms.items()):
            if tick_ms <= self._clock.now_ms():
                await self._tick(broker, task, tick_ms)
                self._advance(broker, task)

    def _advance(self, broker: KitBroker, task: str) -> None:
        schedule = broker.app.declarations[task].schedule
        assert schedule is not None
        tick_ms = round(schedule.after(self._clock.now).timestamp() * 1000)
        if tick_ms <= self._until_ms:
            self.next_ms[broker, task] = tick_ms
        else:
            self.next_ms.pop((broker, task), None)

    async def _tick(self, broker: KitBroker, task: str, tick_ms: int) -> None:
        schedule = broker.app.declarations[task].schedule
        last = self._last.get((broker, task))
        if last is not None and schedule is not None and schedule.overlap == "skip":
            state = (await broker.info(last, broker.queue_keys)).state
            if not (state.is_final or state is JobState.NOT_FOUND):
                return
        new = tick_job(broker, task, tick_ms)
        self._last[broker, task] = new.job_id
        await broker.store([new])


def tick_job(broker: KitBroker, task: str, tick_ms: int) -> NewJob:
    """Return the job of one tick of a cron task, as a worker enqueues it."""
    declaration = broker.app.declarations[task]
    nonce = new_nonce()
    return NewJob(
        job_id=f"{task}:{tick_ms}",
        task=task,
        queue_key=broker.app.queues[declaration.queue].key,
        head=write_head(task, nonce, task_version=declaration.version),
        arguments=declaration.arguments.write((), {}),
        nonce=nonce,
        expires_ms=declaration.policy.expires_ms,
    )
