"""The lifespan of a registry: entered once for an event loop, however many workers share it.

It lives in a task of its own that enters, waits and exits, because arq calls
its start and stop hooks in two different tasks, and a cancel scope of anyio
must be left by the task that entered it.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any
from weakref import WeakKeyDictionary

from scalr_tasks.attempt.context import NO_STATE

Lifespan = Callable[[], AbstractAsyncContextManager[Any]]
"""Called without arguments; what its context manager yields is the state."""


class _Running:
    """One entered lifespan."""

    def __init__(self, lifespan: Lifespan) -> None:
        self.users = 0
        self.state: object = NO_STATE
        self.leave = asyncio.Event()
        self.entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._hold(lifespan), name="scalr-tasks-lifespan")

    async def _hold(self, lifespan: Lifespan) -> None:
        try:
            async with lifespan() as state:
                self.state = state
                if not self.entered.done():
                    self.entered.set_result(None)
                await self.leave.wait()
        except BaseException as error:
            if self.entered.done():
                raise
            self.entered.set_exception(error)
        finally:
            self.state = NO_STATE


class LifespanHost:
    """Shares one lifespan among those who `acquire` it in an event loop."""

    def __init__(self, registry: str, lifespan: Lifespan | None) -> None:
        self.registry = registry
        self._lifespan = lifespan
        self._running: WeakKeyDictionary[asyncio.AbstractEventLoop, _Running] = WeakKeyDictionary()

    async def acquire(self) -> object:
        """Enter the lifespan where it is not entered yet; returns the state.

        What the lifespan raises on entering is raised here, to every user.
        """
        if self._lifespan is None:
            return NO_STATE
        loop = asyncio.get_running_loop()
        running = self._running.get(loop)
        if running is None:
            running = self._running[loop] = _Running(self._lifespan)
        running.users += 1
        try:
            await asyncio.shield(running.entered)
        except BaseException:
            await self._drop(loop, running)
            raise
        return running.state

    async def release(self) -> None:
        """Leave the lifespan when its last user has released it; raises what leaving it raises."""
        if self._lifespan is None:
            return
        loop = asyncio.get_running_loop()
        running = self._running.get(loop)
        if running is None:
            return
        running.users -= 1
        if running.users == 0:
            del self._running[loop]
            running.leave.set()
            await asyncio.shield(running.task)

    def current(self) -> object:
        """Return the state of the lifespan that runs in this event loop, or `NO_STATE`."""
        try:
            running = self._running.get(asyncio.get_running_loop())
        except RuntimeError:  # a sync caller without a loop
            return NO_STATE
        return NO_STATE if running is None else running.state

    async def _drop(self, loop: asyncio.AbstractEventLoop, running: _Running) -> None:
        running.users -= 1
        if running.users == 0 and self._running.get(loop) is running:
            del self._running[loop]
            running.task.cancel()
            with suppress(BaseException):
                await asyncio.wait({running.task})
            if running.entered.done() and not running.entered.cancelled():
                running.entered.exception()  # looked at: the caller has it, or was cancelled itself
