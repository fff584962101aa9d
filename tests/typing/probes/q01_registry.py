"""Everything that a Registry offers, by the types that it has."""
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, assert_type

from scalr_tasks import (
    AsyncTask, Backoff, Call, Context, Finding, Job, JobState, Queue, Registry, Settings, SyncTask, Task, default_registry,
    enqueue, enqueue_many, enqueue_many_sync, task,
)


@dataclass
class AppState:
    dsn: str


@dataclass
class OtherState:
    n: int


@asynccontextmanager
async def lifespan() -> AsyncIterator[AppState]:
    yield AppState("dsn")


@asynccontextmanager
async def other_lifespan() -> AsyncIterator[OtherState]:
    yield OtherState(1)


async def around(ctx: Context[Any], call_next: Callable[[], Any]) -> Any:
    return await call_next()


app = Registry[AppState]("app", queues=[Queue("default"), Queue("bulk", concurrency=50)], lifespan=lifespan, middleware=[around], settings=Settings())
bad_lifespan = Registry[AppState]("app", lifespan=other_lifespan)  # E
bad_queue = Registry("app", queues=[1])  # E
bad_concurrency = Queue("bulk", concurrency="5")  # E


@app.task(
    name="mail.send", queue=Queue("bulk"), retries=3, timeout=timedelta(minutes=1), backoff=Backoff(first=2), retry_on=OSError,
    give_up_on=(ValueError, KeyError), keep_result=0, expires=60, cron="0 3 * * *", timezone="Europe/Vienna", catch_up="once",
    overlap="skip", strict=False, version=2,
)
async def every_option(ctx: Context[AppState], a: int = 1) -> str: return ctx.state.dsn
@app.task(ctx=False, backoff=0.5, retry_on=(OSError,), queue="bulk")
def every_option_sync(a: int) -> bytes: return b""
@app.task  # E@def
async def wrong_state(ctx: Context[OtherState]) -> None: ...
@app.task(catch_up="twice")  # E
async def bad_catch_up(ctx: Context) -> None: ...
@app.task(retry_on="OSError")  # E
async def bad_retry_on(ctx: Context) -> None: ...
@task(version="2")  # E
async def bad_version(ctx: Context) -> None: ...


async def main() -> None:
    assert_type(every_option, AsyncTask[[int], str])  # W a default has no spelling in a list of types
    assert_type(every_option_sync(1), bytes)
    async with app as same, app.running() as state:
        assert_type(same, Registry[AppState, str])
        assert_type(state, AppState)
    assert_type(app.check(), list[Finding])
    assert_type(app.worker_settings("bulk"), type)
    assert_type(app.compile(), dict[str, type])
    assert_type(app.job("x"), Job[object])
    assert_type(await app.job("x").result(), object)
    assert_type(await app.enqueue("mail.send", a=1), Job[Any])
    assert_type(await enqueue("mail.send"), Job[Any])
    assert_type(app.tasks["mail.send"].name, str)
    assert_type(default_registry.queues["default"], Queue)
    app.enqueue("mail.send")  # E
    app.name = "x"  # E
    app.close()  # E


async def many() -> None:
    assert_type(every_option.call(1), Call[str])
    assert_type(await enqueue_many(every_option.call(a) for a in range(3)), list[Job[str]])
    assert_type(await app.enqueue_many([every_option_sync.call(1)]), list[Job[bytes]])
    assert_type(enqueue_many_sync([every_option.call()]), list[Job[str]])
    assert_type(await every_option.call().enqueue(), Job[str])
    every_option.call("x")  # E
    await enqueue_many([every_option])  # E
    await enqueue_many(every_option.call())  # E
    enqueue_many([every_option.call()])  # E


async def jobs() -> None:
    job = every_option.job("inv-1")
    assert_type(job, Job[str])
    assert_type(await job.status(), JobState)
    assert_type(job.result_sync(timeout=1), str)
    assert_type(job.status_sync(), JobState)
    assert_type(await job.abort(), bool)
    assert_type(job.duplicate, bool)
    job.job_id = "x"  # E


def any_task_of(task: Task[..., str]) -> str: return task.name
def names(tasks: list[Task[..., Any]]) -> list[str]: return [each.name for each in tasks]
def probe(sync: SyncTask[[int], bytes]) -> None:
    any_task_of(every_option)
    names([every_option, every_option_sync, sync])
    any_task_of(every_option_sync)  # E
