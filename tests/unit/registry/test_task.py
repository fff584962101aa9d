"""`task.py`: a handle enqueues, or runs the function here."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from scalr_tasks import (
    Context,
    ContextUnavailableError,
    InvalidArgumentsError,
    JobIdConflictError,
    JobState,
    Registry,
    RunningLoopError,
    Settings,
    StateUnavailableError,
    UnknownQueueError,
    current_context,
)
from scalr_tasks.attempt.context import ContextFacts, entered
from scalr_tasks.envelope import Overrides, read


@dataclass
class AppState:
    greeting: str


# -- enqueue -----------------------------------------------------------------------------


async def test_enqueue_stores_one_readable_job(registry: Registry, redis: Redis) -> None:
    @registry.task(queue="bulk")
    async def send(ctx: Context, invoice_id: int, subject: str = "") -> None: ...

    job = await send.enqueue(1, subject="x")

    envelope = read(await redis.get(f"arq:job:{job.job_id}"))
    assert (envelope.task, envelope.arguments) == ("send", b'{"invoice_id":1,"subject":"x"}')
    assert await redis.zrange("arq:queue:bulk", 0, -1) == [job.job_id.encode()]
    assert (len(job.job_id), job.duplicate, job.task) == (20, False, "send")
    assert await job.status() is JobState.QUEUED


async def test_a_bad_call_stores_nothing(registry: Registry, redis: Redis) -> None:
    @registry.task
    async def send(ctx: Context, invoice_id: int) -> None: ...

    with pytest.raises(InvalidArgumentsError):
        await send.enqueue("1")  # type: ignore[arg-type]  # what is tested

    assert await redis.keys("*") == []


async def test_arguments_may_be_called_like_options(registry: Registry, redis: Redis) -> None:
    @registry.task
    async def send(ctx: Context, delay: int, queue: str, name: str, fn: int) -> None: ...

    job = await send.using(delay=60, queue="bulk").enqueue(delay=3, queue="mine", name="x", fn=1)

    envelope = read(await redis.get(f"arq:job:{job.job_id}"))
    assert envelope.arguments == b'{"delay":3,"queue":"mine","name":"x","fn":1}'
    assert await job.status() is JobState.DEFERRED


async def test_the_options_of_a_call_stand_in_its_head(registry: Registry, redis: Redis) -> None:
    @registry.task(retries=3, version=2)
    async def send(ctx: Context) -> None: ...

    job = await send.using(retries=0, timeout=timedelta(seconds=5), expires=60).enqueue()

    envelope = read(await redis.get(f"arq:job:{job.job_id}"))
    assert envelope.overrides == Overrides(retries=0, timeout_ms=5_000)
    assert envelope.task_version == 2
    assert envelope.expires_at_ms == envelope.enqueued_at_ms + 60_000


async def test_the_tasks_own_options_do_not_stand_in_the_head(registry: Registry, redis: Redis) -> None:
    @registry.task(retries=3, timeout=5, expires=60)
    async def send(ctx: Context) -> None: ...

    job = await send.enqueue()

    envelope = read(await redis.get(f"arq:job:{job.job_id}"))
    assert envelope.overrides == Overrides()
    assert envelope.expires_at_ms == envelope.enqueued_at_ms + 60_000


async def test_at_is_when_the_job_is_due(registry: Registry, redis: Redis) -> None:
    @registry.task
    async def send(ctx: Context) -> None: ...

    at = datetime(2100, 1, 1, tzinfo=UTC)
    job = await send.using(at=at).enqueue()

    assert await redis.zscore("arq:queue:default", job.job_id) == at.timestamp() * 1000


async def test_an_id_that_is_taken_answers_the_job_that_has_it(registry: Registry, redis: Redis) -> None:
    @registry.task
    async def send(ctx: Context, invoice_id: int) -> None: ...

    first = await send.using(job_id="inv-1").enqueue(1)
    second = await send.using(job_id="inv-1").enqueue(2)

    assert (first.duplicate, second.duplicate, second.job_id) == (False, True, "inv-1")
    assert read(await redis.get("arq:job:inv-1")).arguments == b'{"invoice_id":1}'


async def test_an_id_of_another_task_is_a_conflict(registry: Registry) -> None:
    @registry.task
    async def send(ctx: Context) -> None: ...
    @registry.task
    async def render(ctx: Context) -> None: ...

    await send.using(job_id="one").enqueue()

    with pytest.raises(JobIdConflictError, match="job id 'one' of task 'render' is taken by a job of task 'send'"):
        await render.using(job_id="one").enqueue()


async def test_using_leaves_the_handle_as_it_was(registry: Registry) -> None:
    @registry.task
    async def send(ctx: Context) -> None: ...

    changed = send.using(queue="bulk", delay=5)

    assert (send.queue, changed.queue) == ("default", "bulk")
    assert type(changed) is type(send)
    assert send.call().new.delay_ms == 0


async def test_using_takes_declared_queues_only(registry: Registry) -> None:
    @registry.task
    async def send(ctx: Context) -> None: ...

    with pytest.raises(UnknownQueueError, match=r"declares no queue 'bluk' \(task 'send'\); did you mean 'bulk'"):
        send.using(queue="bluk")


async def test_a_handle_cannot_be_changed(registry: Registry) -> None:
    @registry.task
    async def send(ctx: Context) -> None: ...

    with pytest.raises(AttributeError, match=r"task 'send' cannot be changed; \.using\(queue=\.\.\.\) returns"):
        send.queue = "bulk"  # type: ignore[misc]  # what is tested
    with pytest.raises(AttributeError, match="task 'send' cannot be changed"):
        del send._options


async def test_a_handle_in_a_class_binds_no_self(registry: Registry) -> None:
    class Mail:
        @staticmethod
        @registry.task
        async def send(ctx: Context, invoice_id: int) -> int:
            return invoice_id

    assert await Mail().send(1) == 1
    assert Mail().send is Mail.send


async def test_a_handle_shows_what_it_is(registry: Registry) -> None:
    @registry.task(queue="bulk")
    async def send(ctx: Context, invoice_id: int) -> None: ...

    assert repr(send) == "<AsyncTask send(invoice_id: int) on queue 'bulk'>"


async def test_a_handle_to_an_old_job_is_typed_by_the_task(registry: Registry) -> None:
    @registry.task(queue="bulk")
    async def send(ctx: Context) -> None: ...

    await send.using(job_id="inv-1").enqueue()

    assert await send.job("inv-1").status() is JobState.QUEUED


# -- without an event loop ---------------------------------------------------------------


@pytest.fixture
def closing(threads_registry: Registry) -> Iterator[Registry]:
    yield threads_registry
    asyncio.run(threads_registry.close())


def test_enqueue_sync_stores_the_same_job(closing: Registry) -> None:
    @closing.task
    def render(ctx: Context, invoice_id: int) -> bytes:
        return b"x"

    job = render.enqueue_sync(invoice_id=1)

    assert job.status_sync() is JobState.QUEUED


async def test_enqueue_sync_in_an_event_loop_is_refused_before_it_is_validated(registry: Registry) -> None:
    @registry.task
    async def send(ctx: Context) -> None: ...

    with pytest.raises(RunningLoopError, match=r"send\.enqueue_sync would block .*; await send\.enqueue\(\.\.\.\)"):
        send.enqueue_sync()
    with pytest.raises(RunningLoopError, match=r"await call\.enqueue\(\)"):
        send.call().enqueue_sync()


# -- direct calls ------------------------------------------------------------------------


async def test_calling_an_async_task_runs_its_function_here(registry: Registry, redis: Redis) -> None:
    @registry.task
    async def send(ctx: Context, invoice_id: int) -> str:
        return f"{ctx.task} {ctx.queue} {ctx.attempt} {invoice_id}"

    assert await send(invoice_id=1) == "send default 1 1"
    assert await redis.keys("*") == []


def test_calling_a_sync_task_runs_its_function_here(closing: Registry) -> None:
    @closing.task(ctx=False)
    def render(width: int) -> bytes:
        return b"x" * width

    assert render(3) == b"xxx"


async def test_a_direct_call_outside_a_lifespan_has_no_state(registry: Registry) -> None:
    @registry.task
    async def send(ctx: Context[AppState]) -> str:
        return ctx.state.greeting

    with pytest.raises(StateUnavailableError, match=r"async with registry\.running\(\)"):
        await send()


async def test_a_direct_call_under_running_has_the_state(redis_url: str) -> None:
    @asynccontextmanager
    async def lifespan() -> AsyncIterator[AppState]:
        yield AppState("hello")

    registry = Registry("app", lifespan=lifespan, settings=Settings(redis=redis_url))

    @registry.task
    async def send(ctx: Context[AppState]) -> str:
        return ctx.state.greeting

    async with registry.running() as state:
        assert state.greeting == "hello"
        assert await send() == "hello"
    with pytest.raises(StateUnavailableError):
        await send()


async def test_a_direct_call_inside_a_job_shares_its_state(registry: Registry) -> None:
    @registry.task
    async def inner(ctx: Context[AppState]) -> tuple[str, str, str, int]:
        return ctx.state.greeting, ctx.job_id, ctx.task, ctx.attempt

    facts = ContextFacts(job_id="job-1", task="outer", queue="bulk", registry="app", attempt=3)
    with entered(Context(facts, state=AppState("shared"))):
        assert await inner() == ("shared", "job-1", "inner", 3)


async def test_a_direct_call_of_another_registry_does_not_share_it(registry: Registry) -> None:
    @registry.task
    async def inner(ctx: Context[AppState]) -> str:
        return ctx.state.greeting

    facts = ContextFacts(job_id="job-1", task="outer", queue="bulk", registry="elsewhere")
    with entered(Context(facts, state=AppState("theirs"))), pytest.raises(StateUnavailableError):
        await inner()


async def test_a_direct_call_has_a_current_context_and_leaves_none(registry: Registry) -> None:
    @registry.task(ctx=False)
    async def send() -> str:
        return current_context().task

    assert await send() == "send"
    with pytest.raises(ContextUnavailableError):
        current_context()


async def test_a_direct_call_says_that_it_has_no_workers_client(registry: Registry) -> None:
    @registry.task
    async def send(ctx: Context) -> None:
        await ctx.redis.ping()

    with pytest.raises(ContextUnavailableError, match="a task that was called directly"):
        await send()
