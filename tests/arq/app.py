"""The app that the real `arq` CLI runs in these tests.

Its tasks tell what happens by pushing words to the Redis list `said`, so that
a test waits for a word and never sleeps.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import redis as blocking_redis

from scalr_tasks import Context, GiveUp, Queue, Registry, Retry, Snooze


@dataclass
class State:
    greeting: str


@asynccontextmanager
async def lifespan() -> AsyncIterator[State]:
    async with asyncio.timeout(3600):  # breaks where another task leaves it
        tell("lifespan entered")
        yield State("hello")
        tell("lifespan left")


def tell(word: str) -> None:
    with blocking_redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        client.rpush("said", word)


async def around(ctx: Context[Any], call_next: Any) -> Any:
    result = await call_next()
    if ctx.task == "greet":
        tell(f"middleware saw {result!r}")
    return result


registry = Registry[State](
    "arq-tests",
    queues=[
        Queue("default", poll_delay=0.05),
        Queue("bulk", concurrency=1, poll_delay=0.05),
        # Apart, because a burst would never find a queue empty on which a task is due each second.
        Queue("clock", poll_delay=0.05),
    ],
    lifespan=lifespan,
    middleware=[around],
)
task = registry.task


async def say(ctx: Context[Any], word: str) -> None:
    await ctx.redis.rpush("said", word)


@task
async def add(ctx: Context[State], a: int, b: int = 1) -> int:
    return a + b


@task
async def greet(ctx: Context[State]) -> str:
    return f"{ctx.state.greeting} {ctx['greeting']} attempt {ctx.attempt}"


@task(retries=2, backoff=0.1)
async def flaky(ctx: Context[State], fail_times: int) -> int:
    await say(ctx, f"flaky {ctx.attempt}")
    if ctx.attempt <= fail_times:
        raise ValueError(f"attempt {ctx.attempt} fails")
    return ctx.attempt


@task
async def asks_retry(ctx: Context[State]) -> int:
    await say(ctx, f"asks_retry {ctx.attempt}")
    if ctx.attempt == 1:
        raise Retry(delay=0.1)
    return ctx.attempt


@task
async def snoozes(ctx: Context[State], times: int) -> int:
    snoozed = await ctx.redis.incr("snoozed")
    await say(ctx, f"snoozes {ctx.attempt}")
    if snoozed <= times:
        raise Snooze(delay=0.1)
    return ctx.attempt


@task
async def gives_up(ctx: Context[State]) -> None:
    raise GiveUp("the customer is gone")


@task(timeout=0.2, retries=0)
async def slow(ctx: Context[State]) -> str:
    await say(ctx, "slow started")
    await asyncio.Event().wait()
    return "never"


@task(timeout=0.2, retries=0)
async def waits_as_long_as_told(ctx: Context[State], seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "ended"


@task
async def runs_until_told(ctx: Context[State]) -> str:
    await say(ctx, f"runs_until_told attempt {ctx.attempt}")
    await ctx.redis.blpop(["go on"], timeout=60)
    return f"attempt {ctx.attempt}"


@task
async def kills_its_worker(ctx: Context[State]) -> None:
    await say(ctx, "dying")
    os._exit(9)


@task(retries=0)
async def misbehaves(ctx: Context[State], how: str) -> str | None:
    match how:
        case "BaseException":
            raise BaseException("bare")
        case "SystemExit":
            raise SystemExit(3)
        case "KeyboardInterrupt":
            raise KeyboardInterrupt
        case "CancelledError":
            raise asyncio.CancelledError
        case "bad repr":
            raise BadRepr
        case "huge":
            return "x" * 5_000_000
        case "unserialisable":
            return object()  # type: ignore[return-value]
    return how


class BadRepr(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


@task
def in_thread(ctx: Context[State], word: str) -> str:
    return f"{word} from {'a thread' if threading.current_thread() is not threading.main_thread() else 'main'}"


@task(timeout=0.3, retries=1, backoff=0)
def overstays(ctx: Context[State], seconds: float) -> None:
    tell(f"overstays in {ctx.attempt}")
    threading.Event().wait(seconds)
    tell(f"overstays out {ctx.attempt}")


@task(keep_result=0)
async def keeps_nothing(ctx: Context[State]) -> int:
    await say(ctx, "keeps_nothing ran")
    return 1


@task(queue="bulk")
async def on_bulk(ctx: Context[State], number: int) -> int:
    return number * 2


@task(queue="clock", cron="* * * * * *")
async def ticks(ctx: Context[State]) -> None:
    await say(ctx, f"tick {ctx.job_id}")


DefaultSettings = registry.worker_settings("default")
BulkSettings = registry.worker_settings("bulk")
ClockSettings = registry.worker_settings("clock")
