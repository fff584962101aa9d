"""From a decorated function to its `Declaration`: every check of a declaration is called from here.

Under `collecting_errors` a declaration that cannot work is noted and not
raised, so that one run lists them all.

Reads next: `signature.py`, `options.py`, `assemble.py` for the checks.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from scalr_tasks.errors import DefinitionError
from scalr_tasks.policy import Policy
from scalr_tasks.registry.assemble import PendingArguments, PendingResult, PendingWire, Wire, assemble
from scalr_tasks.registry.declaration import ArgumentsCodec, Declaration, ResultCodec
from scalr_tasks.registry.options import OptionChecker, TaskOptions
from scalr_tasks.registry.queue import Queue
from scalr_tasks.registry.signature import Signature, UnresolvedError, read_signature, where_of

Kind = inspect.Parameter


@dataclass(frozen=True, slots=True)
class Defined:
    """A declaration, and what the registry keeps beside it."""

    declaration: Declaration
    queue: Queue | str
    """As it was written: a `Queue` may be declared by it."""
    pending: PendingWire | None
    """Set where an annotation names something that is not there yet."""
    warnings: tuple[str, ...]


def define(
    function: Callable[..., Any],
    given: Mapping[str, Any],
    *,
    registry: str,
    local: Mapping[str, Any] | None,
    is_contract: bool = False,
) -> Defined:
    """Check a declaration and return it.

    Args:
        function: what was decorated.
        given: the options, as they were written.
        registry: name of the registry.
        local: names around the function, where it stands inside another one.
        is_contract: whether it is a signature without a body (`declare`).

    Raises:
        DefinitionError: it cannot work.
    """
    _refuse_non_functions(function)
    where = where_of(function)
    name = given.get("name")
    checker = OptionChecker(function.__name__ if name is None else name, where)
    options = checker.read(given)
    takes_context = options.ctx and not is_contract
    signature = read_signature(function, task=checker.task, where=where, takes_context=takes_context)
    if is_contract and not signature.is_async:
        checker.refuse("a contract is written as async def, whatever its implementation is", "write async def")
    required = [each.name for each in signature.parameters if each.default is Kind.empty]
    policy, schedule = checker.policy(options), checker.schedule(options, required)
    wire = _wire(signature, local, options)
    arguments: ArgumentsCodec
    result: ResultCodec
    if isinstance(wire, Wire):
        arguments, result = wire.arguments, wire.result
    else:
        arguments, result = PendingArguments(wire), PendingResult(wire)
    declaration = Declaration(
        name=checker.task,
        registry=registry,
        where=where,
        function=None if is_contract else function,
        takes_context=takes_context,
        is_async=signature.is_async,
        queue=options.queue.name if isinstance(options.queue, Queue) else options.queue,
        policy=policy,
        arguments=arguments,
        result=result,
        version=options.version,
        schedule=schedule,
        doc=inspect.cleandoc(function.__doc__ or ""),
        parameters=signature.parameters if signature.extra is None else (*signature.parameters, signature.extra),
    )
    pending = wire if isinstance(wire, PendingWire) else None
    return Defined(declaration, options.queue, pending, wire.warnings if isinstance(wire, Wire) else ())


def _wire(signature: Signature, local: Mapping[str, Any] | None, options: TaskOptions) -> Wire | PendingWire:
    try:
        return assemble(signature, local, strict=options.strict)
    except UnresolvedError:
        return PendingWire(signature, None if local is None else dict(local), strict=options.strict)


def _refuse_non_functions(function: object) -> None:
    if not inspect.isroutine(function) or not hasattr(inspect.unwrap(function), "__code__"):
        what = f"a {type(function).__name__}" if not isinstance(function, type) else f"the class {function.__name__}"
        raise DefinitionError(
            f"@task is put over {what}, not over a function",
            way_out="options go in by name: @task(name=...), and the function is written with def or async def",
        )


# -- all errors at once ------------------------------------------------------------------


_collected: ContextVar[list[DefinitionError] | None] = ContextVar("scalr_tasks_collected", default=None)


@contextmanager
def collecting_errors() -> Iterator[list[DefinitionError]]:
    """Note declarations that cannot work, instead of raising the first of them.

    with collecting_errors() as errors:
        importlib.import_module("app.tasks")
    """
    found: list[DefinitionError] = []
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)


def is_collected(error: DefinitionError) -> bool:
    """Note an error where errors are collected; False where it must be raised."""
    found = _collected.get()
    if found is None:
        return False
    found.append(error)
    return True


class BrokenCodec:
    """Stands for both codecs of a declaration that was noted as broken; every use raises its error."""

    text = "(...)"

    def __init__(self, error: DefinitionError) -> None:
        self._error = error

    def write(self, *_: Any, **__: Any) -> bytes:
        """Raise the error of the declaration."""
        raise self._error

    def take(self, *_: Any, **__: Any) -> Any:
        """Raise the error of the declaration."""
        raise self._error

    def read(self, *_: Any, **__: Any) -> Any:
        """Raise the error of the declaration."""
        raise self._error


def broken(error: DefinitionError, registry: str) -> Declaration:
    """Return what stands in for a declaration that was noted as broken."""
    codec = BrokenCodec(error)
    return Declaration(
        name=error.task or "broken",
        registry=registry,
        where=error.where or "",
        function=None,
        takes_context=False,
        is_async=True,
        queue="default",
        policy=Policy(),
        arguments=codec,
        result=codec,
    )
