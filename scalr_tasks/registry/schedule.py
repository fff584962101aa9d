"""When a cron task is due: a crontab line in a time zone.

All arithmetic is on UTC instants, because local times are skipped and
repeated on the days when clocks change; cronsim knows which.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

CatchUp = Literal["skip", "once", "all"]
"""What a worker does about ticks that nobody saw: nothing, the last one, each."""

Overlap = Literal["allow", "skip"]
"""Whether a tick is enqueued while the job of an earlier one has not ended."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A crontab line, checked.

    Raises:
        ValueError: the line or the time zone cannot be read; the text says why.
    """

    cron: str
    """Five fields, or six with seconds first: `0 3 * * *`, `*/2 * * * * *`."""
    timezone: str = "UTC"
    catch_up: CatchUp = "skip"
    overlap: Overlap = "allow"

    def __post_init__(self) -> None:
        """Refuse what no tick can be computed from."""
        try:
            zone = ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
            raise ValueError(f"timezone {self.timezone!r} is not known; expected a name like 'Europe/Vienna'") from None
        try:
            next(CronSim(self.cron, datetime(2024, 1, 1, tzinfo=zone)))
        except CronSimError as error:
            raise ValueError(f"cron {self.cron!r} cannot be read: {error}") from None
        except StopIteration:
            raise ValueError(f"cron {self.cron!r} is never due") from None
        if self.catch_up not in {"skip", "once", "all"}:
            raise ValueError(f"expected catch_up to be 'skip', 'once' or 'all', got {self.catch_up!r}")
        if self.overlap not in {"allow", "skip"}:
            raise ValueError(f"expected overlap to be 'allow' or 'skip', got {self.overlap!r}")

    def after(self, instant: datetime) -> datetime:
        """Return the first tick after an aware instant, in UTC."""
        return next(self.ticks(instant))

    def ticks(self, after: datetime) -> Iterator[datetime]:
        """Yield every tick after an aware instant, in UTC."""
        for tick in CronSim(self.cron, after.astimezone(ZoneInfo(self.timezone))):
            yield tick.astimezone(UTC)
