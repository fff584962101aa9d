"""A registry of each kind of task, for the tests of the kit."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from scalr_tasks import Backoff, Context, GiveUp, Queue, Registry, Retry, Snooze


@dataclass
class Till:
    """The state of the tasks: what has been rung up."""

    rung: list[str] = field(default_factory=list)
    open: bool = True


tills: list[Till] = []


@asynccontextmanager
async def lifespan() -> AsyncIterator[Till]:
    till = Till()
    tills.append(till)
    yield till
    till.open = False


around: list[str] = []


async def middleware(ctx: Context[Any], call_next: Any) -> Any:
    around.append(f"before {ctx.task}")
    result = await call_next()
    around.append(f"after {ctx.task}")
    return result


class DeclinedError(Exception):
    """The card is declined."""


shop = Registry[Till]("shop", queues=[Queue("default"), Queue("bulk")], lifespan=lifespan, middleware=[middleware])


@shop.task(retries=2, backoff=Backoff(first=1, factor=2))
async def sell(ctx: Context[Till], item: str, count: int = 1) -> str:
    ctx.state.rung.append(item)
    return f"{count} {item} at attempt {ctx.attempt}"


@shop.task(retries=2, backoff=Backoff(first=1, factor=2))
async def charge(ctx: Context[Till], amount: int) -> None:
    raise DeclinedError("no cover")


@shop.task(queue="bulk")
def weigh(ctx: Context[Till], grams: int) -> float:
    return grams / 1000


@shop.task
async def order(ctx: Context[Till], items: list[str]) -> int:
    for item in items:
        await sell.enqueue(item)
    return len(items)


@shop.task
async def order_and_wait(ctx: Context[Till], item: str) -> str:
    job = await sell.enqueue(item)
    return "got " + await job.result()


@shop.task
def order_from_thread(ctx: Context[Till], item: str) -> str:
    return "got " + sell.enqueue_sync(item).result_sync()


@shop.task
async def repeat(ctx: Context[Till]) -> None:
    await repeat.enqueue()


@shop.task(retries=5)
async def steer(ctx: Context[Till], how: str) -> str:
    if how == "retry" and ctx.attempt == 1:
        raise Retry(delay=30)
    if how == "give up":
        raise GiveUp("the customer is gone")
    if how == "snooze" and ctx.attempt == 1 and len(around) < 2:
        raise Snooze(delay=60)
    return f"attempt {ctx.attempt}"


@shop.task
async def look(ctx: Context[Till], key: str) -> str:
    found: object = await ctx.redis.get(key)
    return str(found)


@shop.task(cron="0 3 * * *", timezone="Europe/Vienna", retries=1, backoff=3600)
async def close_the_till(ctx: Context[Till]) -> str:
    return ctx.enqueued_at.isoformat()


other = Registry("other")


@other.task(ctx=False)
async def elsewhere() -> None: ...
