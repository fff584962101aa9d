"""No row of the page is without a test, and no test of a row can be skipped."""

import ast
from pathlib import Path

ROWS = (
    *(f"u{number}" for number in range(1, 10)),
    *(f"w{number}" for number in range(1, 5)),
    *(f"e{number}" for number in range(1, 5)),
    *(f"r{number}" for number in range(1, 9)),
    *("c1", "c2", "d1", "d2", "d3", "d4", "f1", "f2", "f3", "f4", "n1"),
)


def names_of_tests() -> list[str]:
    return [
        node.name
        for path in sorted(Path(__file__).parent.glob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def test_every_row_has_a_test_of_its_name() -> None:
    assert [row for row in ROWS if not any(name.startswith(f"test_{row}_") for name in names_of_tests())] == []


def test_no_test_of_a_row_is_skipped() -> None:
    marks = ("pytest." + "skip", "mark." + "skip", "x" + "fail")
    sources = [path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py")]

    assert [mark for mark in marks for source in sources if mark in source] == []
