"""Calls of one turn of the event loop share one script: `Outbox`.

Whoever calls first starts the flush, which runs in the next turn and takes
everything that came meanwhile. It belongs to nobody: a caller that is
cancelled leaves its job in it, and never the others without theirs. So does
one whose job Redis refuses: the rest is sent again without it.

Reads next: `redis.py`, `enqueue`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from scalr_tasks.broker.base import NewJob, Stored
from scalr_tasks.broker.records import batches
from scalr_tasks.errors import BrokerRefusedError

Send = Callable[[Sequence[NewJob]], Awaitable[list[Stored]]]
"""Stores what fits one script."""

_Waiting = list[tuple[NewJob, "asyncio.Future[Stored]"]]


class Outbox:
    """Jobs of one event loop on their way.

    Args:
        send: stores what fits one script, and answers for each in order.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: _Waiting = []
        self._flushes: set[asyncio.Task[None]] = set()

    async def put(self, job: NewJob) -> Stored:
        """Send a job together with those of the same turn; raises what `send` raises."""
        answer: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, answer))
        if len(self._waiting) == 1:
            flush = asyncio.create_task(self._flush(self._waiting), name="scalr-tasks-flush")
            self._flushes.add(flush)
            flush.add_done_callback(partial(self._flushed, self._waiting))
        return await answer

    async def drain(self) -> None:
        """Wait until nothing is on its way."""
        while self._flushes:
            await asyncio.wait(self._flushes)

    async def _flush(self, waiting: _Waiting) -> None:
        self._waiting = []
        start = 0
        for batch in batches([job for job, _ in waiting]):
            await self._deliver(waiting[start : start + len(batch)])
            start += len(batch)

    async def _deliver(self, waiting: _Waiting) -> None:
        try:
            stored = await self._send([job for job, _ in waiting])
        except BrokerRefusedError as error:
            if len(waiting) == 1:
                _fail(waiting, error)
                return
            # What Redis refuses of one caller (its queue's key holds something else, say) must not cost the others
            # theirs. What the script stored before it stopped is known by its nonce.
            middle = len(waiting) // 2
            await self._deliver(waiting[:middle])
            await self._deliver(waiting[middle:])
        except Exception as error:  # noqa: BLE001  each caller raises it
            _fail(waiting, error)
        else:
            for (_, answer), one in zip(waiting, stored, strict=True):
                if not answer.done():
                    answer.set_result(one)

    def _flushed(self, waiting: _Waiting, flush: asyncio.Task[None]) -> None:
        self._flushes.discard(flush)
        if flush.cancelled():  # the event loop ends; it may not even have begun
            if self._waiting is waiting:
                self._waiting = []
            for _, answer in waiting:
                answer.cancel()


def _fail(waiting: _Waiting, error: Exception) -> None:
    for _, answer in waiting:
        if not answer.done():
            answer.set_exception(error)
