"""Waiting in tests: for a condition, with a deadline, never for time to pass."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from scalr_tasks.clock import SYSTEM_CLOCK


async def until(condition: Callable[[], bool | Awaitable[bool]], *, within_s: float = 5) -> None:
    """Return as soon as the condition holds; AssertionError after the deadline."""
    deadline_s = SYSTEM_CLOCK.monotonic_s() + within_s
    while True:
        holds = condition()
        if inspect.isawaitable(holds):
            holds = await holds
        if holds:
            return
        assert SYSTEM_CLOCK.monotonic_s() < deadline_s, f"not so within {within_s:g} s"
        await asyncio.sleep(0.005)
