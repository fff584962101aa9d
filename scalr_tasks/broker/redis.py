"""The broker over Redis for one event loop: one method per script, no logic of its own.

`enqueue` is repeated after a lost reply, because the script knows a repeat by
its nonce; so are `abort`, `hold` and all that only reads. The rest is sent
once: its caller must know that it may have happened.

Reads next: `records.py` for what is sent, `lua/` for what Redis does with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar, cast

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection

from scalr_tasks.broker import records, scripts
from scalr_tasks.broker.base import Begun, DeadJob, JobInfo, NewJob, Page, ParkedJob, PutBack, Stored
from scalr_tasks.broker.connect import disconnect, pool_of
from scalr_tasks.broker.faults import ERRORS, Patience, broker_error, is_replica
from scalr_tasks.broker.keys import DEAD_RECORD, IN_PROGRESS, PARKED_RECORD, TOMBSTONE_MS
from scalr_tasks.broker.outbox import Outbox
from scalr_tasks.broker.records import BATCH_IDS
from scalr_tasks.broker.scripts import Value
from scalr_tasks.broker.waiting import EndedChannels
from scalr_tasks.envelope import ResultRecord
from scalr_tasks.state import JobState

DYING_S: Final = 5.0
"""How long a dead job's last attempt is given to end, before `revive` answers that it runs."""

_DYING_LOOK_S: Final = 0.05

T = TypeVar("T")


