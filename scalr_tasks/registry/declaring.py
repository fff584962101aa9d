"""How a registry takes tasks: `Declares`, with every option of `@task` and `@declare` spelled out for the checkers.

Reads next: `definition.py` for how a declaration is checked, `decorator.py` for
the types in between.
"""

import sys
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Concatenate, Final, Generic, Literal, ParamSpec, overload

from typing_extensions import TypeVar

from scalr_tasks.attempt.context import Context
from scalr_tasks.policy import Backoff
from scalr_tasks.registry.catalog import AnyTask, Catalog
from scalr_tasks.registry.decorator import CtxDecorator, DeclareDecorator, PlainDecorator
from scalr_tasks.registry.options import ExceptionTypes
from scalr_tasks.registry.queue import Queue
from scalr_tasks.registry.schedule import CatchUp, Overlap
from scalr_tasks.registry.task import AsyncTask, SyncTask

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", default=Any)
Q = TypeVar("Q", bound=str, default=str)

_DEFAULT_BACKOFF: Final = Backoff()


class Declares(Generic[S, Q]):
    """The half of a `Registry` that modules with tasks use; `S` is its state, `Q` the names of its queues."""

    _catalog: Catalog

    @overload
    def task(self, fn: Callable[Concatenate[Context[S], P], Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...  # type: ignore[overload-overlap]  # async comes first, and wins
    @overload
    def task(self, fn: Callable[Concatenate[Context[S], P], R], /) -> SyncTask[P, R]: ...
    @overload
    def task(
        self,
        *,
        ctx: Literal[True] = True,
        name: str | None = None,
        queue: Q | Queue | None = None,
        retries: int = 4,
        timeout: timedelta | float = 300,
        backoff: Backoff | timedelta | float = _DEFAULT_BACKOFF,
        retry_on: ExceptionTypes = BaseException,
        give_up_on: ExceptionTypes = (),
        keep_result: timedelta | float = 3600,
        expires: timedelta | float | None = None,
        cron: str | None = None,
        timezone: str = "UTC",
        catch_up: CatchUp = "skip",
        overlap: Overlap = "allow",
        strict: bool = True,
        version: int = 1,
    ) -> CtxDecorator[S]: ...
    @overload
    def task(
        self,
        *,
        ctx: Literal[False],
        name: str | None = None,
        queue: Q | Queue | None = None,
        retries: int = 4,
        timeout: timedelta | float = 300,
        backoff: Backoff | timedelta | float = _DEFAULT_BACKOFF,
        retry_on: ExceptionTypes = BaseException,
        give_up_on: ExceptionTypes = (),
        keep_result: timedelta | float = 3600,
        expires: timedelta | float | None = None,
        cron: str | None = None,
        timezone: str = "UTC",
        catch_up: CatchUp = "skip",
        overlap: Overlap = "allow",
        strict: bool = True,
        version: int = 1,
    ) -> PlainDecorator: ...
    def task(self, *fn: Any, **options: Any) -> Any:
        """Declare a task: `@registry.task`, `@registry.task()` or `@registry.task(retries=3)`.

        The function's first parameter is `ctx: Context[...]`, or `ctx=False` says that it has none.

        Args:
            *fn: the function, where the decorator is used bare.
            **options: by name:
                name - of the task, where it is not that of the function;
                queue - a `Queue` or its name, `default` where left out;
                retries - further attempts after the first one failed, 4;
                timeout - seconds or `timedelta` for one attempt, 300;
                backoff - between attempts, `Backoff(first=1, factor=2, max=3600, jitter=0.1)`; a number or
                `timedelta` is the first delay;
                retry_on, give_up_on - exception classes that are worth another attempt, or not;
                keep_result - seconds or `timedelta` for which the result is kept, 3600; 0 keeps none;
                expires - seconds or `timedelta` after the enqueue, after which it is not started; never;
                cron, timezone, catch_up, overlap - when a worker enqueues it by itself;
                strict - False takes `"1"` for an `int`;
                version - of the task, 1; a job of a newer version is parked, not run.

        Raises:
            DefinitionError: the declaration cannot work; `UnknownQueueError`, `DuplicateTaskError` and
                `RegistryFrozenError` are kinds of it.
        """
        options = {key: value for key, value in options.items() if key != "queue" or value is not None}
        catalog = self._catalog
        if fn:
            return catalog.define(fn[0], options, sys._getframe(1))  # noqa: SLF001  forward references need the caller's names

        def decorate(function: Callable[..., Any]) -> AnyTask:
            return catalog.define(function, options, sys._getframe(1))  # noqa: SLF001  likewise

        return decorate

    def declare(
        self,
        *,
        name: str | None = None,
        queue: Q | Queue | None = None,
        retries: int = 4,
        timeout: timedelta | float = 300,
        backoff: Backoff | timedelta | float = _DEFAULT_BACKOFF,
        retry_on: ExceptionTypes = BaseException,
        give_up_on: ExceptionTypes = (),
        keep_result: timedelta | float = 3600,
        expires: timedelta | float | None = None,
        cron: str | None = None,
        timezone: str = "UTC",
        catch_up: CatchUp = "skip",
        overlap: Overlap = "allow",
        strict: bool = True,
        version: int = 1,
    ) -> DeclareDecorator:
        """Declare a task without its function, for producers that must not import it; options as of `task`.

            @registry.declare(queue="bulk")
            async def send_invoice_email(invoice_id: int) -> None: ...

        The worker writes `@contracts.send_invoice_email.implement` over the function.
        """
        options: dict[str, Any] = {
            "name": name,
            "retries": retries,
            "timeout": timeout,
            "backoff": backoff,
            "retry_on": retry_on,
            "give_up_on": give_up_on,
            "keep_result": keep_result,
            "expires": expires,
            "cron": cron,
            "timezone": timezone,
            "catch_up": catch_up,
            "overlap": overlap,
            "strict": strict,
            "version": version,
        }
        if queue is not None:
            options["queue"] = queue
        catalog = self._catalog

        def decorate(function: Callable[..., Any]) -> Any:
            return catalog.define(function, options, sys._getframe(1), is_contract=True)  # noqa: SLF001  likewise

        return decorate
