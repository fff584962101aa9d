"""What `@task(...)` and `@declare(...)` return before they meet the function: types for the checkers.

The context always comes first (`Concatenate[Context[S], P]`), and `ctx=False`
opts out. Overloads that told the two apart by the function's type would make
mypy fall back to `Any` without a word.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from scalr_tasks.attempt.context import Context
from scalr_tasks.registry.declare import DeclaredTask
from scalr_tasks.registry.task import AsyncTask, SyncTask

P = ParamSpec("P")
R = TypeVar("R")
S_co = TypeVar("S_co", covariant=True)


class CtxDecorator(Protocol[S_co]):
    """Makes a task of a function whose first parameter is the context."""

    @overload
    def __call__(self, fn: Callable[Concatenate[Context[S_co], P], Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...  # type: ignore[overload-overlap]  # async comes first, and wins
    @overload
    def __call__(self, fn: Callable[Concatenate[Context[S_co], P], R], /) -> SyncTask[P, R]: ...


class PlainDecorator(Protocol):
    """Makes a task of a function without a context."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...  # type: ignore[overload-overlap]  # async comes first, and wins
    @overload
    def __call__(self, fn: Callable[P, R], /) -> SyncTask[P, R]: ...


class DeclareDecorator(Protocol):
    """Makes a declared task of a signature."""

    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> DeclaredTask[P, R]:
        """Return the handle of the declared task."""
        ...