class RedisBroker:
    """Stores jobs in Redis; satisfies `Broker`.

        broker = RedisBroker(connect(settings), url=settings.redis.safe_url)

    Also works over the client that an arq worker has.

    Args:
        client: a redis-py client of this event loop that answers bytes.
        url: address for errors, without a password.
        enqueue_timeout_s: how long a command may take in all, repeats included.
        result_poll_s: how often `wait_ended` looks by itself.
        dead_ttl: how long dead jobs are kept.
        owns_client: whether `close` closes the client too.
    """

    def __init__(
        self,
        client: Redis,
        *,
        url: str,
        enqueue_timeout_s: float = 5,
        result_poll_s: float = 1,
        dead_ttl: timedelta = timedelta(days=30),
        owns_client: bool = False,
    ) -> None:
        self._client = client
        self._url = url
        self._timeout_s = enqueue_timeout_s
        self._poll_s = result_poll_s
        self._dead_ms = round(dead_ttl.total_seconds() * 1000)
        self._owns_client = owns_client
        self._ended = EndedChannels(pool_of(client))
        self._outbox = Outbox(self._store)

    @property
    def client(self) -> Redis:
        """The redis-py client."""
        return self._client

    @property
    def subscriber(self) -> AbstractConnection | None:
        """The connection on which ends of jobs are pushed, while it is open."""
        return self._ended.connection

    # -- callers -------------------------------------------------------------------------

    async def enqueue(self, jobs: Sequence[NewJob]) -> list[Stored]:
        """Store jobs, at most 1,000 of them in one act, and answer for each in order.

        A single one shares its act with those that other callers enqueue in
        the same turn of the event loop.
        """
        if len(jobs) == 1:
            return [await self._outbox.put(jobs[0])]
        answers: list[Stored] = []
        for batch in records.batches(jobs):
            answers += await self._store(batch)
        return answers

    async def info(self, job_id: str, queue_keys: Sequence[str]) -> JobInfo:
        """Tell what is known of a job, in one round trip."""
        return records.info(job_id, await self._repeated("info", queue_keys, [job_id]))

    async def wait_ended(self, job_id: str, timeout_s: float | None) -> ResultRecord | None:
        """Wait for a job's end; by push, with a look every `result_poll_s`."""
        async with asyncio.timeout(timeout_s or None):
            info = await self.info(job_id, ())
            if info.state.is_final or info.state is JobState.NOT_FOUND:
                return info.result
            if timeout_s == 0:
                raise TimeoutError
            async with self._ended.watch(job_id, self._poll_s) as ended:
                while True:
                    ended.clear()
                    info = await self.info(job_id, ())
                    if info.state.is_final or info.state is JobState.NOT_FOUND:
                        return info.result
                    try:
                        async with asyncio.timeout(self._poll_s):
                            await ended.wait()
                    except TimeoutError:
                        continue

    async def abort(self, job_id: str, queue_keys: Sequence[str], keep_result_ms: int) -> JobState:
        """Abort a job, whatever its state."""
        answer = await self._repeated("abort", queue_keys, [job_id, keep_result_ms, TOMBSTONE_MS])
        return JobState(answer.decode())

    # -- workers -------------------------------------------------------------------------

    async def begin(self, job_id: str) -> Begun:
        """Record that an attempt starts."""
        return records.begun(await self._once("begin", (), [job_id]))

    async def postpone(self, job_id: str, *, counts: bool) -> None:
        """Record that an attempt ended in order and the job runs again."""
        await self._once("postpone", (), [job_id, int(counts)])

    async def hold(self, job_id: str, claim_ms: int) -> None:
        """Extend the claim on a running job; a claim that lapsed is not taken again."""
        await self._until_answered(lambda: self._client.pexpire(IN_PROGRESS + job_id, claim_ms))

    async def bury(self, dead: DeadJob) -> None:
        """Keep a job that failed for good."""
        await self._once("bury", (), records.bury_arguments(dead, self._dead_ms))

    async def entomb(self, job_id: str, nonce: str) -> None:
        """Remember for 60 s that a job without a result ended."""
        await self._once("entomb", (), [job_id, nonce, TOMBSTONE_MS])

    async def conclude(self, job_id: str) -> bool:
        """Forget the counts of a job that ended, and wake those who wait for its end."""
        return bool(await self._once("conclude", (), [job_id]))

    async def park(self, job_id: str, queue_key: str, *, reason: str, task: str, version: int) -> bool:
        """Move a job with its raw bytes and score out of the queue."""
        return bool(await self._once("park", [queue_key], [job_id, reason, task, version]))

    async def unpark(self, queue_key: str, known: Mapping[str, int]) -> list[str]:
        """Requeue this queue's parked jobs that `known` covers, at most 1,000 in one act."""
        args = records.unpark_arguments(known)
        return await self._in_batches(lambda: self._once("unpark", [queue_key], args))

    async def bury_overdue_parked(self, parked_ms: int) -> list[str]:
        """Make dead what was parked too long, and delete what was dead too long."""
        args = [parked_ms, self._dead_ms, BATCH_IDS]
        return await self._in_batches(lambda: self._once("bury_overdue_parked", (), args))

    async def count_queued(self, queue_keys: Sequence[str]) -> int:
        """Return how many jobs are in these queues."""
        return cast("int", await self._repeated("count_queued", queue_keys, ()))

    # -- operators -----------------------------------------------------------------------

    async def dead(self, job_id: str) -> DeadJob | None:
        """Return the record of a dead job."""
        values = await self._fields(DEAD_RECORD + job_id, records.DEAD_FIELDS)
        return records.readable(records.dead_job, job_id, values)

    async def list_dead(self, cursor: str | None = None, limit: int = 100) -> Page[DeadJob]:
        """List dead jobs, newest first."""
        return records.dead_page(await self._repeated("list_dead", (), records.listing_arguments(cursor, limit)))

    async def revive(self, job_id: str) -> PutBack:
        """Put a dead job back on its queue; waits a moment for the attempt that it died of."""
        return await self._when_ended("revive", job_id)

    async def forget_dead(self, job_ids: Sequence[str]) -> int:
        """Delete dead jobs."""
        return await self._forget("forget_dead", job_ids)

    async def parked(self, job_id: str) -> ParkedJob | None:
        """Return the record of a parked job."""
        values = await self._fields(PARKED_RECORD + job_id, records.PARKED_FIELDS)
        return records.readable(records.parked_job, job_id, values)

    async def list_parked(self, cursor: str | None = None, limit: int = 100) -> Page[ParkedJob]:
        """List parked jobs, newest first."""
        return records.parked_page(await self._repeated("list_parked", (), records.listing_arguments(cursor, limit)))

    async def requeue_parked(self, job_id: str) -> PutBack:
        """Put a parked job back on its queue; waits a moment for the attempt that parked it."""
        return await self._when_ended("requeue_parked", job_id)

    async def forget_parked(self, job_ids: Sequence[str]) -> int:
        """Delete parked jobs."""
        return await self._forget("forget_parked", job_ids)

    async def close(self) -> None:
        """Wait for what is on its way, close the subscriber, and the client where it is ours."""
        await self._outbox.drain()
        await self._ended.close()
        if self._owns_client:
            await disconnect(self._client)

    # -- how -----------------------------------------------------------------------------

    async def _store(self, batch: Sequence[NewJob]) -> list[Stored]:
        keys, args = records.enqueue_arguments(batch)
        return records.stored(batch, await self._repeated("enqueue", keys, args))

    async def _once(self, name: str, keys: Sequence[str], args: Sequence[Value]) -> Any:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await scripts.run(self._client, name, keys, args)
        except ERRORS as error:
            raise broker_error(self._url, error) from error

    async def _repeated(self, name: str, keys: Sequence[str], args: Sequence[Value]) -> Any:
        return await self._until_answered(lambda: scripts.run(self._client, name, keys, args))

    async def _until_answered(self, send: Callable[[], Awaitable[T]]) -> T:
        patience = Patience(self._url, self._timeout_s)
        while True:
            try:
                # Half of the time for one attempt, so that a connection that went silent is tried anew.
                async with asyncio.timeout(patience.attempt_s(self._timeout_s / 2)):
                    return await send()
            except ERRORS as error:
                delay_s = patience.wait_after(error)
                if is_replica(error):
                    # A new connection may lead to the master.
                    await pool_of(self._client).disconnect(inuse_connections=False)
            await asyncio.sleep(delay_s)

    async def _fields(self, key: str, names: Sequence[str]) -> list[Any]:
        read = cast("Callable[..., Awaitable[list[Any]]]", self._client.hmget)
        return await self._until_answered(lambda: read(key, list(names)))

    async def _forget(self, name: str, job_ids: Sequence[str]) -> int:
        forgotten = 0
        for start in range(0, len(job_ids), BATCH_IDS):
            forgotten += await self._once(name, (), job_ids[start : start + BATCH_IDS])
        return forgotten

    async def _in_batches(self, act: Callable[[], Awaitable[list[bytes]]]) -> list[str]:
        ids: list[str] = []
        while True:
            found = await act()
            ids += [records.text(job_id) for job_id in found]
            if len(found) < BATCH_IDS:
                return ids

    async def _when_ended(self, name: str, job_id: str) -> PutBack:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + DYING_S
        while True:
            answer = records.put_back(await self._once(name, (), [job_id]))
            if answer.state is not JobState.RUNNING or loop.time() >= until_s:
                return answer
            await asyncio.sleep(_DYING_LOOK_S)
