"""Handle of a declared task: `Task.enqueue` puts one job on the queue.

A `Task` is what `@task` leaves in place of the function. It is immutable:
`using` returns a changed copy, so requests may share a handle. Calling the
handle runs the function here, without Redis.

Reads next: `call.py` for one call, `arguments.py` for how it is written.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Generic, NoReturn, ParamSpec, Self, TypeVar

from scalr_tasks.attempt.context import Context, ContextFacts, derived, entered, running_context
from scalr_tasks.broker.base import NewJob
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.envelope import write_head
from scalr_tasks.errors import MissingImplementationError
from scalr_tasks.jobs.job import Job
from scalr_tasks.policy import Backoff
from scalr_tasks.registry.call import Call, Home, new_ids, refuse_running_loop
from scalr_tasks.registry.declaration import Declaration
from scalr_tasks.registry.options import NO_OPTIONS, CallOptions
from scalr_tasks.registry.queue import Queue

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
UpgradeFunction = TypeVar("UpgradeFunction", bound=Callable[..., Call[Any]])


class Task(Generic[P, R_co]):
    """A declared task, typed by its parameters and its result; made by `@task`, not by hand.

        @task(retries=3, queue="bulk")
        async def send_invoice_email(ctx: Context, invoice_id: int) -> None: ...

        job = await send_invoice_email.enqueue(invoice_id=1)

    `Task[..., str]` is the type of any task that returns a `str`.
    """

    __slots__ = ("__weakref__", "_declaration", "_head", "_home", "_options")

    _declaration: Declaration
    _home: Home
    _options: CallOptions
    _head: tuple[bytes, bytes]

    def __init__(self, declaration: Declaration, home: Home, options: CallOptions = NO_OPTIONS) -> None:
        # The nonce stands between two constant parts; no name can hold the mark.
        head = write_head(declaration.name, "?", task_version=declaration.version, overrides=options.overrides)
        before, _, after = head.partition(b"?")
        for name, value in (
            ("_declaration", declaration),
            ("_home", home),
            ("_options", options),
            ("_head", (before, after)),
        ):
            object.__setattr__(self, name, value)

    # -- what it is ----------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the task, as it stands in Redis."""
        return self._declaration.name

    @property
    def queue(self) -> str:
        """Name of the queue that its jobs go to."""
        return self._options.queue or self._declaration.queue

    @property
    def signature(self) -> str:
        """The parameters as callers see them: `(invoice_id: int, subject: str = '')`."""
        return self._declaration.arguments.text

    @property
    def declaration(self) -> Declaration:
        """Everything that is known of the task; with its function, where that was added later."""
        return self._home.declarations.get(self.name, self._declaration)

    # -- enqueue -------------------------------------------------------------------------

    async def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job[R_co]:
        """Put one job of this task on its queue and return a handle to it.

        Arguments are validated here, in the caller's process, so a bad call
        never reaches a worker.

            job = await send_invoice_email.enqueue(invoice_id=1)

        Raises:
            InvalidArgumentsError: one is missing, unknown or of the wrong type.
            NotSerialisableError: a value has no JSON form, or there is too much of it.
            JobIdConflictError: the id that `using` gave is taken by a job of another task.
            BrokerUnavailableError: Redis did not answer in `enqueue_timeout_s`.
        """
        return await self.call(*args, **kwargs).enqueue()

    def enqueue_sync(self, /, *args: P.args, **kwargs: P.kwargs) -> Job[R_co]:
        """Put one job on the queue from a thread without an event loop; otherwise like `enqueue`.

            job = send_invoice_email.enqueue_sync(invoice_id=1)

        Raises:
            RunningLoopError: an event loop is running in this thread.
        """
        refuse_running_loop(f"{self.name}.enqueue_sync", f"{self.name}.enqueue(...)")
        return self.call(*args, **kwargs).enqueue_sync()

    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R_co]:
        """Validate a call and return it unsent, for `enqueue_many`.

            jobs = await enqueue_many(send_invoice_email.call(invoice_id=i) for i in ids)

        Raises:
            InvalidArgumentsError: an argument is missing, unknown or of the wrong type.
            NotSerialisableError: a value has no JSON form, or there is too much of it.
        """
        declaration, options = self._declaration, self._options
        arguments = declaration.arguments.write(args, kwargs)
        job_id, nonce = new_ids()
        before, after = self._head
        expires_ms = options.expires_ms
        new = NewJob(
            job_id=options.job_id or job_id,
            task=declaration.name,
            queue_key=self._home.find_queue(options.queue or declaration.queue, task=declaration.name).key,
            head=before + nonce.encode() + after,
            arguments=arguments,
            nonce=nonce,
            delay_ms=options.delay_ms,
            at_ms=options.at_ms,
            expires_ms=declaration.policy.expires_ms if expires_ms is None else expires_ms,
        )
        return Call(self._home, new, declaration.result.read)

    def using(
        self,
        *,
        queue: Queue | str | None = None,
        delay: timedelta | float | None = None,
        at: datetime | None = None,
        job_id: str | None = None,
        retries: int | None = None,
        timeout: timedelta | float | None = None,
        backoff: Backoff | timedelta | float | None = None,
        expires: timedelta | float | None = None,
        keep_result: timedelta | float | None = None,
    ) -> Self:
        """Return a copy of this handle whose calls have these options; what is left out stays as it is.

            await send_invoice_email.using(delay=60, job_id="inv-1").enqueue(invoice_id=1)

        Args:
            queue: where the job goes.
            delay: seconds or `timedelta` until it is due.
            at: when it is due instead; with a time zone.
            job_id: its id, 1 to 512 characters; an id that is taken answers the job that has it.
            retries: further attempts after the first one failed.
            timeout: seconds or `timedelta` that one attempt may take.
            backoff: what to wait between attempts; a number or a `timedelta` is the first delay.
            expires: seconds or `timedelta` after the enqueue, `delay` included, after which it is not started.
            keep_result: seconds or `timedelta` for which the result is kept; 0 keeps none.

        Raises:
            OptionError: an option cannot work.
            UnknownQueueError: the registry declares no such queue.
        """
        options = self._options.changed(
            self.name,
            queue=None if queue is None else self._home.find_queue(queue, task=self.name).name,
            delay=delay,
            at=at,
            job_id=job_id,
            expires=expires,
            retries=retries,
            timeout=timeout,
            backoff=backoff,
            keep_result=keep_result,
        )
        return type(self)(self._declaration, self._home, options)

    def job(self, job_id: str) -> Job[R_co]:
        """Return a typed handle to a job of this task that was enqueued earlier, here or elsewhere.

        await send_invoice_email.job("inv-1").status()
        """
        return Job(
            job_id,
            task=self.name,
            queue_keys=self._home.queue_keys(self.queue),
            brokers=self._home.brokers,
            read_result=self._declaration.result.read,
        )

    def upgrade(self, *, from_version: int) -> Callable[[UpgradeFunction], UpgradeFunction]:
        """Read payloads of an older version: the function takes their arguments, and returns a call of this one.

            @task(version=2)
            async def send_invoice_email(ctx: Context, invoice_id: int, language: str) -> None: ...

            @send_invoice_email.upgrade(from_version=1)
            def from_version_1(invoice: int) -> Call[None]:
                return send_invoice_email.call(invoice_id=invoice, language="de")

        It runs on the worker for every job of that version; each older version has its own.

        Args:
            from_version: the version whose payloads the function takes, 1 or more, below that of the task.

        Raises:
            DefinitionError: the version or the signature cannot work, or the registry is frozen.
        """

        def decorate(function: UpgradeFunction) -> UpgradeFunction:
            self._home.upgrade(self.name, from_version, function, sys._getframe(1))  # noqa: SLF001  forward references
            return function

        return decorate

    # -- run it here ---------------------------------------------------------------------

    @contextmanager
    def _here(self, args: tuple[Any, ...]) -> Iterator[tuple[Declaration, tuple[Any, ...]]]:
        """Give the function, and its arguments with the context of a direct call in front."""
        declaration = self.declaration
        if declaration.function is None:
            raise MissingImplementationError(declaration.name, where=declaration.where)
        context = self._context(declaration)
        with entered(context):
            yield declaration, (context, *args) if declaration.takes_context else args

    def _context(self, declaration: Declaration) -> Context[object]:
        outer = running_context()
        if outer is not None and outer.registry == self._home.name:
            return derived(outer, task=declaration.name)
        now_ms = SYSTEM_CLOCK.now_ms()
        facts = ContextFacts(
            job_id=new_ids()[0],
            task=declaration.name,
            queue=self.queue,
            registry=self._home.name,
            enqueued_at_ms=now_ms,
            deadline_at_ms=now_ms + declaration.policy.timeout_ms,
            score=now_ms,
        )
        return Context(facts, state=self._home.lifespan.current())

    # -- a value -------------------------------------------------------------------------

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"task {self.name!r} cannot be changed; .using({name}=...) returns a changed copy")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"task {self.name!r} cannot be changed")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}{self.signature} on queue {self.queue!r}>"


class AsyncTask(Task[P, R_co]):
    """A task over an `async def`; `await send_invoice_email(1)` runs it here."""

    __slots__ = ()

    async def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the function here and now, without Redis; the context is supplied.

            await send_invoice_email(1)

        Inside a job it shares that job's state; outside, `ctx.state` raises
        `StateUnavailableError` unless `registry.running()` is entered.

        Raises:
            MissingImplementationError: the task was declared, and nothing implements it.
        """
        with self._here(args) as (declaration, given):
            assert declaration.function is not None
            if declaration.is_async:
                result: R_co = await declaration.function(*given, **kwargs)
            else:
                result = await asyncio.to_thread(declaration.function, *given, **kwargs)
            return result


class SyncTask(Task[P, R_co]):
    """A task over a plain `def`, which a worker runs in a thread; `render(1)` runs it here."""

    __slots__ = ()

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the function here and now, in this thread, without Redis; the context is supplied.

        Raises:
            MissingImplementationError: the task was declared, and nothing implements it.
        """
        with self._here(args) as (declaration, given):
            assert declaration.function is not None
            result: R_co = declaration.function(*given, **kwargs)
            return result
