"""`registry/lifespan.py`: one lifespan for an event loop, entered and left by one task."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from scalr_tasks.attempt.context import NO_STATE
from scalr_tasks.registry.lifespan import LifespanHost


class Recorder:
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.tasks: set[asyncio.Task[object] | None] = set()

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[str]:
        self.seen.append("enter")
        self.tasks.add(asyncio.current_task())
        try:
            yield "state"
        finally:
            self.tasks.add(asyncio.current_task())
            self.seen.append("leave")


async def test_several_users_share_one_lifespan_and_the_last_one_leaves_it() -> None:
    recorder = Recorder()
    host = LifespanHost("r", recorder.lifespan)

    states = [await host.acquire(), await host.acquire()]
    await host.release()
    between = list(recorder.seen)
    await host.release()

    assert states == ["state", "state"]
    assert between == ["enter"]
    assert recorder.seen == ["enter", "leave"]


async def test_the_task_that_enters_the_lifespan_leaves_it() -> None:
    recorder = Recorder()
    host = LifespanHost("r", recorder.lifespan)

    await asyncio.create_task(host.acquire())
    await asyncio.create_task(host.release())

    assert len(recorder.tasks) == 1
    assert asyncio.current_task() not in recorder.tasks


async def test_a_timeout_scope_held_across_the_lifespan_is_left_in_order() -> None:
    @asynccontextmanager
    async def lifespan() -> AsyncIterator[str]:
        async with asyncio.timeout(60):
            yield "state"

    host = LifespanHost("r", lifespan)

    await asyncio.create_task(host.acquire())
    await asyncio.create_task(host.release())

    assert host.current() is NO_STATE


async def test_what_entering_raises_reaches_every_user_and_the_next_one_tries_again() -> None:
    attempts = 0

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[str]:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise OSError("no database")
        yield "state"

    host = LifespanHost("r", lifespan)

    first = await asyncio.gather(host.acquire(), host.acquire(), return_exceptions=True)
    second = await host.acquire()
    await host.release()

    assert [type(error) for error in first] == [OSError, OSError]
    assert second == "state"


async def test_what_leaving_raises_reaches_the_last_user() -> None:
    @asynccontextmanager
    async def lifespan() -> AsyncIterator[str]:
        yield "state"
        raise OSError("the pool did not close")

    host = LifespanHost("r", lifespan)
    await host.acquire()

    with pytest.raises(OSError, match="did not close"):
        await host.release()


async def test_a_user_that_is_cancelled_while_entering_takes_the_lifespan_down() -> None:
    entered, left = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[str]:
        entered.set()
        try:
            await asyncio.Event().wait()
            yield "never"
        finally:
            left.set()

    host = LifespanHost("r", lifespan)
    waiting = asyncio.create_task(host.acquire())
    await entered.wait()
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert left.is_set()


async def test_without_a_lifespan_there_is_no_state() -> None:
    host = LifespanHost("r", None)

    assert await host.acquire() is NO_STATE
    assert host.current() is NO_STATE
