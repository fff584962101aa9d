"""A `cron(...)` of arq and the crontab line that is written for it are due at the same moments."""

from datetime import UTC, datetime
from itertools import islice
from typing import Any

import libcst as cst
import pytest
from arq.cron import cron

from scalr_tasks.cli.migrate_cron import NoCounterpartError, crontab
from scalr_tasks.registry.schedule import Schedule

CRONS = [
    "hour=3, minute=0",
    "minute={0, 15, 30}",
    "hour={1, 13}, minute=30",
    "weekday=0, hour=8, minute=0",
    "weekday=6, hour=8, minute=0",
    "weekday='fri', hour=8, minute=0",
    "weekday={0, 1, 6}, hour=8, minute=5",
    "day=31, hour=0, minute=0",
    "month=2, day=29, hour=12, minute=0",
    "second={0, 20}",
    "hour=3",
    "hour=3, minute=0, second=5, unique=True, timeout=10",
    "day=None, hour=3, minute=0",
]


async def body(ctx: Any) -> None: ...


def line_of(keywords: str) -> str:
    call = cst.parse_expression(f"cron(f, {keywords})")
    assert isinstance(call, cst.Call)
    return crontab({arg.keyword.value: arg.value for arg in call.args if arg.keyword is not None})


@pytest.mark.parametrize("keywords", CRONS)
def test_a_line_is_due_when_arqs_cron_is(keywords: str) -> None:
    start = datetime(2026, 11, 23, 21, 7, 3, tzinfo=UTC)
    job = eval(f"cron(body, microsecond=0, {keywords})", {"cron": cron, "body": body})
    expected, now = [], start
    for _ in range(5):
        job.calculate_next(now)
        now = job.next_run
        expected.append(now)

    assert list(islice(Schedule(line_of(keywords)).ticks(start), 5)) == expected


@pytest.mark.parametrize("keywords", ["day=1, weekday=0", "hour=HOURS", "minute=set(range(5))", "weekday='someday'"])
def test_what_no_line_says_is_refused(keywords: str) -> None:
    with pytest.raises(NoCounterpartError):
        line_of(keywords)
