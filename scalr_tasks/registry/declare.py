"""A task declared in one module and implemented in another: `DeclaredTask`.

The contract stands in a light module that producers import. The worker's
module writes `@contracts.send.implement` over the function. What travels is
always what the contract says.
"""

import inspect
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from scalr_tasks.attempt.context import Context
from scalr_tasks.errors import DefinitionError
from scalr_tasks.registry.declaration import Declaration
from scalr_tasks.registry.signature import Signature, UnresolvedError, read_signature, resolve_hints, where_of
from scalr_tasks.registry.task import AsyncTask, SyncTask

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

Kind = inspect.Parameter


class DeclaredTask(AsyncTask[P, R_co]):
    """A task whose function is written elsewhere; made by `@declare(...)`.

    @declare(queue="bulk")
    async def send_invoice_email(invoice_id: int) -> None: ...

    # in the worker
    @contracts.send_invoice_email.implement
    async def send(ctx: Context, invoice_id: int) -> None:
        await mail(invoice_id)
    """

    __slots__ = ()

    @overload
    def implement(  # type: ignore[overload-overlap]  # async comes first, and wins
        self, fn: Callable[Concatenate[Context[Any], P], Coroutine[Any, Any, R_co]], /
    ) -> AsyncTask[P, R_co]: ...
    @overload
    def implement(self, fn: Callable[Concatenate[Context[Any], P], R_co], /) -> SyncTask[P, R_co]: ...
    def implement(self, fn: Callable[..., Any], /) -> AsyncTask[P, R_co] | SyncTask[P, R_co]:
        """Make `fn` the function of this task; its first parameter is the context.

        It takes every parameter of the contract, by the same name; further ones need a default.

        Raises:
            DefinitionError: it does not take what the contract gives, or the task has a function already.
        """
        declaration = self._home.implement(self.name, fn)
        handle: type[AsyncTask[P, R_co] | SyncTask[P, R_co]] = AsyncTask if declaration.is_async else SyncTask
        return handle(declaration, self._home, self._options)


def implemented(declaration: Declaration, function: Callable[..., Any]) -> Declaration:
    """Return a contract together with its function.

    Raises:
        DefinitionError: the function does not take what the contract gives.
    """
    where = where_of(function)
    if declaration.function is not None:
        raise DefinitionError(
            f"implemented already, at {where_of(declaration.function)}",
            task=declaration.name,
            where=where,
            way_out="keep one implementation",
        )
    signature = read_signature(function, task=declaration.name, where=where, takes_context=True)
    try:
        resolve_hints(signature, None)
    except UnresolvedError as error:
        if signature.context in error.missing:
            signature.refuse(
                f"the annotation of {signature.context!r} names {error.missing[signature.context]!r}, which is not defined",
                "import it, and not under TYPE_CHECKING",
            )
    _check_parameters(signature, declaration.parameters)
    return replace(declaration, function=function, takes_context=True, is_async=signature.is_async)


def _check_parameters(signature: Signature, contract: tuple[inspect.Parameter, ...]) -> None:
    own = {each.name: each for each in signature.parameters}
    for each in contract:
        if each.kind is Kind.VAR_KEYWORD:
            if signature.extra is None:
                signature.refuse(f"it does not take **{each.name} of the contract", f"add **{each.name}")
            continue
        mine = own.pop(each.name, None)
        if mine is None and signature.extra is None:
            signature.refuse(f"it does not take {each.name!r} of the contract", f"add the parameter {each.name!r}")
        if mine is not None and (mine.kind is Kind.POSITIONAL_ONLY) != (each.kind is Kind.POSITIONAL_ONLY):
            signature.refuse(f"{each.name!r} is positional-only in one of contract and function", "write both alike")
        if mine is not None and mine.default is Kind.empty and each.default is not Kind.empty:
            signature.refuse(f"{each.name!r} has a default in the contract and none here", "give it the same default")
    for name, mine in own.items():
        if mine.default is Kind.empty:
            signature.refuse(
                f"the contract does not give {name!r}", f"give {name!r} a default, or add it to the contract"
            )
