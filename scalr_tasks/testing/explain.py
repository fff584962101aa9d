"""What a failed assertion says: the expected call, the nearest recorded one, what differs, and the whole list.

Values are shown: they are a test's own.

Reads next: `matching.py`, which finds what is explained here.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from scalr_tasks.testing.matching import Expected
from scalr_tasks.testing.records import Attempt, Recorded

MOST_SHOWN = 20


def not_enqueued(expected: Expected, found: int, recorded: Sequence[Recorded[Any]]) -> str:
    """Return why `assert_enqueued` failed."""
    lines = [f"expected {expected}", f"to be enqueued {_times(expected.times)}, it was enqueued {_count(found)}", ""]
    others = [one for one in recorded if not expected.matches(one)]
    if others and (expected.times is None or found < expected.times):
        nearest = max(others, key=lambda one: _likeness(expected, one))
        lines += ["the nearest recorded call:", f"  {nearest!r}"]
        lines += [f"  {name}: expected {wanted}, got {got}" for name, wanted, got in expected.differences(nearest)]
        lines.append("")
    return "\n".join([*lines, *_listing(recorded)])


def enqueued_after_all(expected: Expected, matching: Sequence[Recorded[Any]], recorded: Sequence[Recorded[Any]]) -> str:
    """Return why `assert_not_enqueued` failed."""
    lines = [f"expected {expected}", f"not to be enqueued, it was enqueued {_count(len(matching))}", ""]
    return "\n".join([*lines, *_listing(recorded)])


def not_nothing(recorded: Sequence[Recorded[Any]]) -> str:
    """Return why `assert_nothing_enqueued` failed."""
    return "\n".join(["expected nothing to be enqueued", "", *_listing(recorded)])


def not_one(name: str, found: Sequence[Recorded[Any]], recorded: Sequence[Recorded[Any]]) -> str:
    """Return why `only` failed."""
    lines = [f"expected exactly one job of task {name!r}, there are {len(found)}", ""]
    return "\n".join([*lines, *_listing(recorded)])


def nobody_looked(left: Sequence[Recorded[Any]]) -> str:
    """Return why strict mode fails a test."""
    lines = ["this test enqueued jobs that it neither ran nor looked at:", *_numbered(left)]
    return "\n".join([*lines, "assert them, run them with tasks.drain(), or call tasks.clear()"])


def not_in_history(what: str, attempts: Sequence[Attempt], began_ms: int) -> str:
    """Return why an assertion about attempts failed."""
    lines = [f"expected {what}", "", "what ran in this test:"]
    shown = [f"  {attempt.line(began_ms)}" for attempt in attempts[-MOST_SHOWN:]]
    return "\n".join([*lines, *(shown or ["  nothing; await tasks.drain() or tasks.travel(...)"])])


def _listing(recorded: Sequence[Recorded[Any]]) -> list[str]:
    if not recorded:
        return ["nothing was enqueued in this test"]
    return [f"enqueued in this test ({len(recorded)}):", *_numbered(recorded)]


def _numbered(recorded: Sequence[Recorded[Any]]) -> list[str]:
    lines = [f"  {number}. {one!r}" for number, one in enumerate(recorded[:MOST_SHOWN], 1)]
    more = len(recorded) - MOST_SHOWN
    return [*lines, f"  … and {more} more"] if more > 0 else lines


def _likeness(expected: Expected, one: Recorded[Any]) -> tuple[int, float]:
    same_task = expected.task == one.task and expected.registry == one.registry
    wrong = len(expected.differences(one)) if same_task else 0
    names = SequenceMatcher(None, expected.task, one.task).ratio()
    return (1 if same_task else 0), names - wrong


def _times(times: int | None) -> str:
    return "at least once" if times is None else _count(times)


def _count(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")
