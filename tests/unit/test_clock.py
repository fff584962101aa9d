"""`scalr_tasks/clock.py`."""

import time

from scalr_tasks.clock import SYSTEM_CLOCK


def test_the_wall_clock_is_in_whole_milliseconds() -> None:
    before = time.time()

    now_ms = SYSTEM_CLOCK.now_ms()

    assert isinstance(now_ms, int)
    assert int(before * 1000) <= now_ms <= time.time() * 1000


def test_the_other_clock_never_goes_back() -> None:
    readings = [SYSTEM_CLOCK.monotonic_s() for _ in range(1000)]

    assert readings == sorted(readings)
