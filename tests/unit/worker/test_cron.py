"""Which ticks become jobs, as a table; and what counting them costs the event loop."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scalr_tasks import Context, Registry
from scalr_tasks.broker.leases import Tick, tick_nonce
from scalr_tasks.broker.memory_leases import MemoryLeases
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.envelope import write_head
from scalr_tasks.registry.schedule import CatchUp, Schedule
from scalr_tasks.worker.cron import LATE_S, MOST_MISSED, Cron, in_policy

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [("skip", [2, 0]), ("once", [60, 2, 0]), ("all", [180, 120, 60, 2, 0])],
)
def test_missed_ticks_are_made_up_for_as_the_policy_says_and_those_in_time_always(
    catch_up: CatchUp, expected: list[float]
) -> None:
    ticks = [ago(seconds) for seconds in (180, 120, 60, 2, 0)]

    chosen = in_policy(ticks, NOW, Schedule("* * * * *", catch_up=catch_up))

    assert chosen == [ago(seconds) for seconds in expected]


def test_a_tick_is_in_time_up_to_the_limit() -> None:
    ticks = [ago(LATE_S + 0.001), ago(LATE_S)]

    assert in_policy(ticks, NOW, Schedule("* * * * *")) == [ago(LATE_S)]


def test_no_more_than_the_newest_thousand_missed_ticks_are_made_up_for() -> None:
    ticks = [ago(60 * minutes) for minutes in range(MOST_MISSED + 500, 0, -1)]

    chosen = in_policy(ticks, NOW, Schedule("* * * * *", catch_up="all"))

    assert chosen == ticks[-MOST_MISSED:]


async def test_the_event_loop_goes_on_while_missed_ticks_are_counted() -> None:
    registry = Registry[Any, str]("clock", queues=["default"])

    @registry.task(cron="* * * * *", catch_up="once")
    async def report(ctx: Context) -> None: ...

    app, leases = registry.app(), MemoryLeases()
    queue, now_ms = app.queues["default"], SYSTEM_CLOCK.now_ms()
    day_ms = 24 * 3600 * 1000
    last_ms = (now_ms - 3 * day_ms) // 60_000 * 60_000
    assert await leases.tick(Tick("report", queue.key, last_ms, write_head("report", tick_nonce(last_ms)), b"{}"))
    ticking = asyncio.create_task(Cron(queue, list(app.declarations.values()), leases, lambda: now_ms).run())
    turns = 0

    while await leases.last_tick(queue.key, "report") == last_ms:
        turns += 1
        await asyncio.sleep(0)

    ticking.cancel()
    assert turns > 20
