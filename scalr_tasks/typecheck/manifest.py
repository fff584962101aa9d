"""Tasks from a file that `scalr-tasks lock` wrote, as mypy's types: for callers without the worker's source.

A type is kept as it was written (`int`, `list[datetime.date]`,
`app.models.Line`). A class that the checked program does not contain becomes
`Any`: the name and the arguments are checked, that one type is not.

Reads next: `../registry/contract.py`, which writes the file.
"""

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from mypy.checker import TypeChecker
from mypy.nodes import ARG_NAMED, ARG_NAMED_OPT, ARG_OPT, ARG_POS, ARG_STAR2, ArgKind, TypeInfo
from mypy.types import AnyType, Instance, LiteralType, NoneType, Type, TypeOfAny, UnionType

from scalr_tasks.typecheck.config import ConfigError


@dataclass(frozen=True, slots=True)
class ManifestTask:
    """One task of a manifest."""

    name: str
    parameters: tuple[Mapping[str, Any], ...]
    """Each with `name`, `kind`, `type` and `required`."""
    returns: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The tasks of one file."""

    tasks: Mapping[str, ManifestTask]


def read_manifest(path: str) -> Manifest:
    """Read a lock file; again only when it has changed.

    Raises:
        ConfigError: there is no such file, or it is no lock file.
    """
    try:
        version = Path(path).stat().st_mtime_ns
    except OSError:
        raise ConfigError(f"there is no manifest {path!r}; write it with: scalr-tasks lock MODULE") from None
    return _read(path, version)


@lru_cache(maxsize=16)
def _read(path: str, _version: int) -> Manifest:
    try:
        tasks = json.loads(Path(path).read_text(encoding="utf-8"))["tasks"]
        return Manifest(
            {name: ManifestTask(name, tuple(task["parameters"]), task["returns"]) for name, task in tasks.items()}
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(f"{path!r} is no manifest; write it with: scalr-tasks lock MODULE") from None


def task_signature(api: TypeChecker, task: ManifestTask) -> tuple[list[Type], list[ArgKind], list[str | None], Type]:
    """Return the types, kinds and names of a task's parameters, and the type of its result."""
    types, kinds, names = [], [], []
    for each in task.parameters:
        types.append(_type(api, each["type"]))
        kinds.append(_KINDS[each["kind"], bool(each["required"])])
        names.append(None if each["kind"] == "positional_only" else each["name"])
    return types, kinds, names, _type(api, task.returns)


_KINDS: Final[dict[tuple[str, bool], ArgKind]] = {
    ("positional_only", True): ARG_POS,
    ("positional_only", False): ARG_OPT,
    ("positional_or_keyword", True): ARG_POS,
    ("positional_or_keyword", False): ARG_OPT,
    ("keyword_only", True): ARG_NAMED,
    ("keyword_only", False): ARG_NAMED_OPT,
    ("var_keyword", True): ARG_STAR2,
    ("var_keyword", False): ARG_STAR2,
}


def _type(api: TypeChecker, text: str) -> Type:
    try:
        return _convert(api, ast.parse(text, mode="eval").body)
    except SyntaxError:
        return _unknown()


def _unknown() -> AnyType:
    return AnyType(TypeOfAny.special_form)


def _convert(api: TypeChecker, node: ast.expr) -> Type:
    match node:
        case ast.Constant(value=None):
            return NoneType()
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return UnionType.make_union([_convert(api, left), _convert(api, right)])
        case ast.Subscript(value=value, slice=inside):
            return _generic(api, ast.unparse(value), inside.elts if isinstance(inside, ast.Tuple) else [inside])
        case ast.Name() | ast.Attribute():
            return _class(api, ast.unparse(node), [])
    return _unknown()


def _generic(api: TypeChecker, name: str, inside: list[ast.expr]) -> Type:
    match name.rpartition(".")[2]:
        case "Literal":
            text = api.named_generic_type("builtins.str", [])
            number = api.named_generic_type("builtins.int", [])
            values = [each.value for each in inside if isinstance(each, ast.Constant)]
            made = [
                LiteralType(one, text if isinstance(one, str) else number)
                for one in values
                if isinstance(one, (str, int))
            ]
            return UnionType.make_union(list(made)) if len(made) == len(inside) else _unknown()
        case "Optional":
            return UnionType.make_union([_convert(api, inside[0]), NoneType()])
        case "Union":
            return UnionType.make_union([_convert(api, each) for each in inside])
        case "Annotated":
            return _convert(api, inside[0])
        case "list" | "set" | "frozenset" | "dict":
            return _class(api, name, [_convert(api, each) for each in inside])
    return _unknown()


def _class(api: TypeChecker, name: str, arguments: list[Type]) -> Type:
    module, _, leaf = name.rpartition(".")
    tree = api.modules.get(module or "builtins")
    entry = tree.names.get(leaf) if tree is not None else None
    node = entry.node if entry is not None else None
    if not isinstance(node, TypeInfo):
        return _unknown()
    wanted = len(node.type_vars)
    return Instance(node, arguments if len(arguments) == wanted else [_unknown()] * wanted)
