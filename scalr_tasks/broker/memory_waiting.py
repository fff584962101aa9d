"""Who waits for what in the memory broker: wakes by asyncio events, loop by loop.

Reads next: `memory.py`, `wait_ended` and `revive`.
"""

import asyncio
from contextlib import suppress
from typing import Final

LOOK_S: Final = 1.0
"""How often whoever waits looks by himself, in real seconds: a clock that is moved tells nobody."""


class Watchers:
    """Tells those who wait that something about a job changed.

    watchers = Watchers()
    await watchers.changed("inv-1")
    """

    def __init__(self) -> None:
        self._events: dict[str, set[asyncio.Event]] = {}

    async def changed(self, job_id: str) -> None:
        """Wait until the job changes, for `LOOK_S` at most.

        The caller must not await anything between his look at the job and this call, or he misses a change.
        """
        event = asyncio.Event()
        self._events.setdefault(job_id, set()).add(event)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await event.wait()
        finally:
            waiting = self._events[job_id]
            waiting.discard(event)
            if not waiting:
                del self._events[job_id]

    def tell(self, job_id: str) -> None:
        """Wake those who wait for a change of this job."""
        for event in self._events.get(job_id, ()):
            event.set()
