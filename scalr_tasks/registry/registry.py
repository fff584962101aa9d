"""All tasks of an app: `Registry`, and the open `default_registry` of the bare `@task`.

A registry holds declarations and hands out handles; it opens no connection
before the first enqueue. Once it is compiled it is frozen: a task declared
later would exist for some workers and not for others.

Reads next: `definition.py` for how a declaration is checked, `task.py` for the
handles, `compile.py` for what a worker runs.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self, cast
from weakref import WeakSet

from typing_extensions import TypeVar

from scalr_tasks.attempt.call import Middleware
from scalr_tasks.broker.client import RedisBrokers
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.errors import DefinitionError, UnknownTaskError
from scalr_tasks.jobs.job import Job
from scalr_tasks.names import name_problem
from scalr_tasks.registry.app import App
from scalr_tasks.registry.batch import enqueue_many
from scalr_tasks.registry.brokers import RegistryBrokers
from scalr_tasks.registry.call import Call
from scalr_tasks.registry.catalog import AnyTask, Catalog
from scalr_tasks.registry.check import Finding
from scalr_tasks.registry.codec import ArqCodec
from scalr_tasks.registry.declaring import Declares
from scalr_tasks.registry.lifespan import LifespanHost
from scalr_tasks.registry.queue import Queue
from scalr_tasks.registry.queues import Queues
from scalr_tasks.settings import Settings

if TYPE_CHECKING:
    from scalr_tasks.registry.compile import ArqPool

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", default=Any)
Q = TypeVar("Q", bound=str, default=str)

_registries: "WeakSet[Registry[Any, Any]]" = WeakSet()


class Registry(Declares[S, Q]):
    """The tasks of an app, their queues, and what their workers share.

        registry = Registry[AppState](
            "invoices", queues=[Queue("default"), Queue("bulk", concurrency=50)], lifespan=lifespan
        )

        @registry.task(retries=3, queue="bulk")
        async def send_invoice_email(ctx: Context[AppState], invoice_id: int) -> None: ...

    Args:
        name: 1 to 128 letters, digits, `_`, `-`, `.`.
        queues: every queue that tasks and calls may name; `[Queue("default")]` where left out.
        lifespan: called without arguments; what its async context manager yields is `ctx.state`.
        middleware: `async def around(ctx, call_next)`, the first in the list is the outermost.
        settings: how Redis is reached; read from the environment at the first use where left out.
        read_pickle: whether workers run jobs that plain arq has pickled, of plain values only; else they park them.

    Raises:
        DefinitionError: the name or a queue cannot be used.
    """

    def __init__(
        self,
        name: str = "default",
        *,
        queues: Sequence[Q | Queue] = (),
        lifespan: Callable[[], AbstractAsyncContextManager[S]] | None = None,
        middleware: Sequence[Middleware] = (),
        settings: Settings | None = None,
        read_pickle: bool = False,
    ) -> None:
        problem = name_problem(name)
        if problem:
            raise DefinitionError(f"registry name {name!r} {problem}")
        self._settings = settings
        self._read_pickle = read_pickle
        self._middleware = tuple(middleware)
        self._catalog = Catalog(
            name,
            queues=Queues(name, queues or [Queue("default")], is_open=False),
            lifespan=LifespanHost(name, lifespan),
            brokers=RegistryBrokers(name, RedisBrokers(self._the_settings), self.snapshot),
        )
        _registries.add(self)

    @property
    def name(self) -> str:
        """Name of the registry."""
        return self._catalog.name

    @property
    def tasks(self) -> Mapping[str, AnyTask]:
        """Every task by its name; a view that grows with the registry."""
        return self._catalog.handles

    @property
    def queues(self) -> Mapping[str, Queue]:
        """Every queue by its name."""
        return self._catalog.queues.by_name

    # -- calling -------------------------------------------------------------------------

    async def enqueue(self, name: str, /, *args: Any, **kwargs: Any) -> Job[Any]:
        """Enqueue a task by its name; checked here at run time, and by the mypy plugin before.

            job = await registry.enqueue("send_invoice_email", invoice_id=1)

        Raises:
            UnknownTaskError: no task of that name is declared; with the nearest name.
            InvalidArgumentsError: an argument is missing, unknown or of the wrong type.
            BrokerUnavailableError: Redis did not answer in time.
        """
        return await self._find(name).enqueue(*args, **kwargs)

    async def enqueue_many(self, calls: Iterable[Call[R]]) -> list[Job[R]]:
        """Send many calls, as `scalr_tasks.enqueue_many` does."""
        return await enqueue_many(calls)

    def job(self, job_id: str) -> Job[object]:
        """Return a handle to a job of any task; its result is read as the type of the task that has ended.

        await registry.job("inv-1").status()
        """
        return self._catalog.job(job_id)

    def _find(self, name: str) -> AnyTask:
        handle = self.tasks.get(name)
        if handle is None:
            raise UnknownTaskError(name, self.tasks)
        return handle

    # -- checking and running ------------------------------------------------------------

    def check(self) -> list[Finding]:
        """Return everything that is wrong with the declarations, and what is probably not meant.

            assert not registry.check()

        Pending annotations are resolved first. Nothing is raised, and no Redis is needed.
        """
        errors = [Finding("error", str(each), each.task, each.where) for each in self._catalog.errors()]
        return errors + self._catalog.warnings()

    def app(self) -> App:
        """Freeze the registry, and return it as an engine sees it.

        Raises:
            DefinitionError: a task cannot run; `MissingImplementationError` is a kind of it.
        """
        for error in self._catalog.errors():
            raise error
        self._catalog.frozen = True
        return self.snapshot()

    def worker_settings(self, queue: Queue | Q | None = None) -> type:
        """Freeze the registry, and return the settings class of one queue for plain arq.

            class BulkSettings: ...  # in other words
            BulkSettings = registry.worker_settings("bulk")  # arq app.tasks.BulkSettings

        Args:
            queue: the queue, `default` where left out.

        Raises:
            DefinitionError: a task cannot run.
            UnknownQueueError: the registry declares no such queue.
        """
        from scalr_tasks.registry.compile import compile_queue  # noqa: PLC0415  producers never load arq

        return compile_queue(self.app(), self._catalog.queues.find(queue or "default"))

    def compile(self) -> dict[str, type]:
        """Freeze the registry, and return the settings classes of all queues by the queue's name.

        Raises:
            DefinitionError: a task cannot run.
        """
        from scalr_tasks.registry.compile import compile_queue  # noqa: PLC0415  likewise

        app = self.app()
        return {name: compile_queue(app, queue) for name, queue in app.queues.items()}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[S]:
        """Run the lifespan in this event loop, so that direct calls have their state; yields the state.

        async with registry.running():
            await send_invoice_email(1)
        """
        state = await self._catalog.lifespan.acquire()
        try:
            yield cast("S", state)
        finally:
            await self._catalog.lifespan.release()

    # -- for plain arq -------------------------------------------------------------------

    @property
    def arq_serializer(self) -> Callable[[dict[str, Any]], bytes]:
        """The `job_serializer` for a plain arq client or worker beside us."""
        return ArqCodec(self._catalog.declarations).serialize

    @property
    def arq_deserializer(self) -> Callable[[bytes], dict[str, Any]]:
        """The `job_deserializer` for a plain arq client or worker beside us."""
        return ArqCodec(self._catalog.declarations).deserialize

    async def arq_pool(self, queue: Queue | Q | None = None) -> "ArqPool":
        """Return a plain arq client that writes and reads what we do, on one queue.

        Raises:
            BrokerUnavailableError: Redis did not answer.
            UnknownQueueError: the registry declares no such queue.
        """
        from scalr_tasks.registry.compile import arq_pool  # noqa: PLC0415  producers never load arq

        return await arq_pool(self.snapshot(), self._catalog.queues.find(queue or "default"))

    # -- clients -------------------------------------------------------------------------

    @property
    def brokers(self) -> RegistryBrokers:
        """Where its jobs go: its own Redis, or what a test run has put in its place."""
        return self._catalog.brokers

    def broker(self) -> RedisBroker:
        """Return the broker of the running event loop."""
        return self._catalog.brokers.own.broker()

    async def close(self) -> None:
        """Close the connections of this event loop, and those of threads; the next use opens new ones."""
        own = self._catalog.brokers.own
        own.close_blocking()
        await own.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Registry {self.name!r}: {len(self.tasks)} tasks on queues {', '.join(self.queues)}>"

    # -- inside --------------------------------------------------------------------------

    def snapshot(self) -> App:
        """Return the registry as an engine sees it, not frozen: its tasks and queues grow with it."""
        catalog = self._catalog
        return App(
            name=catalog.name,
            queues=catalog.queues.by_name,
            declarations=catalog.declarations,
            lifespan=catalog.lifespan,
            middleware=self._middleware,
            settings=self._the_settings,
            read_pickle=self._read_pickle,
        )

    def _the_settings(self) -> Settings:
        if self._settings is None:
            self._settings = Settings.from_env()
        return self._settings


class _OpenRegistry(Registry[Any, str]):
    """A registry in which a task declares the queue that it names."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._catalog.queues = Queues(name, [Queue("default")], is_open=True)


default_registry: Final[Registry[Any, str]] = _OpenRegistry("default")
"""Where the bare `@task` declares; open, so a queue named in `@task` is declared by it."""


def all_registries() -> list[Registry[Any, Any]]:
    """Return every registry of this process that is still in use."""
    return list(_registries)
