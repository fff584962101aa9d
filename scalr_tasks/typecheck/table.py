"""The tasks of the listed modules: their names from the sources, their types and registries from mypy.

A table is made anew when a source changes or mypy loads a module again.

Reads next: `mypy_plugin.py`, which asks it for every string.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Final

from mypy.maptype import map_instance_to_supertype
from mypy.nodes import Decorator, MypyFile, SymbolNode, TypeInfo, Var
from mypy.types import Instance, Type, get_proper_type

from scalr_tasks.typecheck.index import Written

DEFAULT_MODULE: Final = "scalr_tasks.registry.default"
"""Where the bare `task`, `declare` and `enqueue` are."""

DEFAULT_REGISTRY: Final = "scalr_tasks.registry.registry.default_registry"
"""Full name of the registry that they use."""

_TASK: Final = "scalr_tasks.registry.task.Task"

Sourced = tuple[MypyFile, tuple[Written, ...]]


class KnownTask:
    """A task that may be named in a string."""

    def __init__(self, module: MypyFile, written: Written) -> None:
        self.module = module
        self.written = written

    @property
    def place(self) -> str:
        """Full name of its handle."""
        return f"{self.module.fullname}.{self.written.symbol or '...'}"

    def node(self) -> SymbolNode | None:
        """Return mypy's node of its handle."""
        return _lookup(self.module, self.written.symbol) if self.written.symbol else None

    @cached_property
    def registry(self) -> str | None:
        """Full name of the registry that declares it; None where that cannot be told."""
        before = self.written.decorator.rpartition(".")[0]
        owner = _lookup(self.module, before) if before else None
        if isinstance(owner, Var):
            return owner.fullname
        bare = _lookup(self.module, self.written.decorator)
        if isinstance(bare, Var) and bare.fullname.rpartition(".")[0] == DEFAULT_MODULE:
            return DEFAULT_REGISTRY
        return None


class TaskTable:
    """Every task of the listed modules."""

    def __init__(self, sources: Sequence[Sourced]) -> None:
        self._sources = list(sources)
        self._is_final = True
        self.tasks: Final = [
            KnownTask(module, each) for module, written in sources for each in self._sure(module, written)
        ]
        self.registries: Final = {each.registry for each in self.tasks} - {None}
        self.has_unreadable: Final = any(each.written.task is None for each in self.tasks)
        self._named: dict[str, list[KnownTask]] = {}
        for each in self.tasks:
            if each.written.task is not None:
                self._named.setdefault(each.written.task, []).append(each)

    @property
    def names(self) -> Sequence[str]:
        """Every name that can be read."""
        return list(self._named)

    def named(self, name: str) -> list[KnownTask]:
        """Return the tasks of one name, of whatever registry."""
        return self._named.get(name, [])

    def is_of(self, sources: Sequence[Sourced]) -> bool:
        """Tell whether the table is still true of these sources."""
        return (
            self._is_final
            and len(sources) == len(self._sources)
            and all(
                mine is theirs and known is now
                for (mine, known), (theirs, now) in zip(self._sources, sources, strict=True)
            )
        )

    def _sure(self, module: MypyFile, written: Sequence[Written]) -> list[Written]:
        sure = []
        for each in written:
            node = _lookup(module, each.symbol) if each.symbol else None
            handle = type_of(node)
            if handle is None:
                # A module of the same circle may not be analysed yet; its names are looked up again then.
                self._is_final &= each.is_certain and (node is not None or not each.symbol)
                is_task = each.is_certain
            else:
                is_task = as_task(handle) is not None
            if is_task:
                sure.append(each)
        return sure


def type_of(node: SymbolNode | None) -> Type | None:
    """Return the type of a handle; None where mypy has not inferred it yet."""
    match node:
        case Decorator():
            return node.var.type
        case Var():
            return node.type
    return None


def as_task(handle: Type) -> Instance | None:
    """Return a handle's type as `Task[P, R]`; None where it is no handle."""
    handle = get_proper_type(handle)
    if not isinstance(handle, Instance):
        return None
    base = next((each for each in handle.type.mro if each.fullname == _TASK), None)
    return None if base is None else map_instance_to_supertype(handle, base)


def _lookup(module: MypyFile, dotted: str) -> SymbolNode | None:
    """Find `name`, `Class.name` or `imported.module.name` from inside a module."""
    node: SymbolNode | None = module
    for name in dotted.split("."):
        if not isinstance(node, (MypyFile, TypeInfo)):
            return None
        entry = node.names.get(name)
        node = entry.node if entry is not None else None
    return node
