"""Every job that is in a queue now, a page at a time: for a look at all of them in bounded memory.

Nothing is changed, and no order is kept. A job that comes or goes meanwhile
may be missed; one that stays is seen.

Reads next: `lua/scan_queue.lua`, `../registry/queued.py` for who looks.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from scalr_tasks.broker import scripts
from scalr_tasks.broker.faults import ERRORS, broker_error
from scalr_tasks.broker.records import text

PAGE_JOBS: Final = 100
"""About how many jobs one page holds; a small queue comes in one page of up to 128."""


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job as it is in a queue: waiting, deferred, waiting for a retry, or running."""

    job_id: str
    payload: bytes


class QueueScan:
    """Reads the jobs of queues.

        async for page in QueueScan(client, url=settings.redis.safe_url).pages(queue.key): ...

    Args:
        client: a redis-py client of this event loop that answers bytes.
        url: address for errors, without a password.
        timeout_s: how long one page may take.
    """

    def __init__(self, client: Redis, *, url: str, timeout_s: float = 5) -> None:
        self._client = client
        self._url = url
        self._timeout_s = timeout_s

    async def pages(self, queue_key: str) -> AsyncIterator[list[StoredJob]]:
        """Return the jobs of one queue, a page at a time; a job may come twice.

        Raises:
            BrokerUnavailableError: Redis did not answer in time.
            BrokerRefusedError: Redis answered with an error.
        """
        cursor: bytes | int = 0
        while True:
            try:
                async with asyncio.timeout(self._timeout_s):
                    answer = await scripts.run(self._client, "scan_queue", [queue_key], [cursor, PAGE_JOBS])
            except ERRORS as error:
                raise broker_error(self._url, error) from error
            cursor, rows = answer[0], answer[1:]
            yield [StoredJob(text(job_id), raw) for job_id, raw in zip(rows[::2], rows[1::2], strict=True)]
            if int(cursor) == 0:
                return
