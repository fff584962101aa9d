"""Makes the ticks of cron tasks jobs: `Cron`.

Every worker asks for every tick of the queues that it serves, and the store
makes each of them a job once: nobody has to be elected, and no tick is missed
because the one who was has died. Time is that of the store.

Reads next: `broker/lua/tick.lua`; `registry/schedule.py` for when a task is due.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Final

from scalr_tasks import events
from scalr_tasks.broker.leases import LeaseBroker, Tick, tick_nonce
from scalr_tasks.envelope import write_head
from scalr_tasks.errors import BrokerError
from scalr_tasks.registry.declaration import Declaration
from scalr_tasks.registry.queue import Queue
from scalr_tasks.registry.schedule import Schedule

LATE_S: Final = 5.0
"""A tick that a worker comes to within this is in time: catch-up is for those that nobody came to."""

MOST_MISSED: Final = 1000
"""Most ticks that `catch_up="all"` makes up for at once."""

_LONGEST_SLEEP_S: Final = 30.0
_AGAIN_S: Final = 0.5

log: logging.Logger = logging.getLogger("scalr_tasks.worker")


@dataclass(slots=True)
class _Entry:
    """One cron task, and up to when its ticks were looked at."""

    declaration: Declaration
    schedule: Schedule
    done_until: datetime


def in_policy(ticks: Sequence[datetime], now: datetime, schedule: Schedule) -> list[datetime]:
    """Return which of the ticks up to now become jobs.

    Those that are late by no more than `LATE_S` always do.
    """
    in_time = [tick for tick in ticks if now - tick <= timedelta(seconds=LATE_S)]
    missed = list(ticks[: len(ticks) - len(in_time)])
    match schedule.catch_up:
        case "all":
            return missed[-MOST_MISSED:] + in_time
        case "once":
            return missed[-1:] + in_time
        case _:
            return in_time


class Cron:
    """The cron tasks of one queue.

    Args:
        queue: the queue.
        declarations: tasks; those without a schedule, or of another queue, are left out.
        leases: the store.
        now_ms: its time, epoch ms.
    """

    def __init__(
        self, queue: Queue, declarations: Sequence[Declaration], leases: LeaseBroker, now_ms: Callable[[], int]
    ) -> None:
        self._queue = queue
        self._leases = leases
        self._now_ms = now_ms
        now = self._now()
        self._entries = [
            _Entry(one, one.schedule, now)
            for one in declarations
            if one.schedule is not None and one.queue == queue.name
        ]

    async def run(self) -> None:
        """Ask for each tick when it is due, until cancelled."""
        if not self._entries:
            return
        for entry in self._entries:
            await self._begin_where_others_ended(entry)
        while True:
            now = self._now()
            again = [entry for entry in self._entries if not await self._ask(entry, now)]
            wait_s = min(
                (entry.schedule.after(entry.done_until) - self._now()).total_seconds() for entry in self._entries
            )
            # Not longer than so, because the store's clock may be set.
            await asyncio.sleep(_AGAIN_S if again else min(max(wait_s, 0.001), _LONGEST_SLEEP_S))

    async def _begin_where_others_ended(self, entry: _Entry) -> None:
        if entry.schedule.catch_up == "skip":
            return
        try:
            last_ms = await self._leases.last_tick(self._queue.key, entry.declaration.name)
        except BrokerError as error:
            log.warning("missed ticks are not made up for: %s", error, extra={"event": "cron.failed"})
            return
        if last_ms is not None:
            entry.done_until = datetime.fromtimestamp(last_ms / 1000, UTC)

    async def _ask(self, entry: _Entry, now: datetime) -> bool:
        """Ask for the ticks up to now; False where the store did not answer."""
        # In a thread: a month of ticks that were missed takes seconds to count.
        missed = await asyncio.to_thread(lambda: list(_until(entry, now)))
        for tick in in_policy(missed, now, entry.schedule):
            try:
                await self._tick(entry, tick)
            except BrokerError as error:
                log.warning(
                    "tick of %s is asked for again: %s", entry.declaration.name, error, extra={"event": "cron.failed"}
                )
                return False
            entry.done_until = tick
        entry.done_until = max(entry.done_until, now)
        return True

    async def _tick(self, entry: _Entry, instant: datetime) -> None:
        declaration, tick_ms = entry.declaration, round(instant.timestamp() * 1000)
        tick = Tick(
            task=declaration.name,
            queue_key=self._queue.key,
            tick_ms=tick_ms,
            head=write_head(declaration.name, tick_nonce(tick_ms), task_version=declaration.version),
            arguments=declaration.arguments.write((), {}),
            expires_ms=declaration.policy.expires_ms,
            may_overlap=entry.schedule.overlap == "allow",
        )
        if await self._leases.tick(tick):
            events.emit(events.CronTick(tick.job_id, declaration.name, self._queue.name, tick_ms))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._now_ms() / 1000, UTC)


def _until(entry: _Entry, now: datetime) -> Iterator[datetime]:
    return takewhile(lambda tick: tick <= now, entry.schedule.ticks(entry.done_until))
