"""What ARCHITECTURE.md draws is what the code and its tests say."""

import re

from scalr_tasks.broker import keys
from tests.architecture.source import ROOT, package_modules
from tests.architecture.test_layers import FACADE, MAIN, NOUNS, ROWS, unit_of

PAGE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
SAME = {"scalr_tasks/__init__": FACADE, "__main__.py": MAIN}


def drawn_rows() -> list[set[str]]:
    rows = re.findall(r"^\d  (?:every )?(.+?)(?:   .*only cli loads.*|    +only .*)?$", PAGE, re.MULTILINE)
    return [{SAME.get(unit, unit) for unit in row.split()} for row in rows]


def test_the_drawn_layers_are_those_that_are_executed() -> None:
    units = {unit_of(name) for name in package_modules()}

    assert drawn_rows() == [row & units for row in ROWS]


def test_every_unit_is_on_the_map() -> None:
    units = {unit_of(name) for name in package_modules()} - {FACADE, MAIN}
    missing = [
        unit for unit in units if f"`scalr_tasks/{unit}.py`" not in PAGE and f"`scalr_tasks/{unit}/`" not in PAGE
    ]

    assert missing == []
    assert {unit for unit in units if f"`scalr_tasks/{unit}.py`" in PAGE} == NOUNS


def test_every_redis_key_is_in_the_table() -> None:
    prefixes = [
        value for value in vars(keys).values() if isinstance(value, str) and value.startswith(("arq:", "scalr:"))
    ]

    assert [prefix for prefix in prefixes if f"`{prefix}" not in PAGE] == []


def test_the_drawn_states_are_those_of_a_job() -> None:
    from scalr_tasks.state import JobState

    drawing = PAGE[PAGE.index("enqueue ──>") :]

    assert [state for state in JobState if state is not JobState.NOT_FOUND and state not in drawing] == []
