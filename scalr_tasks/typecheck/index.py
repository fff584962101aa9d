"""Which tasks a module declares, read from its source without importing it.

mypy keeps the type of a decorated function in its cache, and not what the
decorator was given; so `name=` is read here. What cannot be read is said to be
unreadable, never guessed.

Reads next: `mypy_plugin.py`, which joins this with the types.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_DECLARING: Final = frozenset({"task", "declare"})
_IMPLEMENTING: Final = "implement"


@dataclass(frozen=True, slots=True)
class Written:
    """A function that a decorator may have made a task."""

    task: str | None
    """Name of the task; None where `name=` is not a plain string."""
    symbol: str
    """Where the module keeps the handle: `send` or `Tasks.send`; empty where it is inside a function."""
    decorator: str
    """The decorator as it is written, without a call: `registry.task`."""
    line: int

    @property
    def is_certain(self) -> bool:
        """Whether the decorator has the name of one of ours; else only the type can tell."""
        return self.decorator.rpartition(".")[2] in _DECLARING


def tasks_in(source: str) -> tuple[Written, ...]:
    """Return every function of a module that may be a task.

        >>> [each.task for each in tasks_in("send = task(name='mail')(deliver)")]
        ['mail']

    A source that is no Python has none; its checker says so itself.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ()
    return tuple(_in_body(tree.body, _renamed(tree), "", reachable=True))


class Sources:
    """Reads modules as they change on disk; each version once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, int], tuple[Written, ...]]] = {}

    def tasks(self, path: str) -> tuple[Written, ...]:
        """Return what `tasks_in` finds in a file; nothing where there is no file."""
        try:
            stat = Path(path).stat()
            version = (stat.st_mtime_ns, stat.st_size)
            known = self._known.get(path)
            if known is not None and known[0] == version:
                return known[1]
            found = tasks_in(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ()
        self._known[path] = (version, found)
        return found


def _renamed(tree: ast.Module) -> dict[str, str]:
    """Return `job -> task` for `from scalr_tasks import task as job`."""
    return {
        alias.asname: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname and alias.name in _DECLARING
    }


def _in_body(body: list[ast.stmt], renamed: dict[str, str], scope: str, *, reachable: bool) -> Iterator[Written]:
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from _decorated(node, renamed, scope, reachable=reachable)
                yield from _in_body(node.body, renamed, scope, reachable=False)
            case ast.ClassDef():
                yield from _in_body(node.body, renamed, f"{scope}{node.name}.", reachable=reachable)
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Call() as value):
                yield from _assigned(target, value, renamed, scope, reachable=reachable)
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.Call() as value):
                yield from _assigned(target, value, renamed, scope, reachable=reachable)
            case _:
                for part in _parts(node):
                    yield from _in_body(part, renamed, scope, reachable=reachable)


def _parts(node: ast.stmt) -> list[list[ast.stmt]]:
    """Return the blocks of an `if`, `try`, `with` or loop."""
    blocks = [getattr(node, field, []) for field in ("body", "orelse", "finalbody")]
    blocks += [handler.body for handler in getattr(node, "handlers", [])]
    return [block for block in blocks if block]


def _decorated(
    node: ast.FunctionDef | ast.AsyncFunctionDef, renamed: dict[str, str], scope: str, *, reachable: bool
) -> Iterator[Written]:
    found = [
        (written, decorator)
        for decorator in node.decorator_list
        if (written := _dotted(decorator.func if isinstance(decorator, ast.Call) else decorator))
    ]
    found = [(renamed.get(written, written), decorator) for written, decorator in found]
    if not found or any(written.rpartition(".")[2] == _IMPLEMENTING for written, _ in found):
        return
    sure = [each for each in found if each[0].rpartition(".")[2] in _DECLARING]
    written, decorator = (sure or found)[0]
    if not reachable and not sure:
        return
    name = _name(decorator, node.name)
    yield Written(name, f"{scope}{node.name}" if reachable else "", written, node.lineno)


def _assigned(
    target: str, value: ast.Call, renamed: dict[str, str], scope: str, *, reachable: bool
) -> Iterator[Written]:
    """Find `send = task(function)` and `send = task(retries=3)(function)`."""
    factory = value.func
    written = _dotted(factory.func if isinstance(factory, ast.Call) else factory)
    written = renamed.get(written, written)
    if written.rpartition(".")[2] not in _DECLARING or not value.args:
        return
    given = _dotted(value.args[0]).rpartition(".")[2]
    name = _name(factory, given) if isinstance(factory, ast.Call) else given or None
    yield Written(name, f"{scope}{target}" if reachable else "", written, value.lineno)


def _name(decorator: ast.expr, function: str) -> str | None:
    if not isinstance(decorator, ast.Call):
        return function or None
    for keyword in decorator.keywords:
        if keyword.arg is None:
            return None  # **options may hold a name
        if keyword.arg == "name":
            value = keyword.value
            if not isinstance(value, ast.Constant):
                return None
            return value.value if isinstance(value.value, str) else function
    return function or None


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            before = _dotted(value)
            return f"{before}.{attr}" if before else ""
    return ""
