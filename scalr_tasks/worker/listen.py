"""Wakes the workers of a queue when a producer that leaves no token has put a job there: `Listener`.

One worker of a queue listens for all; who that is lapses after some seconds
without it. Our own producers leave a token, and by the time that this one
looks their job is taken; so it looks a moment after the change.

Reads next: `broker/changes.py`, `wake.py`.
"""

import asyncio
import logging
import random
from typing import Any, Final, cast

from redis.asyncio import Redis

from scalr_tasks.broker import scripts
from scalr_tasks.broker.changes import Changes
from scalr_tasks.broker.faults import ERRORS
from scalr_tasks.broker.keys import LISTENER
from scalr_tasks.worker.claim import Claims

_TERM_S: Final = 6.0
_TURN_S: Final = 2.0
_MOMENT_S: Final = 0.001
_SOON_MS: Final = 20
_LONGEST_APART_S: Final = 0.05
_AGAIN_S: Final = 1.0

log: logging.Logger = logging.getLogger("scalr_tasks.worker")


class Listener:
    """Listens on one queue, where no other worker does.

    Args:
        client: of the worker; two connections like its own are opened.
        claims: the queue.
        worker: name of the worker, unique while it runs.
    """

    def __init__(self, client: Redis, claims: Claims, worker: str) -> None:
        self._client = client
        self._claims = claims
        self._worker = worker.encode()
        self._office = LISTENER + claims.queue.key

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                if await self._is_elected():
                    await self._listen()
            except ERRORS as error:
                log.debug("nobody listens for now: %s", type(error).__name__, extra={"event": "listener.lost"})
            await asyncio.sleep(_AGAIN_S * random.uniform(1, 2))  # noqa: S311  no secret

    async def _is_elected(self) -> bool:
        """Take the office where it is free, or stay in it."""
        term_ms = round(_TERM_S * 1000)
        if await self._client.set(self._office, self._worker, nx=True, px=term_ms):
            return True
        if await self._client.get(self._office) != self._worker:
            return False
        await self._client.pexpire(self._office, term_ms)
        return True

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        async with Changes(self._client, self._claims.queue.key) as changes:
            stay_until_s, apart_s = loop.time() + _TURN_S, _MOMENT_S
            while True:
                # A producer's clock may be ahead of Redis's by a little: what is due in a moment is looked at again then.
                if await changes.due_by(self._claims.now_ms() + _SOON_MS) == 0:
                    apart_s = _MOMENT_S
                else:
                    due = await cast("Any", scripts.run(self._client, "wake", [self._claims.queue.key]))
                    # Jobs that others run, or that nobody has a slot for, stay due: no need to tell each time.
                    await asyncio.sleep(apart_s)
                    apart_s = min(2 * apart_s, _LONGEST_APART_S)
                    if due == 0:
                        continue
                changed = asyncio.create_task(changes.wait())
                try:
                    while not (await asyncio.wait({changed}, timeout=max(0.0, stay_until_s - loop.time())))[0]:
                        if not await self._is_elected():
                            return
                        stay_until_s = loop.time() + _TURN_S
                finally:
                    changed.cancel()
                changed.result()
                await asyncio.sleep(_MOMENT_S)
