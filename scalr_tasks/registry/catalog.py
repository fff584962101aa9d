"""What a registry holds: declarations, handles, queues, and whether it still takes more.

Handles know their catalog, not the registry around it.

Reads next: `registry.py`, the face of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import FrameType, MappingProxyType
from typing import Any

from pydantic_core import from_json

from scalr_tasks.envelope import ResultRecord
from scalr_tasks.errors import DefinitionError, DuplicateTaskError, MissingImplementationError, RegistryFrozenError
from scalr_tasks.jobs.job import Job
from scalr_tasks.registry.brokers import RegistryBrokers
from scalr_tasks.registry.check import Finding, near_queue_names
from scalr_tasks.registry.declaration import Declaration
from scalr_tasks.registry.declare import DeclaredTask, implemented
from scalr_tasks.registry.definition import Defined, broken, define, is_collected
from scalr_tasks.registry.lifespan import LifespanHost
from scalr_tasks.registry.queue import Queue
from scalr_tasks.registry.queues import Queues
from scalr_tasks.registry.signature import where_of
from scalr_tasks.registry.task import AsyncTask, SyncTask, Task
from scalr_tasks.registry.upgrade import make_upgrade

AnyTask = Task[..., Any]


class Catalog:
    """The tasks and queues of one registry; what a handle calls its `Home`."""

    def __init__(self, name: str, *, queues: Queues, lifespan: LifespanHost, brokers: RegistryBrokers) -> None:
        self.name = name
        self.queues = queues
        self.lifespan = lifespan
        self.brokers = brokers
        self.frozen = False
        self._declarations: dict[str, Declaration] = {}
        self._handles: dict[str, AnyTask] = {}
        self._open: dict[str, Defined] = {}
        self._warnings: list[Finding] = []

    @property
    def declarations(self) -> Mapping[str, Declaration]:
        """Every task, as it is now."""
        return MappingProxyType(self._declarations)

    @property
    def handles(self) -> Mapping[str, AnyTask]:
        """The handle of every task."""
        return MappingProxyType(self._handles)

    # -- declaring -----------------------------------------------------------------------

    def define(
        self, function: Callable[..., Any], given: Mapping[str, Any], frame: FrameType, *, is_contract: bool = False
    ) -> AnyTask:
        """Add a task and return its handle.

        Raises:
            DefinitionError: it cannot work, or its name is taken, or the registry is frozen.
        """
        try:
            return self._define(function, given, frame, is_contract=is_contract)
        except DefinitionError as error:
            if not is_collected(error):
                raise
            return AsyncTask(broken(error, self.name), self)

    def _define(
        self, function: Callable[..., Any], given: Mapping[str, Any], frame: FrameType, *, is_contract: bool
    ) -> AnyTask:
        # A function inside another one, or inside a class, may name types that only stand there.
        local = frame.f_locals if "." in getattr(function, "__qualname__", "") else None
        defined = define(function, given, registry=self.name, local=local, is_contract=is_contract)
        declaration = defined.declaration
        if self.frozen:
            raise RegistryFrozenError(self.name, task=declaration.name, where=declaration.where)
        first = self._declarations.get(declaration.name)
        if first is not None:
            raise DuplicateTaskError(declaration.name, where=declaration.where, first=first.where)
        self.queues.declare(defined.queue, task=declaration.name, where=declaration.where)
        self._declarations[declaration.name] = declaration
        if defined.pending is not None:
            self._open[declaration.name] = defined
        self._warn(declaration, defined.warnings)
        kind: type[AnyTask] = DeclaredTask if is_contract else AsyncTask if declaration.is_async else SyncTask
        handle = self._handles[declaration.name] = kind(declaration, self)
        return handle

    def implement(self, name: str, function: Callable[..., Any]) -> Declaration:
        """Give a declared task its function.

        Raises:
            DefinitionError: it does not take what the contract gives, or the registry is frozen.
        """
        known = self._declarations[name]
        try:
            if self.frozen:
                raise RegistryFrozenError(self.name, task=name, where=where_of(function))
            self._declarations[name] = implemented(known, function)
        except DefinitionError as error:
            if not is_collected(error):
                raise
        return self._declarations[name]

    def upgrade(self, name: str, from_version: int, function: Callable[..., Any], frame: FrameType) -> None:
        """Let a task read the payloads of an older version.

        Raises:
            DefinitionError: the upgrade cannot work, or the registry is frozen.
        """
        known = self._declarations[name]
        local = frame.f_locals if "." in getattr(function, "__qualname__", "") else None
        try:
            if self.frozen:
                raise RegistryFrozenError(self.name, task=name, where=where_of(function))
            made = make_upgrade(known, from_version, function, local)
        except DefinitionError as error:
            if not is_collected(error):
                raise
            return
        self._declarations[name] = replace(known, upgrades={**known.upgrades, from_version: made})

    def _warn(self, declaration: Declaration, texts: Sequence[str]) -> None:
        self._warnings += [Finding("warning", text, declaration.name, declaration.where) for text in texts]

    # -- looking up ----------------------------------------------------------------------

    def find_queue(self, queue: Queue | str, *, task: str) -> Queue:
        """Return a declared queue.

        Raises:
            UnknownQueueError: the registry declares no such queue.
        """
        return self.queues.find(queue, task=task)

    def queue_keys(self, first: str | None = None) -> Sequence[str]:
        """Return the Redis keys of all queues, that of the queue `first` in front."""
        keys = {name: queue.key for name, queue in self.queues.by_name.items()}
        return [keys.pop(first), *keys.values()] if first in keys else list(keys.values())

    def job(self, job_id: str) -> Job[object]:
        """Return a handle to a job of any task."""
        return _AnyJob(job_id, self)

    # -- before it runs ------------------------------------------------------------------

    def errors(self) -> list[DefinitionError]:
        """Resolve what was pending, and return everything that keeps the tasks from running."""
        found: list[DefinitionError] = []
        for name, defined in list(self._open.items()):
            assert defined.pending is not None
            try:
                wire = defined.pending.resolve()
            except DefinitionError as error:
                found.append(error)
                continue
            del self._open[name]
            known = self._declarations[name]
            self._declarations[name] = replace(known, arguments=wire.arguments, result=wire.result)
            self._warn(known, wire.warnings)
        found += [
            MissingImplementationError(each.name, where=each.where)
            for each in self._declarations.values()
            if each.function is None
        ]
        return found

    def warnings(self) -> list[Finding]:
        """Return what works and is probably not meant."""
        return [*self._warnings, *near_queue_names(self.queues.by_name)]


class _AnyJob(Job[object]):
    """A job whose task is told by the record of its end."""

    __slots__ = ("_declarations",)

    def __init__(self, job_id: str, catalog: Catalog) -> None:
        super().__init__(
            job_id, task="", queue_keys=catalog.queue_keys(), brokers=catalog.brokers, read_result=_as_json
        )
        self._declarations = catalog.declarations

    def _read(self, record: ResultRecord | None) -> object:
        if record is not None and record.kind == "done" and record.task in self._declarations:
            return self._declarations[record.task].result.read(record.body, self.job_id)
        return super()._read(record)


def _as_json(raw: bytes, _job_id: str) -> object:
    """Read the result of a task that this code does not know."""
    value: object = from_json(raw)
    return value
