"""The Redis broker passes every check, on a real server."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from scalr_tasks.testing.conformance import BrokerConformance, BrokerUnderTest
from tests.conformance.under_test import RedisUnderTest


class TestRedisBroker(BrokerConformance):
    @pytest.fixture
    async def broker_under_test(self, redis_url: str) -> AsyncIterator[BrokerUnderTest]:
        async with Redis.from_url(redis_url) as client:
            under = RedisUnderTest(client, redis_url)
            yield under
            await under.broker.close()
