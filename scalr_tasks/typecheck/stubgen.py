"""Stubs for callers that cannot import the worker: one `.pyi` of `@declare` signatures, and the module of the same name.

Both are written from one list of signatures, so what a checker reads is what
runs. A class of the app itself, which such a caller does not have, becomes
JSON in them; `share` names modules that callers do have.

Reads next: `../cli/stubs.py`, which writes the files and has checkers prove that they are seen.
"""

import inspect
import keyword
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from scalr_tasks.broker.keys import queue_key
from scalr_tasks.policy import Policy
from scalr_tasks.registry.app import App
from scalr_tasks.registry.contract import hints_of
from scalr_tasks.registry.declaration import Declaration
from scalr_tasks.registry.queue import Queue
from scalr_tasks.registry.signature import RETURN
from scalr_tasks.registry.type_text import Written, written

_JSON: Final = "pydantic.JsonValue"
_TAKEN: Final = frozenset({"registry", "Registry", "Queue", "scalr_tasks"})
_HEADER: Final = (
    '''"""The tasks of {app!r}, for callers that cannot import them; written by `scalr-tasks stubs`, not by hand."""'''
)


@dataclass(frozen=True, slots=True)
class Stubs:
    """The two files of one app."""

    module: str
    """Name of both, without an ending."""
    interface: str
    """The text of the `.pyi`."""
    runtime: str
    """The text of the `.py`."""
    tasks: tuple[str, ...]
    """The handles in them."""


def make_stubs(app: App, *, module: str | None = None, share: Collection[str] = ()) -> Stubs:
    """Return the stubs of an app.

        stubs = make_stubs(registry.snapshot(), share=["shop.models"])

    Args:
        app: the app.
        module: name of the files; `<app>_tasks` where left out.
        share: modules whose classes callers can import too, with everything below them.

    Raises:
        DefinitionError: a declaration cannot work.
    """
    roots = {_root(declaration) for declaration in app.declarations.values()}
    functions = [_Function(each, roots, share) for each in app.declarations.values()]
    modules = sorted({name for each in functions for name in each.modules} | {"scalr_tasks"})
    head = [_HEADER.format(app=app.name), "", *(f"import {name}" for name in modules), ""]
    queues = ", ".join(_queue(queue) for queue in app.queues.values())
    registry = f"registry = scalr_tasks.Registry({app.name!r}, queues=[{queues}])"
    interface = [*head, "registry: scalr_tasks.Registry", *(line for each in functions for line in each.interface())]
    runtime = [*head, registry, *(line for each in functions for line in each.runtime())]
    name = module or f"{_identifier(app.name)}_tasks"
    return Stubs(name, _text(interface), _text(runtime), tuple(each.handle for each in functions))


def _queue(queue: Queue) -> str:
    key = "" if queue.key == queue_key(queue.name) else f", key={queue.key!r}"
    return f"scalr_tasks.Queue({queue.name!r}{key})"


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def _root(declaration: Declaration) -> str:
    module = getattr(declaration.function, "__module__", "") or ""
    return str(module).partition(".")[0]


def _identifier(name: str) -> str:
    made = re.sub(r"\W", "_", name)
    return f"_{made}" if made[:1].isdigit() else made


class _Function:
    """One task as a decorated signature."""

    def __init__(self, declaration: Declaration, roots: Collection[str], share: Collection[str]) -> None:
        self._declaration = declaration
        self._roots = roots
        self._share = share
        hints = hints_of(declaration)
        self._checked = {name: self._written(hint, limits=False) for name, hint in hints.items()}
        self._run = {name: self._written(hint, limits=True) for name, hint in hints.items()}
        name = _identifier(declaration.name)
        self.handle = f"{name}_" if name in _TAKEN or keyword.iskeyword(name) else name

    @property
    def modules(self) -> set[str]:
        """What both files import for it."""
        return {module for each in (*self._checked.values(), *self._run.values()) for module in each.modules}

    def interface(self) -> Iterator[str]:
        """Write it for a checker."""
        yield from ("", f"@registry.declare({self._name()})")
        yield f"async def {self.handle}({self._parameters(self._checked)}) -> {self._checked[RETURN].text}: ..."

    def runtime(self) -> Iterator[str]:
        """Write it for Python."""
        yield from ("", "", f"@registry.declare({self._options()})")
        yield f"async def {self.handle}({self._parameters(self._run)}) -> {self._run[RETURN].text}:"
        if self._declaration.doc:
            yield f"    {self._declaration.doc.splitlines()[0]!r}"
        yield "    raise NotImplementedError"

    def _name(self) -> str:
        return "" if self.handle == self._declaration.name else f"name={self._declaration.name!r}"

    def _options(self) -> str:
        """Write what a caller's side decides; the rest is the worker's."""
        declaration, default = self._declaration, Policy()
        given = [self._name(), f"queue={declaration.queue!r}"]
        if declaration.version != 1:
            given.append(f"version={declaration.version}")
        if declaration.policy.expires_ms != default.expires_ms and declaration.policy.expires_ms is not None:
            given.append(f"expires={declaration.policy.expires_ms / 1000:g}")
        return ", ".join(each for each in given if each)

    def _parameters(self, types: dict[str, Written]) -> str:
        parts: list[str] = []
        previous: Any = None
        for each in self._declaration.parameters:
            if previous is each.POSITIONAL_ONLY and each.kind is not each.POSITIONAL_ONLY:
                parts.append("/")
            if each.kind is each.KEYWORD_ONLY and previous is not each.KEYWORD_ONLY:
                parts.append("*")
            stars = "**" if each.kind is each.VAR_KEYWORD else ""
            default = "" if each.default is inspect.Parameter.empty else f" = {_default(each.default)}"
            parts.append(f"{stars}{each.name}: {types[each.name].text}{default}")
            previous = each.kind
        if previous is inspect.Parameter.POSITIONAL_ONLY:
            parts.append("/")
        return ", ".join(parts)

    def _written(self, hint: Any, *, limits: bool) -> Written:
        return written(hint, replace=self._instead, limits=limits)

    def _instead(self, kind: type) -> str | None:
        module = kind.__module__
        is_shared = any(module == each or module.startswith(f"{each}.") for each in self._share)
        return _JSON if module.partition(".")[0] in self._roots and not is_shared else None


def _default(value: object) -> str:
    return repr(value) if isinstance(value, (bool, int, float, str, type(None))) else "..."
