"""One call of a task, validated and not sent yet: `Call`. Every enqueue sends one.

The id is made with the call, so sending a call twice stores one job: after an
error, a batch may simply be sent again.

Reads next: `batch.py` for many of them, `broker/base.py` for where they go.
"""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from os import urandom
from types import FrameType
from typing import Any, Generic, Protocol, TypeVar

from scalr_tasks.broker.base import Brokers, NewJob, Stored
from scalr_tasks.errors import JobIdConflictError, RunningLoopError
from scalr_tasks.jobs.job import Job
from scalr_tasks.registry.declaration import Declaration
from scalr_tasks.registry.lifespan import LifespanHost
from scalr_tasks.registry.queue import Queue

R_co = TypeVar("R_co", covariant=True)


class Home(Protocol):
    """What a handle needs of its registry."""

    @property
    def name(self) -> str:
        """Name of the registry."""
        ...

    @property
    def declarations(self) -> Mapping[str, Declaration]:
        """Every task, as it is now: an implementation may have been added."""
        ...

    @property
    def brokers(self) -> Brokers:
        """Where its jobs are stored."""
        ...

    @property
    def lifespan(self) -> LifespanHost:
        """Where the state of direct calls comes from."""
        ...

    def find_queue(self, queue: Queue | str, *, task: str) -> Queue:
        """Return a declared queue; raises `UnknownQueueError`."""
        ...

    def queue_keys(self, first: str) -> Sequence[str]:
        """Return the Redis keys of all queues, that of the queue `first` in front."""
        ...

    def implement(self, name: str, function: Callable[..., Any]) -> Declaration:
        """Give a declared task its function."""
        ...

    def upgrade(self, name: str, from_version: int, function: Callable[..., Any], frame: FrameType) -> None:
        """Let a task read the payloads of an older version."""
        ...


def new_ids() -> tuple[str, str]:
    """Return a job id of 20 characters, the first of them no dash, and a nonce of 12."""
    token = urlsafe_b64encode(urandom(24)).decode()
    # A command line takes `scalr-tasks dead retry -aF3…` for an option.
    return new_ids() if token[0] == "-" else (token[:20], token[20:])


class Call(Generic[R_co]):
    """A call whose arguments are validated and which is not sent yet.

    jobs = await enqueue_many(send_invoice_email.call(invoice_id=i) for i in ids)
    """

    __slots__ = ("_home", "_new", "_read_result")

    def __init__(self, home: Home, new: NewJob, read_result: Callable[[bytes, str], R_co]) -> None:
        self._home = home
        self._new = new
        self._read_result = read_result

    @property
    def job_id(self) -> str:
        """Id that the job will have."""
        return self._new.job_id

    @property
    def task(self) -> str:
        """Name of the task."""
        return self._new.task

    async def enqueue(self) -> Job[R_co]:
        """Send the call, and return a handle to its job; sending it again answers the same job.

        Raises:
            JobIdConflictError: a job of another task has the id.
            BrokerUnavailableError: Redis did not answer in time.
        """
        (stored,) = await self._home.brokers.broker().enqueue((self._new,))
        return self.job_of(stored)

    def enqueue_sync(self) -> Job[R_co]:
        """Send the call from a thread without an event loop; otherwise like `enqueue`.

        Raises:
            RunningLoopError: an event loop is running in this thread.
        """
        refuse_running_loop("Call.enqueue_sync", "call.enqueue()")
        (stored,) = self._home.brokers.blocking().enqueue((self._new,))
        return self.job_of(stored)

    # -- for batch.py --------------------------------------------------------------------

    @property
    def home(self) -> Home:
        """The registry of the task."""
        return self._home

    @property
    def new(self) -> NewJob:
        """The job as it is stored."""
        return self._new

    def job_of(self, stored: Stored) -> Job[R_co]:
        """Return the handle for an answer of the broker.

        Raises:
            JobIdConflictError: a job of another task has the id.
        """
        new = self._new
        if not stored.created and stored.holder != new.task:
            raise JobIdConflictError(new.job_id, task=new.task, holder=stored.holder)
        return Job(
            new.job_id,
            task=new.task,
            queue_keys=(new.queue_key,),
            brokers=self._home.brokers,
            read_result=self._read_result,
            duplicate=not stored.created,
        )

    def __repr__(self) -> str:
        return f"<Call of {self._new.task} job {self._new.job_id}>"


def refuse_running_loop(method: str, instead: str) -> None:
    """Refuse a blocking call where it would stop an event loop.

    Raises:
        RunningLoopError: an event loop is running in this thread.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RunningLoopError(method, instead)
