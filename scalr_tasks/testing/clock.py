"""The time of a test: `KitClock` stands still until it is moved; and the days on which clocks change.

One clock decides about delay, backoff, cron, expiry, the time of results and
claims. The body of a task keeps real time: nothing stops the world around it.

Reads next: `session.py`, which moves the clock and runs what falls due.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.errors import KitError
from scalr_tasks.registry.task import Task

_ZONED: Final = re.compile(r"(?P<instant>[^\[]+)(?:\[(?P<zone>[^\]]+)\])?")


class KitClock:
    """A clock that begins at the real time and then stands still; satisfies `Clock`.

        tasks.clock.set("2026-10-25T00:30+02:00[Europe/Berlin]")
        tasks.clock.now

    Args:
        may_go_back: asked before the clock is set back; jobs that are stored would be younger than they are.
    """

    def __init__(self, may_go_back: Callable[[], bool] = lambda: True) -> None:
        self._now_ms = SYSTEM_CLOCK.now_ms()
        self._may_go_back = may_go_back
        self.began_ms: int = self._now_ms
        """What `timeline` counts from: where the clock began, or was set before the first enqueue; epoch ms."""

    def now_ms(self) -> int:
        """Return the time of the test, in milliseconds since 1970 UTC."""
        return self._now_ms

    def monotonic_s(self) -> float:
        """Return the time of the test, in seconds."""
        return self._now_ms / 1000

    @property
    def now(self) -> datetime:
        """The time of the test, in UTC."""
        return datetime.fromtimestamp(self._now_ms / 1000, UTC)

    def set(self, when: datetime | str) -> None:
        """Set the clock; nothing is run.

            tasks.clock.set(datetime(2026, 10, 25, tzinfo=ZoneInfo("Europe/Berlin")))

        Args:
            when: an aware datetime, or its ISO text with an offset or a zone: `2026-10-25T00:30[Europe/Berlin]`.

        Raises:
            KitError: it has no time zone, cannot be read, or lies before the jobs that are stored.
        """
        when_ms = _epoch_ms(when)
        fresh = self._may_go_back()
        if when_ms < self._now_ms and not fresh:
            raise KitError(
                "the clock was set back while jobs are stored that are younger than that",
                way_out="set it before the first enqueue",
            )
        self._now_ms = when_ms
        if fresh:
            self.began_ms = when_ms

    def move_to(self, when_ms: int) -> None:
        """Let time pass until `when_ms`, epoch ms; an earlier time changes nothing."""
        self._now_ms = max(self._now_ms, when_ms)


def _epoch_ms(when: datetime | str) -> int:
    if isinstance(when, str):
        when = _read(when)
    if when.tzinfo is None:
        raise KitError("a time was given without a time zone", way_out="say 2026-10-25T00:30+02:00, or [Europe/Berlin]")
    return round(when.timestamp() * 1000)


def _read(text: str) -> datetime:
    match = _ZONED.fullmatch(text)
    try:
        when = datetime.fromisoformat(match["instant"] if match else text)
        zone = match["zone"] if match else None
        if zone is None:
            return when
        return when.replace(tzinfo=ZoneInfo(zone)) if when.tzinfo is None else when.astimezone(ZoneInfo(zone))
    except (ValueError, ZoneInfoNotFoundError, OSError):
        raise KitError(
            f"the time {text!r} cannot be read", way_out="write it as 2026-10-25T00:30+02:00[Europe/Berlin]"
        ) from None


# -- cron --------------------------------------------------------------------------------


def cron_ticks(task: Task[..., Any], between: tuple[datetime, datetime]) -> list[datetime]:
    """Return every tick of a cron task after the first time and up to the second, in the task's own time zone.

        cron_ticks(nightly_report, between=(monday, friday))

    Raises:
        KitError: the task has no `cron`, or a time has no time zone.
    """
    schedule = task.declaration.schedule
    if schedule is None:
        raise KitError(f"task {task.name!r} has no cron", way_out="declare it with cron=")
    after, until = between
    if after.tzinfo is None or until.tzinfo is None:
        raise KitError("between= was given times without a time zone", way_out="give both a tzinfo")
    zone = ZoneInfo(schedule.timezone)
    found = []
    for tick in schedule.ticks(after):
        if tick > until:
            break
        found.append(tick.astimezone(zone))
    return found


@dataclass(frozen=True, slots=True)
class ClockChange:
    """One change of a zone's clocks."""

    zone: str
    at: datetime
    """The instant of the change, in the zone."""
    by: timedelta
    """How far the clocks jump: an hour forward in spring, `-1 h` in autumn."""

    @property
    def around(self) -> tuple[datetime, datetime]:
        """From 12 hours before to 12 hours after, for `cron_ticks(task, between=change.around)`."""
        at = self.at.astimezone(UTC)
        return at - timedelta(hours=12), at + timedelta(hours=12)

    def __str__(self) -> str:
        """Return a short name, as an id of a parametrised test."""
        hours = self.by.total_seconds() / 3600
        return f"{self.zone} {self.at:%Y-%m-%d} {hours:+g} h"


def clock_changes(zone: str, year: int) -> list[ClockChange]:
    """Return the changes of a zone's clocks in a year, in order; an empty list where its clocks never change.

        @pytest.mark.parametrize("change", clock_changes("Europe/Vienna", 2026), ids=str)

    Raises:
        KitError: there is no such zone.
    """
    try:
        local = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise KitError(f"time zone {zone!r} is not known", way_out="write a name like 'Europe/Vienna'") from None
    found = []
    at, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    before = at.astimezone(local).utcoffset()
    while at < end:
        at += timedelta(minutes=30)  # every zone of this century changes on a full or a half hour
        here = at.astimezone(local)
        after = here.utcoffset()
        if before is not None and after is not None and after != before:
            found.append(ClockChange(zone, here, after - before))
        before = after
    return found
