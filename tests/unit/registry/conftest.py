"""A registry over the test's empty Redis."""

from collections.abc import AsyncIterator

import pytest

from scalr_tasks import Registry, Settings


@pytest.fixture
async def registry(redis_url: str) -> AsyncIterator[Registry]:
    """A registry with two queues; its connections are closed afterwards."""
    async with Registry("app", queues=["default", "bulk"], settings=Settings(redis=redis_url)) as registry:
        yield registry


@pytest.fixture
def threads_registry(redis_url: str) -> Registry:
    """The same for tests without an event loop."""
    return Registry("app", queues=["default", "bulk"], settings=Settings(redis=redis_url))
