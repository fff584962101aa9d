"""The tree drawn at the top of `errors.py` is the tree of its classes."""

import inspect
import re

from scalr_tasks import errors
from scalr_tasks.errors import ScalrTasksError

LINE = re.compile(r"^ {4}(?P<rails>[│├└─ ]*)(?P<name>\w+Error)\b *(?P<code>ST\d{3})?")


def drawn() -> dict[str, tuple[str | None, str | None]]:
    """Name -> its parent in the drawing and its code there."""
    found: dict[str, tuple[str | None, str | None]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := LINE.match("    " + line if not line.startswith("    ") else line):
            depth = len(match["rails"]) // 4
            path = [*path[:depth], match["name"]]
            found[match["name"]] = (path[-2] if depth else None, match["code"])
    return found


def classes() -> dict[str, type[ScalrTasksError]]:
    return {
        name: kind
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, ScalrTasksError) and kind.__module__ == errors.__name__
    }


def test_every_class_is_drawn_and_nothing_else() -> None:
    assert set(drawn()) == set(classes())


def test_every_class_hangs_where_it_is_drawn() -> None:
    wrong = [
        name
        for name, (parent, _) in drawn().items()
        if parent is not None and classes()[parent] not in classes()[name].__bases__
    ]

    assert wrong == []


def test_every_code_is_as_drawn() -> None:
    codes = {name: kind.__dict__.get("code") for name, kind in classes().items() if kind is not ScalrTasksError}

    assert codes == {name: code for name, (parent, code) in drawn().items() if parent is not None}


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.__dict__["code"] for kind in classes().values() if "code" in kind.__dict__]

    assert len(codes) == len(set(codes))


def test_every_name_ends_in_error() -> None:
    assert [name for name in classes() if not name.endswith("Error")] == []
