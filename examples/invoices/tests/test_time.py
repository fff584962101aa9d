"""What runs by the clock, also on the days on which clocks change."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from app.tasks import forget_old_drafts

from scalr_tasks.testing.clock import ClockChange, clock_changes
from scalr_tasks.testing.kit import TaskKit

VIENNA = ZoneInfo("Europe/Vienna")


async def test_drafts_are_forgotten_every_four_seconds(tasks: TaskKit) -> None:
    tasks.clock.set(datetime(2026, 11, 1, 12, 0, 1, tzinfo=VIENNA))

    await tasks.travel(seconds=10)

    assert [line[:5] for line in tasks.timeline(forget_old_drafts)] == ["+3 s ", "+7 s "]


@pytest.mark.parametrize("change", clock_changes("Europe/Vienna", 2026), ids=str)
def test_no_tick_is_lost_when_clocks_change(tasks: TaskKit, change: ClockChange) -> None:
    ticks = tasks.cron_ticks(forget_old_drafts, between=change.around)

    assert len(ticks) == 24 * 900
