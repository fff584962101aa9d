"""Wakes a queue that has free slots when a job comes: `Waker`.

`enqueue.lua` leaves one token where a worker waits; whoever pops it looks.
A token that is lost costs nothing but time: the queue is looked at anyway.

Reads next: `broker/lua/parts/wake.lua`; `listen.py` for producers that leave no token.
"""

import asyncio
import logging
from typing import Final, cast

from redis.asyncio import Redis

from scalr_tasks.broker.faults import ERRORS
from scalr_tasks.broker.keys import WAKE
from scalr_tasks.worker.claim import Claims

_WAIT_S: Final = 5
_AGAIN_S: Final = 0.5

log: logging.Logger = logging.getLogger("scalr_tasks.worker")


class Waker:
    """Waits for the tokens of one queue, on one connection of `client`."""

    def __init__(self, client: Redis, claims: Claims) -> None:
        self._client = client
        self._claims = claims
        self._key = WAKE + claims.queue.key

    async def run(self) -> None:
        """Wake the queue until cancelled."""
        while True:
            await self._claims.hungry.wait()
            try:
                token = await cast("asyncio.Future[object]", self._client.blpop([self._key], timeout=_WAIT_S))
            except ERRORS as error:
                log.debug("nobody is woken for now: %s", type(error).__name__, extra={"event": "wake.lost"})
                await asyncio.sleep(_AGAIN_S)
                continue
            if token is not None:
                self._claims.look()
