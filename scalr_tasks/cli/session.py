"""What one verb works with: a broker and the health of queues, opened for it and closed when it ends."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from scalr_tasks.broker.client import RedisBrokers
from scalr_tasks.broker.health import Health
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """An open connection to the Redis of the settings."""

    broker: RedisBroker
    health: Health
    url: str
    """Address for texts, without a password."""
    timeout_s: float
    """How long a command may take."""


def with_session(act: Callable[[Session], Awaitable[T]], settings: Settings | None = None) -> T:
    """Run `act` in an event loop of its own, and return what it returns.

    Args:
        act: what is done.
        settings: how Redis is reached; read from the environment where left out.
    """
    chosen = settings or Settings.from_env()

    async def run() -> Any:
        brokers = RedisBrokers(lambda: chosen)
        try:
            broker, url = brokers.broker(), chosen.redis.safe_url
            health = Health(broker.client, url=url, timeout_s=chosen.enqueue_timeout_s)
            return await act(Session(broker, health, url, chosen.enqueue_timeout_s))
        finally:
            await brokers.close()

    result: T = asyncio.run(run())
    return result
