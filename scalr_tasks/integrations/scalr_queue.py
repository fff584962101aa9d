"""A bridge from the untyped `scalr_queue`: `enqueue("name", ...)` with its underscore options, and `tasks` lists.

    from scalr_tasks.integrations.scalr_queue import enqueue

    job = await enqueue("send_invoice_email", invoice_id=1, _queue_name="bulk")

Deprecated from the start: every call works, is checked, and warns with the
typed form to write instead. `scalr-tasks migrate` writes it for you.

Reads next: `docs/background-jobs.md`, the section on moving over.
"""

import inspect
import warnings
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from scalr_tasks.attempt.context import Context
from scalr_tasks.errors import (
    ArgumentProblem,
    DefinitionError,
    DuplicateTaskError,
    InvalidArgumentsError,
    OptionError,
    UnknownTaskError,
)
from scalr_tasks.jobs.job import Job
from scalr_tasks.names import nearest
from scalr_tasks.registry.definition import is_collected
from scalr_tasks.registry.registry import Registry, all_registries, default_registry
from scalr_tasks.registry.signature import where_of
from scalr_tasks.registry.task import Task

_TYPED: Final = {
    "_queue_name": "queue",
    "_defer_by": "delay",
    "_defer_until": "at",
    "_job_id": "job_id",
    "_expires": "expires",
}
"""Option of the old spelling -> option of `using`."""


async def enqueue(
    name: str,
    /,
    *args: Any,
    _queue_name: str | None = None,
    _defer_by: timedelta | float | None = None,
    _defer_until: datetime | None = None,
    _job_id: str | None = None,
    _expires: timedelta | float | None = None,
    _job_try: int | None = None,
    **kwargs: Any,
) -> Job[Any]:
    """Enqueue a task by its name, in the old spelling; the name, the arguments and the options are checked here.

        job = await enqueue("send_invoice_email", invoice_id=1, _defer_by=60)

    Unlike the old one it never answers None: an id that is taken answers the job that has it.

    Args:
        name: of a task of any registry of this process.
        *args: the task's own arguments.
        _queue_name: a declared queue.
        _defer_by: seconds or `timedelta` until the job is due.
        _defer_until: when it is due instead; with a time zone.
        _job_id: id of the job.
        _expires: seconds or `timedelta` after which the job is not started any more.
        _job_try: refused unless 1: attempts are counted by the worker.
        **kwargs: the task's own arguments.

    Raises:
        UnknownTaskError: no task of that name is declared; with the nearest name.
        InvalidArgumentsError: an argument, or an option with an underscore, is unknown or does not fit.
        UnknownQueueError: the queue is not declared.
        OptionError: an option cannot work.
        BrokerUnavailableError: Redis did not answer in time.
    """
    task = _find(name)
    given = {
        "_queue_name": _queue_name,
        "_defer_by": _defer_by,
        "_defer_until": _defer_until,
        "_job_id": _job_id,
        "_expires": _expires,
    }
    options: dict[str, Any] = {_TYPED[key]: value for key, value in given.items() if value is not None}
    if _job_try not in {None, 1}:
        raise OptionError("_job_try", "cannot be given", task=name, way_out="attempts are counted by the worker")
    _refuse_misspelled(task, kwargs)
    warnings.warn(_advice(task, options, args, kwargs), DeprecationWarning, stacklevel=2)
    handle = task.using(**options) if options else task
    return await handle.enqueue(*args, **kwargs)


def _find(name: str) -> Task[..., Any]:
    found = [registry for registry in all_registries() if name in registry.tasks]
    if len(found) > 1:
        names = ", ".join(sorted(registry.name for registry in found))
        raise OptionError(
            "name", f"{name!r} is declared by several registries: {names}", way_out="call the task itself"
        )
    if not found:
        raise UnknownTaskError(name, {known for registry in all_registries() for known in registry.tasks})
    return found[0].tasks[name]


def _refuse_misspelled(task: Task[..., Any], kwargs: dict[str, Any]) -> None:
    """Say of `_queue=` that it is no option, with the nearest one, unless the task has such a parameter."""
    own = {parameter.name for parameter in task.declaration.parameters}
    options = (*_TYPED, "_job_try")
    problems = [
        ArgumentProblem(key, "is not an option", nearest(key, options))
        for key in kwargs
        if key.startswith("_") and key not in own
    ]
    if problems:
        raise InvalidArgumentsError(task.name, problems, signature=task.signature)


def _advice(task: Task[..., Any], options: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    using = f".using({', '.join(f'{option}=...' for option in options)})" if options else ""
    given = ", ".join(["..."] * len(args) + [f"{key}=..." for key in kwargs])
    return (
        f"enqueue({task.name!r}, ...) is deprecated; import the task and write "
        f"await {task.name}{using}.enqueue({given}), as `scalr-tasks migrate` does"
    )


# -- lists of plain functions ------------------------------------------------------------


def adopt(
    functions: Iterable[Callable[..., Any] | Task[..., Any]], registry: Registry[Any, Any] = default_registry
) -> list[Task[..., Any]]:
    """Declare the functions of an old `tasks = [...]` list; what is a task already is left as it is.

        tasks = adopt([send_invoice_email])

    The worker command does this for a module whose `tasks` list holds plain functions; a backend that uses the
    bridge says it in the module itself, so that names are known there too. A second call changes nothing.

    Args:
        functions: each with `ctx: Context` as its first parameter.
        registry: where they are declared.

    Raises:
        DefinitionError: a function is written for plain arq (`ctx: dict`, or no annotation), or cannot be a task.
    """
    adopted = []
    for function in functions:
        try:
            adopted.append(_adopted(function, registry))
        except DefinitionError as error:
            if not is_collected(error):  # `scalr-tasks check` lists all that is wrong
                raise
    return adopted


def _adopted(function: Callable[..., Any] | Task[..., Any], registry: Registry[Any, Any]) -> Task[..., Any]:
    if isinstance(function, Task):
        return function
    name = getattr(function, "__name__", "")
    known = registry.tasks.get(name)
    if known is not None:
        if known.declaration.function is function:
            return known
        raise DuplicateTaskError(name, where=where_of(function), first=known.declaration.where)
    _refuse_arq_context(function, name)
    task: Task[..., Any] = registry.task(function)
    return task


def _refuse_arq_context(function: Callable[..., Any], name: str) -> None:
    """Say what to write where a function takes arq's dict; what else is wrong, the declaration says itself."""
    if not inspect.isroutine(function):
        return
    first = next(iter(inspect.signature(function).parameters.values()), None)
    if first is None or _is_context(first.annotation):
        return
    found = "has no annotation" if first.annotation is inspect.Parameter.empty else "is not a Context"
    raise DefinitionError(
        f"the first parameter {first.name!r} {found}, as in functions for plain arq",
        task=name,
        where=where_of(function),
        way_out=f"write {first.name}: Context, with `from scalr_tasks import Context`; "
        f'{first.name}["job_id"] and the other items of arq stay readable',
    )


def _is_context(annotation: object) -> bool:
    if isinstance(annotation, str):
        return annotation.split("[")[0].rpartition(".")[2] == "Context"
    return annotation is Context or getattr(annotation, "__origin__", None) is Context
