"""A type as source code, and the modules that the code must import: for lock files and stubs.

    >>> written(dict[str, int] | None).text
    'dict[str, int] | None'

What cannot be written so that it means the same becomes `typing.Any`.

Reads next: `contract.py`, `../typecheck/stubgen.py`.
"""

import sys
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from pydantic.fields import FieldInfo

_ANY: Final = "typing.Any"


@dataclass(frozen=True, slots=True)
class Written:
    """A type as source code."""

    text: str
    modules: frozenset[str]
    """What must be imported, each with `import MODULE`."""


def written(hint: Any, *, replace: Callable[[type], str | None] | None = None, limits: bool = False) -> Written:
    """Return a type as source code.

    Args:
        hint: the type.
        replace: returns what stands for a class instead, or None for the class itself.
        limits: whether what `Annotated` adds is written too, as far as it is of `annotated_types`.
    """
    writer = _Writer(replace or (lambda _: None), limits)
    text = writer.text(hint)
    return Written(text, frozenset(writer.modules))


@dataclass(slots=True)
class _Writer:
    replace: Callable[[type], str | None]
    limits: bool
    modules: set[str] = field(default_factory=set)

    def text(self, hint: Any) -> str:
        if hint is None or hint is type(None):
            return "None"
        if hint is Ellipsis:
            return "..."
        origin, parts = typing.get_origin(hint), typing.get_args(hint)
        if origin is None:
            return self._named(hint)
        if origin is typing.Annotated:
            return self._annotated(parts[0], parts[1:])
        if origin in (typing.Union, types.UnionType):
            return " | ".join(self.text(each) for each in parts)
        if origin is typing.Literal:
            return f"{self._of('typing', 'Literal')}[{', '.join(self._value(each) for each in parts)}]"
        inside = ", ".join(self.text(each) for each in parts)
        return f"{self._named(origin)}[{inside}]" if inside else self._named(origin)

    def _annotated(self, hint: Any, metadata: tuple[Any, ...]) -> str:
        inner = self.text(hint)
        if not self.limits:
            return inner
        found = [each for one in metadata for each in (one.metadata if isinstance(one, FieldInfo) else [one])]
        kept = [each for each in found if type(each).__module__ == "annotated_types"]
        if not kept:
            return inner
        self.modules.add("annotated_types")
        limits = ", ".join(f"annotated_types.{each!r}" for each in kept)
        return f"{self._of('typing', 'Annotated')}[{inner}, {limits}]"

    def _named(self, hint: Any) -> str:
        module, name = getattr(hint, "__module__", ""), getattr(hint, "__qualname__", getattr(hint, "__name__", ""))
        if isinstance(hint, type):
            instead = self.replace(hint)
            if instead is not None:
                return self._of(*instead.rsplit(".", 1)) if "." in instead else instead
        found: Any = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is not hint:
            return self._of(*_ANY.split("."))
        return name if module == "builtins" else self._of(module, name)

    def _value(self, value: Any) -> str:
        if isinstance(value, Enum):
            return f"{self._named(type(value))}.{value.name}"
        return repr(value)

    def _of(self, module: str, name: str) -> str:
        self.modules.add(module)
        return f"{module}.{name}"
