"""What a task function is given as its first argument: `Context`.

Typed attributes for new code; read-only items under arq's names, so that a
function written for arq's `ctx` moves over by changing one annotation.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Generic, cast

from typing_extensions import TypeVar

from scalr_tasks.errors import ContextUnavailableError, StateUnavailableError

if TYPE_CHECKING:
    from redis.asyncio import Redis

S_co = TypeVar("S_co", covariant=True, default=object)


class NoState:
    """Stands for the state where no lifespan is running."""


NO_STATE: Final = NoState()


@dataclass(frozen=True, slots=True)
class ContextFacts:
    """What the engine knows of the attempt; `Context` shows it."""

    job_id: str
    task: str
    queue: str
    registry: str
    attempt: int = 1
    enqueued_at_ms: int = 0
    deadline_at_ms: int = 0
    """When the timeout of this attempt strikes, epoch ms."""
    score: int = 0
    """The due time as arq counts it, epoch ms."""


class Context(Generic[S_co]):
    """The running job, as its function sees it.

        @task
        async def send_invoice_email(ctx: Context[AppState], invoice_id: int) -> None:
            await ctx.state.mailer.send(invoice_id, message_id=ctx.job_id)

    Two contexts are equal only if they are the same object.
    """

    __slots__ = ("_facts", "_log", "_redis", "_state")

    def __init__(self, facts: ContextFacts, *, state: object = NO_STATE, redis: object = None) -> None:
        self._facts = facts
        self._state = state
        self._redis = redis
        self._log: logging.LoggerAdapter[logging.Logger] | None = None

    @property
    def job_id(self) -> str:
        """Id of the job; the same in every attempt."""
        return self._facts.job_id

    @property
    def task(self) -> str:
        """Name of the task."""
        return self._facts.task

    @property
    def queue(self) -> str:
        """Name of the queue that the job came from."""
        return self._facts.queue

    @property
    def registry(self) -> str:
        """Name of the registry that declares the task."""
        return self._facts.registry

    @property
    def attempt(self) -> int:
        """Number of this attempt, from 1: failures, timeouts and `Retry` count, `Snooze`, drains and crashes do not."""
        return self._facts.attempt

    @property
    def enqueued_at(self) -> datetime:
        """When the job was enqueued, by Redis's clock, in UTC."""
        return datetime.fromtimestamp(self._facts.enqueued_at_ms / 1000, UTC)

    @property
    def deadline(self) -> datetime:
        """When the timeout of this attempt strikes, in UTC."""
        return datetime.fromtimestamp(self._facts.deadline_at_ms / 1000, UTC)

    @property
    def state(self) -> S_co:
        """What the registry's lifespan yielded.

        Raises:
            StateUnavailableError: no lifespan is running here.
        """
        if isinstance(self._state, NoState):
            raise StateUnavailableError(self._facts.registry)
        return cast("S_co", self._state)

    @property
    def redis(self) -> "Redis":
        """The worker's Redis client, for the task's own use.

        Raises:
            ContextUnavailableError: the task was called directly, outside a worker.
        """
        if self._redis is None:
            raise ContextUnavailableError("ctx.redis", "a task that was called directly has no worker's client")
        return cast("Redis", self._redis)

    @property
    def log(self) -> "logging.LoggerAdapter[logging.Logger]":
        """A logger `scalr_tasks.task.<task>` whose records carry `job`, `task` and `attempt`."""
        if self._log is None:
            facts = self._facts
            self._log = logging.LoggerAdapter(
                logging.getLogger(f"scalr_tasks.task.{facts.task}"),
                {"job": facts.job_id, "task": facts.task, "attempt": facts.attempt},
            )
        return self._log

    def __getitem__(self, key: str) -> Any:
        """Return one of arq's items (`job_id job_try enqueue_time score redis`), else an item of the state."""
        match key:
            case "job_id":
                return self._facts.job_id
            case "job_try":
                return self._facts.attempt
            case "enqueue_time":
                return self.enqueued_at
            case "score":
                return self._facts.score
            case "redis":
                return self.redis
        state: object = self.state
        if isinstance(state, Mapping):
            return state[key]
        try:
            return getattr(state, key)
        except AttributeError:
            raise KeyError(key) from None

    def get(self, key: str, default: Any = None) -> Any:
        """Return `ctx[key]`, or `default` where there is no such item."""
        try:
            return self[key]
        except (KeyError, StateUnavailableError):
            return default

    def __contains__(self, key: object) -> bool:
        missing = object()
        return isinstance(key, str) and self.get(key, missing) is not missing

    def __repr__(self) -> str:
        facts = self._facts
        return f"<Context of {facts.task} job {facts.job_id} attempt {facts.attempt}>"


def derived(outer: Context[object], *, task: str) -> Context[object]:
    """Return the context of a task that a running job calls directly: the same job, state and client."""
    return Context(replace(outer._facts, task=task), state=outer._state, redis=outer._redis)  # noqa: SLF001  same file


_current: ContextVar[Context[object] | None] = ContextVar("scalr_tasks_context", default=None)


def current_context() -> Context[object]:
    """Return the context of the job that is running here.

    Raises:
        ContextUnavailableError: no job is running here.
    """
    context = _current.get()
    if context is None:
        raise ContextUnavailableError("current_context()", "no job is running here")
    return context


def running_context() -> Context[object] | None:
    """Return the context of the job that is running here, if there is one."""
    return _current.get()


@contextmanager
def entered(context: Context[object]) -> Iterator[None]:
    """Make `context` the current one."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)
