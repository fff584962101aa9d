"""`testing/clock.py`: the time of a test, cron ticks, and the days on which clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.errors import KitError
from scalr_tasks.testing.clock import KitClock, clock_changes, cron_ticks
from scalr_tasks.testing.kit import TaskKit
from tests.unit.testing.shop import close_the_till, sell

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_a_clock_begins_at_the_real_time() -> None:
    assert abs(KitClock().now_ms() - SYSTEM_CLOCK.now_ms()) < 5_000


@pytest.mark.parametrize(
    "when",
    [
        NOON,
        NOON.astimezone(ZoneInfo("Europe/Vienna")),
        "2026-06-01T12:00Z",
        "2026-06-01T14:00+02:00",
        "2026-06-01T14:00[Europe/Vienna]",
        "2026-06-01T14:00+02:00[Europe/Vienna]",
    ],
)
def test_a_clock_is_set_to_an_instant_however_it_is_written(when: datetime | str) -> None:
    clock = KitClock()

    clock.set(when)

    assert clock.now == NOON
    assert clock.monotonic_s() == NOON.timestamp()


@pytest.mark.parametrize("when", ["soon", "2026-06-01T14:00[Europe/Wien]", "2026-06-01T14:00[", ""])
def test_a_time_that_cannot_be_read_is_refused(when: str) -> None:
    with pytest.raises(KitError, match="cannot be read; write it as 2026-10-25"):
        KitClock().set(when)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(KitError, match="without a time zone"):
        KitClock().set("2026-06-01T14:00")
    with pytest.raises(KitError, match="without a time zone"):
        KitClock().set(datetime(2026, 6, 1))


async def test_the_clock_goes_back_before_the_first_enqueue_only(tasks: TaskKit) -> None:
    tasks.clock.set(NOON)
    await sell.enqueue("tea")

    tasks.clock.set(NOON + timedelta(hours=1))
    with pytest.raises(KitError, match="set it before the first enqueue"):
        tasks.clock.set(NOON)


async def test_a_timeline_counts_from_the_last_setting_before_the_first_enqueue(tasks: TaskKit) -> None:
    tasks.clock.set(NOON)
    await sell.using(delay=5).enqueue("tea")

    await tasks.travel(minutes=1)

    assert tasks.timeline(sell) == ["+5 s sell attempt 1: succeeded"]


def test_ticks_of_a_task_without_cron_are_refused() -> None:
    with pytest.raises(KitError, match="task 'sell' has no cron"):
        cron_ticks(sell, (NOON, NOON))


def test_ticks_between_times_without_a_zone_are_refused() -> None:
    with pytest.raises(KitError, match="give both a tzinfo"):
        cron_ticks(close_the_till, (NOON, datetime(2026, 6, 2)))


def test_ticks_begin_after_the_first_time_and_include_the_second() -> None:
    first, second = datetime(2026, 6, 1, 1, tzinfo=UTC), datetime(2026, 6, 2, 1, tzinfo=UTC)

    assert cron_ticks(close_the_till, (first, second)) == [second]


def test_the_changes_of_a_zone_are_those_of_its_year() -> None:
    spring, autumn = clock_changes("Europe/Vienna", 2026)

    assert (str(spring), str(autumn)) == ("Europe/Vienna 2026-03-29 +1 h", "Europe/Vienna 2026-10-25 -1 h")
    assert spring.at.astimezone(UTC) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert spring.around[1] - spring.around[0] == timedelta(days=1)


def test_half_an_hour_is_a_change_too() -> None:
    assert [change.by for change in clock_changes("Australia/Lord_Howe", 2026)] == [
        timedelta(minutes=-30),
        timedelta(minutes=30),
    ]


def test_a_zone_without_changes_has_none() -> None:
    assert clock_changes("Asia/Tokyo", 2026) == []


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(KitError, match="time zone 'Europe/Wien' is not known"):
        clock_changes("Europe/Wien", 2026)
