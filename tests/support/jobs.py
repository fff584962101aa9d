"""Jobs for the tests of the broker, and what an engine does to them."""

import json
from typing import Any

from redis.asyncio import Redis

from scalr_tasks.broker.base import DeadJob, NewJob
from scalr_tasks.broker.keys import IN_PROGRESS, JOB, RESULT, RETRY, queue_key
from scalr_tasks.envelope import ResultRecord, new_job_id, new_nonce, write_head, write_result
from scalr_tasks.policy import ErrorRecord

QUEUE_KEY = queue_key("default")
QUEUES = [QUEUE_KEY]
KEEP_MS = 3_600_000


def new_job(job_id: str | None = None, *, task: str = "add", nonce: str | None = None, **options: Any) -> NewJob:
    """A job of one int; `options` are fields of `NewJob`, or of its head under `head`."""
    nonce = new_nonce() if nonce is None else nonce
    head = write_head(task, nonce, **options.pop("head", {}))
    fields = {"queue_key": QUEUE_KEY, "arguments": b'{"invoice_id":1}'} | options
    return NewJob(job_id=job_id or new_job_id(), task=task, head=head, nonce=nonce, **fields)


def result_of(job: NewJob, *, kind: str = "done", body: bytes = b"3") -> bytes:
    """The bytes of a job's result, as an engine writes them."""
    return write_result(
        ResultRecord(kind=kind, task=job.task, job_id=job.job_id, body=body, nonce=job.nonce, attempt=1)
    )


def dead_of(job: NewJob, *, reason: str = "failed", attempts: int = 5) -> DeadJob:
    """What an engine buries; the bytes are those of the queue."""
    return DeadJob(
        job_id=job.job_id,
        task=job.task,
        queue="default",
        queue_key=job.queue_key,
        reason=reason,
        error=ErrorRecord("ValueError", "no such invoice", "Traceback ..."),
        attempts=attempts,
        enqueued_at_ms=0,
        died_at_ms=0,
        payload=b"",
    )


async def claim(redis: Redis, job_id: str) -> None:
    """What arq does before it runs a job."""
    await redis.set(IN_PROGRESS + job_id, b"1", px=310_000)
    await redis.incr(RETRY + job_id)


async def finish(redis: Redis, job: NewJob, result: bytes | None = None) -> None:
    """What arq does with a job that ended: one transaction."""
    async with redis.pipeline(transaction=True) as act:
        if result is not None:
            act.set(RESULT + job.job_id, result, px=KEEP_MS)
        act.zrem("arq:abort", job.job_id)
        act.zrem(job.queue_key, job.job_id)
        act.delete(IN_PROGRESS + job.job_id, RETRY + job.job_id, JOB + job.job_id)
        await act.execute()


async def snapshot(redis: Redis) -> dict[bytes, Any]:
    """Everything that is stored, for tests that claim that nothing changed."""
    keys = sorted(await redis.keys("*"))
    async with redis.pipeline(transaction=False) as look:
        for key in keys:
            look.type(key)
        kinds = await look.execute()
        for key, kind in zip(keys, kinds, strict=True):
            match kind:
                case b"string":
                    look.get(key)
                case b"zset":
                    look.zrange(key, 0, -1, withscores=True)
                case b"hash":
                    look.hgetall(key)
                case _:
                    look.object("encoding", key)
        return dict(zip(keys, await look.execute(), strict=True))


async def now_ms(redis: Redis) -> int:
    """Redis's time."""
    seconds, micros = await redis.time()
    return int(seconds * 1000 + micros // 1000)


def head_of(raw: bytes) -> dict[str, Any]:
    """The first line of a job or a result."""
    head: dict[str, Any] = json.loads(raw.partition(b"\n")[0])
    return head
