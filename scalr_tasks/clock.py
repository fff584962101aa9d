"""Time in this process: the only place that reads the system's clock.

Whatever decides about a job (due, expired, lease over) uses Redis's time,
which the scripts read themselves; this clock measures durations, and names
cron ticks.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from; the test kit moves its own."""

    def now_ms(self) -> int:
        """Return the wall clock, in milliseconds since 1970 UTC."""
        ...

    def monotonic_s(self) -> float:
        """Return a clock that never goes back, in seconds."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now_ms(self) -> int:
        """Return the wall clock, in milliseconds since 1970 UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Return a clock that never goes back, in seconds."""
        return time.monotonic()


SYSTEM_CLOCK: Clock = SystemClock()
"""The clock that is used where none is given."""
