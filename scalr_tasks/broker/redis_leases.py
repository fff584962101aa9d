"""Leases in Redis: one script per turn of a worker, another per beat.

What a step sends is repeated by the worker, not here: it knows what else to
do while Redis is away. `BlockingLeases` renews from a thread, whatever the
event loop does.

Reads next: `lua/step.lua`, `lua/renew.lua`.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final

from pydantic_core import to_json
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from scalr_tasks.broker import scripts
from scalr_tasks.broker.base import DeadJob
from scalr_tasks.broker.connect import pool_of
from scalr_tasks.broker.faults import ERRORS, broker_error, is_replica
from scalr_tasks.broker.keys import TICKED, TOMBSTONE_MS
from scalr_tasks.broker.leases import Again, Aside, Back, Claimed, Holding, Other, Started, Step, Stepped, Tick
from scalr_tasks.broker.scripts import Value

MOST_ENDED: Final = 500
"""Most jobs of one step that ended: a script names at most some thousand keys in one command."""


class RedisLeases:
    """Leases over a client of the running event loop; satisfies `LeaseBroker`.

    Args:
        client: answers bytes; the jobs' bodies must not use it, or they keep its connections.
        url: address for errors, without a password.
        timeout_s: how long a step may take.
        dead_ttl: how long dead jobs are kept.
    """

    def __init__(
        self, client: Redis, *, url: str, timeout_s: float = 5, dead_ttl: timedelta = timedelta(days=30)
    ) -> None:
        self._client = client
        self._url = url
        self._timeout_s = timeout_s
        self._dead_ms = round(dead_ttl.total_seconds() * 1000)

    async def step(self, step: Step) -> Stepped:
        """Finish what ended, then claim what fits."""
        reply = await self._run("step", [step.queue_key], step_arguments(step, self._dead_ms))
        return stepped(reply)

    async def renew(self, queue_key: str, holding: Sequence[Holding], lease_ms: int) -> list[str]:
        """Push back the end of these leases; answers the ids that are lost."""
        lost: list[str] = []
        for args in renew_arguments(holding, lease_ms):
            lost += map(_id, await self._run("renew", [queue_key], args))
        return lost

    async def tick(self, tick: Tick) -> bool:
        """Make a tick a job, where it was none before."""
        expires = "" if tick.expires_ms is None else tick.expires_ms
        args: list[Value] = [tick.task, tick.tick_ms, tick.head, tick.arguments, expires, int(not tick.may_overlap)]
        return bool(await self._run("tick", [tick.queue_key], args) == 1)

    async def last_tick(self, queue_key: str, task: str) -> int | None:
        """Return the newest tick of a task that became a job."""
        try:
            raw = await self._client.get(f"{TICKED}{queue_key}:{task}")
        except ERRORS as error:
            raise broker_error(self._url, error) from error
        return None if raw is None else int(raw)

    async def _run(self, name: str, keys: Sequence[str], args: Sequence[Value]) -> Any:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await scripts.run(self._client, name, keys, args)
        except ERRORS as error:
            if is_replica(error):
                # A new connection may lead to the master.
                await pool_of(self._client).disconnect(inuse_connections=False)
            raise broker_error(self._url, error) from error


class BlockingLeases:
    """Renews leases from a thread.

    Args:
        client: a blocking redis-py client that answers bytes, for this thread alone.
        url: address for errors, without a password.
    """

    def __init__(self, client: BlockingRedis, *, url: str) -> None:
        self._client = client
        self._url = url

    def renew(self, queue_key: str, holding: Sequence[Holding], lease_ms: int) -> list[str]:
        """Push back the end of these leases; answers the ids that are lost.

        Raises:
            BrokerUnavailableError: Redis did not answer.
            BrokerRefusedError: it answered with an error.
        """
        lost: list[str] = []
        try:
            for args in renew_arguments(holding, lease_ms):
                lost += map(_id, scripts.run_blocking(self._client, "renew", [queue_key], args))
        except ERRORS as error:
            if is_replica(error):
                self._client.connection_pool.disconnect()
            raise broker_error(self._url, error) from error
        return lost

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def step_arguments(step: Step, dead_ms: int) -> list[Value]:
    """Return the arguments of `step.lua`."""
    args: list[Value] = [
        step.token,
        step.worker,
        step.lease_ms,
        step.to_start,
        step.to_hold,
        step.skip,
        dead_ms,
        TOMBSTONE_MS,
        len(step.ended),
    ]
    for ended in step.ended:
        args += (_raw(ended.job_id), *ended[1:5], b"" if ended.dead is None else _dead_fields(ended.dead))
    for other in step.others:
        args += (_raw(other.job_id), other.token, *_news(other))
    return args


def _dead_fields(dead: DeadJob) -> bytes:
    error = dead.error
    texts = [dead.task, dead.queue, dead.queue_key, dead.reason, error.type, error.message, error.traceback]
    return to_json([*texts, str(dead.attempts), str(dead.enqueued_at_ms)])


def _news(other: Other) -> tuple[str, bytes]:
    match other:
        case Started():
            return "started", b""
        case Again(delay_ms=delay_ms, counts=counts):
            return "again", to_json({"delay": delay_ms, "counts": counts})
        case Back(score=score, started=started):
            return "back", to_json({"score": str(score), "started": started})
        case Aside(score=score, reason=reason, task=task, version=version):
            return "park", to_json({"score": str(score), "reason": reason, "task": task, "version": version})


def stepped(reply: Sequence[Any]) -> Stepped:
    """Return the answer of `step.lua`."""
    now_ms, due, held, lost, asked, rows, counts = reply
    claimed = [Claimed(_id(rows[i]), int(rows[i + 1]), rows[i + 2]) for i in range(0, len(rows), 3)]
    for i in range(0, len(counts), 5):
        position, attempts, starts, is_first, asked_ms = counts[i : i + 5]
        claimed[position] = claimed[position]._replace(
            attempts=attempts, lost=starts, is_first=is_first == 1, abort_asked_ms=asked_ms
        )
    return Stepped(
        now_ms=now_ms,
        next_due_ms=None if due is None else int(float(due)),
        held=held,
        lost=[_id(job_id) for job_id in lost],
        abort_asked=[_id(job_id) for job_id in asked],
        claimed=claimed,
    )


def renew_arguments(holding: Sequence[Holding], lease_ms: int) -> Iterable[list[Value]]:
    """Yield the arguments of `renew.lua`, for at most so many jobs each as one step ends."""
    for start in range(0, len(holding), MOST_ENDED):
        args: list[Value] = [lease_ms]
        for one in holding[start : start + MOST_ENDED]:
            args += (_raw(one.job_id), one.token, int(one.started))
        yield args


def _id(raw: bytes) -> str:
    """Return a job id as text; bytes of a foreign writer that are no UTF-8 come back as they were with `_raw`."""
    return raw.decode(errors="surrogateescape")


def _raw(job_id: str) -> Value:
    return job_id if job_id.isascii() else job_id.encode(errors="surrogateescape")
