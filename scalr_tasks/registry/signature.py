"""A function's signature, as a task needs it: which parameter is the context, which are arguments, their types.

What can be wrong with the signature itself is refused here, when the function
is decorated. A name that is not there yet (a type defined further down, an
import under `TYPE_CHECKING`) is the one thing that may wait.

Reads next: `assemble.py`, which turns the types into the codecs of the wire.
"""

import inspect
import os
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final, NoReturn

from scalr_tasks.attempt.context import Context
from scalr_tasks.errors import DefinitionError

Kind = inspect.Parameter
_POSITIONAL: Final = (Kind.POSITIONAL_ONLY, Kind.POSITIONAL_OR_KEYWORD)

RETURN: Final = "return"
"""Where Python keeps the result's annotation; no parameter can have this name."""


class UnresolvedError(Exception):
    """Names in annotations that are not there (yet)."""

    def __init__(self, missing: Mapping[str, str]) -> None:
        self.missing: dict[str, str] = dict(missing)
        """Parameter (or `return`) -> the name that was not found."""
        super().__init__(", ".join(f"{parameter}: {name}" for parameter, name in self.missing.items()))


@dataclass(frozen=True, slots=True)
class Signature:
    """A function that can be a task, as far as that can be told without its types."""

    task: str
    where: str
    function: Callable[..., Any]
    takes_context: bool
    is_async: bool
    parameters: tuple[inspect.Parameter, ...]
    """Those that a caller gives, without `**extra`."""
    extra: inspect.Parameter | None
    """`**extra`: further keywords of one type."""
    context: str | None
    """Name of the parameter that is given the context."""

    def refuse(self, problem: str, way_out: str) -> NoReturn:
        """Raise the `DefinitionError` of this task."""
        raise DefinitionError(problem, task=self.task, where=self.where, way_out=way_out)


def where_of(function: Callable[..., Any]) -> str:
    """Return `path/of/module.py:12` of a function, relative to the current folder where it is inside it."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return "an unknown place"
    path = code.co_filename
    here = os.getcwd() + os.sep  # noqa: PTH109  Path.cwd() costs ten times as much, for each task
    return f"{path.removeprefix(here)}:{code.co_firstlineno}"


def read_signature(function: Callable[..., Any], *, task: str, where: str, takes_context: bool) -> Signature:
    """Read a function's signature, and refuse what no task can have.

    Raises:
        DefinitionError: it is a generator or a method, has `*args`, lacks an annotation, or has no context.
    """

    def refuse(problem: str, way_out: str) -> NoReturn:
        raise DefinitionError(problem, task=task, where=where, way_out=way_out)

    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        refuse("a task cannot be a generator", "return a list, or enqueue one job for each item")
    whole = inspect.signature(function)
    parameters = list(whole.parameters.values())
    _refuse_methods(parameters, refuse)
    context = None
    if takes_context:
        context = _context_of(parameters, refuse).name
        del parameters[0]
    for parameter in parameters:
        if parameter.kind is Kind.VAR_POSITIONAL:
            name = parameter.name
            refuse(f"*{name} has no name on the wire", f"take a list: {name}: list[...]")
        if parameter.annotation is Kind.empty:
            refuse(f"parameter {parameter.name!r} has no annotation", f"write its type: {parameter.name}: int")
    if whole.return_annotation is inspect.Signature.empty:
        refuse("the result has no annotation", "write it: -> None")
    extra = next((each for each in parameters if each.kind is Kind.VAR_KEYWORD), None)
    return Signature(
        task=task,
        where=where,
        function=function,
        takes_context=takes_context,
        is_async=inspect.iscoroutinefunction(function),
        parameters=tuple(each for each in parameters if each is not extra),
        extra=extra,
        context=context,
    )


def _refuse_methods(parameters: list[inspect.Parameter], refuse: Callable[[str, str], NoReturn]) -> None:
    if parameters and parameters[0].name in {"self", "cls"} and parameters[0].annotation is Kind.empty:
        refuse(
            f"a method cannot be a task, its {parameters[0].name!r} does not exist on the worker",
            "declare a function outside the class, or put @staticmethod over @task",
        )


def _context_of(parameters: list[inspect.Parameter], refuse: Callable[[str, str], NoReturn]) -> inspect.Parameter:
    way_out = "put ctx: Context first, or declare it with @task(ctx=False)"
    if not parameters:
        refuse("the function takes no context", way_out)
    first = parameters[0]
    if first.kind not in _POSITIONAL:
        refuse(f"the first parameter {first.name!r} cannot be the context: it is not given by position", way_out)
    if first.annotation is Kind.empty:
        refuse(f"the first parameter {first.name!r} has no annotation", f"write {first.name}: Context")
    return first


# -- types -------------------------------------------------------------------------------


def resolve_hints(signature: Signature, local: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the type of every parameter and of the result, and check which one is the context.

    Raises:
        UnresolvedError: a name in an annotation is not there.
        DefinitionError: the first parameter is not exactly `Context[...]`, or an annotation cannot be read.
    """
    hints = _hints(signature, local)
    if signature.context is not None:
        _check_context(signature, hints.pop(signature.context))
    elif signature.parameters:
        first = signature.parameters[0].name
        if is_context(hints[first]):
            signature.refuse(
                f"parameter {first!r} is the context, and ctx=False says there is none", "leave out ctx=False"
            )
    for name, hint in hints.items():
        if is_context(hint):
            signature.refuse(f"parameter {name!r} is a context and not the first parameter", "put the context first")
    return hints


def is_context(hint: Any) -> bool:
    """Tell whether a type is exactly `Context` or `Context[...]`."""
    return hint is Context or typing.get_origin(hint) is Context


def _check_context(signature: Signature, hint: Any) -> None:
    if not is_context(hint):
        signature.refuse(
            f"the first parameter {signature.context!r} is {show(hint)}, not exactly Context[...]",
            "put ctx: Context first, or declare it with @task(ctx=False)",
        )


def _hints(signature: Signature, local: Mapping[str, Any] | None) -> dict[str, Any]:
    namespace = None if local is None else dict(local)
    try:
        return typing.get_type_hints(signature.function, localns=namespace, include_extras=True)
    except NameError:
        missing = _missing(signature, namespace)
    except Exception as error:  # noqa: BLE001  an annotation is the user's code, and may raise anything
        signature.refuse(f"an annotation cannot be read: {type(error).__name__}: {error}", "write it as a type")
    if missing:
        raise UnresolvedError(missing)
    return typing.get_type_hints(signature.function, localns=namespace, include_extras=True)


def _missing(signature: Signature, local: dict[str, Any] | None) -> dict[str, str]:
    """Ask for each annotation alone, because Python names the first missing name and not where it stood."""
    function = inspect.unwrap(signature.function)
    missing = {}
    for name, annotation in function.__annotations__.items():
        alone = SimpleNamespace(__annotations__={name: annotation})
        try:
            typing.get_type_hints(alone, globalns=function.__globals__, localns=local)
        except NameError as error:
            missing[name] = error.name or str(error)
    return missing


def show(hint: Any) -> str:
    """Return a type as a reader would write it.

    >>> show(dict[str, int])
    'dict[str, int]'
    """
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    if hint is type(None):
        return "None"
    return getattr(hint, "__name__", "") if isinstance(hint, typing.TypeVar) else inspect.formatannotation(hint)
