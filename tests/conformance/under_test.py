"""Both brokers in the harness of the conformance suite."""

from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis

from scalr_tasks.broker.keys import ABORT, IN_PROGRESS, JOB, RESULT, RETRY
from scalr_tasks.broker.memory import MemoryBroker
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.envelope import ResultRecord, write_result
from scalr_tasks.testing.conformance_harness import CLAIM_MS
from tests.support.hand_clock import HandClock

ADVANCE = Path(__file__).parents[1] / "support" / "advance.lua"


class MemoryUnderTest:
    """The memory broker; its clock is moved."""

    def __init__(self) -> None:
        self._clock = HandClock()
        self.broker = MemoryBroker(self._clock)

    async def now_ms(self) -> int:
        return self._clock.now_ms()

    async def advance(self, ms: int) -> None:
        self._clock.move(ms)

    async def claim(self, job_id: str, claim_ms: int = CLAIM_MS) -> None:
        assert await self.broker.claim(job_id, claim_ms) is not None

    async def drop_claim(self, job_id: str, queue_key: str, due_at_ms: int | None = None) -> None:
        await self.broker.drop_claim(job_id, due_at_ms)

    async def finish(self, job_id: str, queue_key: str, result: ResultRecord | None, keep_ms: int) -> None:
        await self.broker.finish(job_id, result, keep_ms)

    async def payload(self, job_id: str) -> bytes | None:
        return await self.broker.payload(job_id)

    async def abort_asked(self, job_id: str) -> bool:
        return await self.broker.abort_asked(job_id)


class RedisUnderTest:
    """The Redis broker; what is stored is moved, and jobs are claimed and finished as plain arq does."""

    def __init__(self, client: Redis, url: str) -> None:
        self._client = client
        # Its own look comes after any check has failed: what is pushed must arrive by push.
        self.broker = RedisBroker(client, url=url, result_poll_s=60)

    async def now_ms(self) -> int:
        seconds, micros = await self._client.time()
        return int(seconds * 1000 + micros // 1000)

    async def advance(self, ms: int) -> None:
        await cast("Any", self._client.eval(ADVANCE.read_text("utf-8"), 0, str(ms)))

    async def claim(self, job_id: str, claim_ms: int = CLAIM_MS) -> None:
        await self._client.set(IN_PROGRESS + job_id, b"1", px=claim_ms)
        await self._client.incr(RETRY + job_id)

    async def drop_claim(self, job_id: str, queue_key: str, due_at_ms: int | None = None) -> None:
        async with self._client.pipeline(transaction=True) as act:
            if due_at_ms is not None:
                act.zadd(queue_key, {job_id: due_at_ms}, xx=True)
            act.delete(IN_PROGRESS + job_id)
            await act.execute()

    async def finish(self, job_id: str, queue_key: str, result: ResultRecord | None, keep_ms: int) -> None:
        async with self._client.pipeline(transaction=True) as act:
            if result is not None and keep_ms > 0:
                act.set(RESULT + job_id, write_result(result), px=keep_ms)
            act.zrem(ABORT, job_id)
            act.zrem(queue_key, job_id)
            act.delete(IN_PROGRESS + job_id, RETRY + job_id, JOB + job_id)
            await act.execute()

    async def payload(self, job_id: str) -> bytes | None:
        return cast("bytes | None", await self._client.get(JOB + job_id))

    async def abort_asked(self, job_id: str) -> bool:
        return await self._client.zscore(ABORT, job_id) is not None
