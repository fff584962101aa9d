"""A plugin of `tests/conftest.py`: counts what the fault suite did, and tells it at the end of the run."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

import pytest


@dataclass
class Tally:
    """What became of all cuts of a run."""

    cuts: int = 0
    answered: int = 0
    """The caller had its answer in spite of the cut."""
    raised: int = 0
    """The caller had an exception."""
    lost: int = 0
    """The caller had an answer and Redis has not what it says: a silent loss."""
    doubled: int = 0
    """Redis has a job twice."""
    torn: int = 0
    """Redis has half of an act."""

    def __str__(self) -> str:
        return (
            f"{self.cuts} cuts: {self.answered} answered, {self.raised} raised; "
            f"{self.lost} silent losses, {self.doubled} stored twice, {self.torn} half done"
        )


PROPERTY = "faults"
TOTAL = Tally()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """The count of this test; it travels in the test's report, so that it also arrives from a process side by side."""
    counted = Tally()
    yield counted
    request.node.user_properties.append((PROPERTY, asdict(counted)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when != "teardown":
        return
    for name, counted in report.user_properties:
        if name == PROPERTY and isinstance(counted, dict):
            for each in fields(TOTAL):
                setattr(TOTAL, each.name, getattr(TOTAL, each.name) + counted[each.name])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TOTAL.cuts:
        terminalreporter.write_line(f"faults: {TOTAL}")
