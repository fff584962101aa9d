"""Which places of the package raise an error of ours, and of which of them a test has read the text.

`sites` reads the package as source: every call of one of our error classes,
and every call of a helper that never returns. `Readings` notes, while tests
run, where each error was made and whether a test then looked at its text:
by `str(error)`, or by `match=`. `tests/conftest.py` compares the two when the
whole suite has run.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

from scalr_tasks import errors
from scalr_tasks.errors import ScalrTasksError

Line = tuple[str, int]

OURS = frozenset(
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, ScalrTasksError)
)
HELPERS = frozenset({"refuse", "_expected", "_wrong"})
"""They raise what they are told, so the place that tells them is what needs the test."""

LEFT_OUT = ("scalr_tasks/testing/", "scalr_tasks/cli/", "scalr_tasks/errors.py")
"""The kit and the CLI speak to a person in front of a terminal: their own tests read whole outputs."""

READERS = ("/_pytest/raises.py", "/_pytest/_code/code.py")
"""Where pytest compares a text with `match=`."""


@dataclass(frozen=True, order=True)
class Site:
    """One place that raises; lines as in the file."""

    file: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.file}:{self.first}"


def sites(sources: Mapping[str, str]) -> Iterator[Site]:
    """Yield the places of modules, given as file -> text."""
    for file, source in sources.items():
        if not file.startswith(LEFT_OUT):
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Call) and _raises(node.func):
                    yield Site(file, node.lineno, node.end_lineno or node.lineno)


def _raises(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute):
        # A `Survey` is told what is wrong with a type, and raises nothing: `found.refuse(...)`.
        return function.attr in OURS | HELPERS and not ast.unparse(function.value).endswith("found")
    return getattr(function, "id", "") in OURS | HELPERS


class Readings:
    """Lines of the package that stood on the stack when an error was made whose text a test has read."""

    def __init__(self, root: Path) -> None:
        self.lines: set[Line] = set()
        self._root = f"{root}/"
        self._made: WeakKeyDictionary[ScalrTasksError, frozenset[Line]] = WeakKeyDictionary()

    def watch(self) -> None:
        """Note from now on; the errors themselves behave as before."""
        noted = self

        def made(self: ScalrTasksError, *args: Any) -> None:
            super(ScalrTasksError, self).__init__(*args)
            noted.made(self, sys._getframe(1))

        def text(self: ScalrTasksError) -> str:
            noted.looked_at(self, sys._getframe(1))
            return super(ScalrTasksError, self).__str__()

        ScalrTasksError.__init__ = made  # type: ignore[assignment]  # it takes what the next class takes
        ScalrTasksError.__str__ = text  # type: ignore[method-assign, assignment]  # the only way to see who asks

    def made(self, error: ScalrTasksError, frame: FrameType) -> None:
        """Note where an error was made; one that is made of another has its places too."""
        cause = sys.exception()
        before = self.places_of(cause) if isinstance(cause, ScalrTasksError) else frozenset()
        self._made[error] = before | frozenset(self._stack(frame))

    def looked_at(self, error: ScalrTasksError, frame: FrameType) -> None:
        """Note that a text was asked for, if a test asks or pytest for it."""
        file = frame.f_code.co_filename
        if file.startswith(self._root + "tests/") or file.endswith(READERS):
            self.lines |= self.places_of(error)

    def places_of(self, error: ScalrTasksError) -> frozenset[Line]:
        """Return the lines that led to an error."""
        return self._made.get(error, frozenset())

    def _stack(self, frame: FrameType | None) -> Iterator[Line]:
        while frame is not None:
            file = frame.f_code.co_filename
            if file.startswith(self._root + "scalr_tasks/"):
                yield file.removeprefix(self._root), frame.f_lineno
            frame = frame.f_back


READINGS = Readings(Path(__file__).resolve().parents[2])
"""Of this process."""


def package_sites() -> list[Site]:
    """Every place of the package."""
    root = Path(__file__).resolve().parents[2]
    files = sorted((root / "scalr_tasks").rglob("*.py"))
    return list(sites({str(file.relative_to(root)): file.read_text("utf-8") for file in files}))


def unread(every: Iterable[Site], lines: Iterable[Line]) -> list[Site]:
    """Return the places that are on none of the lines."""
    known = set(lines)
    return sorted(
        site for site in every if not any((site.file, line) in known for line in range(site.first, site.last + 1))
    )
