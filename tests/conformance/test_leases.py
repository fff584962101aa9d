"""Both stores pass every check of leases."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from scalr_tasks.broker.memory_leases import MemoryLeases
from scalr_tasks.broker.redis_leases import RedisLeases
from scalr_tasks.testing.conformance_leases import LeaseConformance, LeasesUnderTest
from tests.conformance.under_test import RedisUnderTest
from tests.support.hand_clock import HandClock


class MemoryLeasesUnderTest:
    """The memory store; its clock is moved."""

    def __init__(self) -> None:
        self._clock = HandClock()
        self.broker = self.leases = MemoryLeases(self._clock)

    async def now_ms(self) -> int:
        return self._clock.now_ms()

    async def advance(self, ms: int) -> None:
        self._clock.move(ms)

    async def claim(self, job_id: str, claim_ms: int = 60_000) -> None:
        assert await self.broker.claim(job_id, claim_ms) is not None


class RedisLeasesUnderTest(RedisUnderTest):
    """The Redis store; what is stored is moved."""

    def __init__(self, client: Redis, url: str) -> None:
        super().__init__(client, url)
        self.leases = RedisLeases(client, url=url)


class TestMemoryLeases(LeaseConformance):
    @pytest.fixture
    async def leases_under_test(self) -> LeasesUnderTest:
        return MemoryLeasesUnderTest()


class TestRedisLeases(LeaseConformance):
    @pytest.fixture
    async def leases_under_test(self, redis_url: str) -> AsyncIterator[LeasesUnderTest]:
        async with Redis.from_url(redis_url) as client:
            under = RedisLeasesUnderTest(client, redis_url)
            yield under
            await under.broker.close()
