"""A typed task registry over arq.

    from scalr_tasks import Context, task

    @task
    async def send_invoice_email(ctx: Context, invoice_id: int) -> None: ...

    job = await send_invoice_email.enqueue(invoice_id=1)

Every public name is here. Importing the package loads neither arq nor
pydantic: a name is imported when it is first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scalr_tasks.attempt.context import Context, current_context
    from scalr_tasks.errors import (
        ArgumentProblem,
        BatchError,
        BrokerError,
        BrokerRefusedError,
        BrokerUnavailableError,
        CallError,
        ContextUnavailableError,
        DefinitionError,
        DuplicateTaskError,
        InvalidArgumentsError,
        InvalidResultError,
        JobAbortedError,
        JobError,
        JobExpiredError,
        JobIdConflictError,
        JobNotFoundError,
        KitError,
        MissingImplementationError,
        MixedRegistriesError,
        ModuleError,
        NotSerialisableError,
        OptionError,
        RegistryFrozenError,
        ResultNotKeptError,
        RunningLoopError,
        ScalrTasksError,
        ScalrTasksWarning,
        SettingsError,
        StateUnavailableError,
        TaskFailedError,
        UnknownQueueError,
        UnknownTaskError,
    )
    from scalr_tasks.jobs.job import Job
    from scalr_tasks.policy import Backoff, GiveUp, Retry, Snooze
    from scalr_tasks.registry.batch import enqueue_many, enqueue_many_sync
    from scalr_tasks.registry.call import Call
    from scalr_tasks.registry.check import Finding
    from scalr_tasks.registry.declare import DeclaredTask
    from scalr_tasks.registry.default import close, declare, enqueue, task
    from scalr_tasks.registry.queue import Queue
    from scalr_tasks.registry.registry import Registry, default_registry
    from scalr_tasks.registry.task import AsyncTask, SyncTask, Task
    from scalr_tasks.settings import Settings
    from scalr_tasks.state import JobState
else:
    # A `__getattr__` that mypy sees would make it accept every misspelled import.
    from importlib import import_module

    from scalr_tasks.names import nearest

    _FROM = {
        "attempt.context": ("Context", "current_context"),
        "errors": (
            "ArgumentProblem",
            "BatchError",
            "BrokerError",
            "BrokerRefusedError",
            "BrokerUnavailableError",
            "CallError",
            "ContextUnavailableError",
            "DefinitionError",
            "DuplicateTaskError",
            "InvalidArgumentsError",
            "InvalidResultError",
            "JobAbortedError",
            "JobError",
            "JobExpiredError",
            "JobIdConflictError",
            "JobNotFoundError",
            "KitError",
            "MissingImplementationError",
            "MixedRegistriesError",
            "ModuleError",
            "NotSerialisableError",
            "OptionError",
            "RegistryFrozenError",
            "ResultNotKeptError",
            "RunningLoopError",
            "ScalrTasksError",
            "ScalrTasksWarning",
            "SettingsError",
            "StateUnavailableError",
            "TaskFailedError",
            "UnknownQueueError",
            "UnknownTaskError",
        ),
        "jobs.job": ("Job",),
        "policy": ("Backoff", "GiveUp", "Retry", "Snooze"),
        "registry.batch": ("enqueue_many", "enqueue_many_sync"),
        "registry.call": ("Call",),
        "registry.check": ("Finding",),
        "registry.declare": ("DeclaredTask",),
        "registry.default": ("close", "declare", "enqueue", "task"),
        "registry.queue": ("Queue",),
        "registry.registry": ("Registry", "default_registry"),
        "registry.task": ("AsyncTask", "SyncTask", "Task"),
        "settings": ("Settings",),
        "state": ("JobState",),
    }
    _HOMES = {name: f"{__name__}.{module}" for module, names in _FROM.items() for name in names}

    def __getattr__(name: str) -> Any:
        home = _HOMES.get(name)
        if home is None:
            near = nearest(name, __all__)
            hint = f"; did you mean {near!r}?" if near else ""
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}", name=name, obj=None)
        value = globals()[name] = getattr(import_module(home), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "ArgumentProblem",
    "AsyncTask",
    "Backoff",
    "BatchError",
    "BrokerError",
    "BrokerRefusedError",
    "BrokerUnavailableError",
    "Call",
    "CallError",
    "Context",
    "ContextUnavailableError",
    "DeclaredTask",
    "DefinitionError",
    "DuplicateTaskError",
    "Finding",
    "GiveUp",
    "InvalidArgumentsError",
    "InvalidResultError",
    "Job",
    "JobAbortedError",
    "JobError",
    "JobExpiredError",
    "JobIdConflictError",
    "JobNotFoundError",
    "JobState",
    "KitError",
    "MissingImplementationError",
    "MixedRegistriesError",
    "ModuleError",
    "NotSerialisableError",
    "OptionError",
    "Queue",
    "Registry",
    "RegistryFrozenError",
    "ResultNotKeptError",
    "Retry",
    "RunningLoopError",
    "ScalrTasksError",
    "ScalrTasksWarning",
    "Settings",
    "SettingsError",
    "Snooze",
    "StateUnavailableError",
    "SyncTask",
    "Task",
    "TaskFailedError",
    "UnknownQueueError",
    "UnknownTaskError",
    "close",
    "current_context",
    "declare",
    "default_registry",
    "enqueue",
    "enqueue_many",
    "enqueue_many_sync",
    "task",
]
