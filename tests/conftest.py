"""Fixtures of the whole suite: one real Redis, empty for each test."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from scalr_tasks.broker.client import RedisBrokers
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.settings import Settings
from scalr_tasks.testing.server import RedisServer
from tests.support import tally
from tests.support.raise_sites import READINGS, Site, package_sites, unread

UNREAD = pytest.StashKey[list[Site]]()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One server for the session; tests that break a server start their own."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """URL of an empty logical database."""
    with BlockingRedis.from_url(redis_server.url) as client:
        client.flushdb()
    return redis_server.url


@pytest.fixture
async def brokers(redis_url: str) -> AsyncIterator[RedisBrokers]:
    """Brokers over the empty database."""
    brokers = RedisBrokers(lambda: Settings(redis=redis_url))
    yield brokers
    await brokers.close()
    brokers.close_blocking()


@pytest.fixture
async def broker(brokers: RedisBrokers) -> RedisBroker:
    """The broker of the test's event loop."""
    return brokers.broker()


@pytest.fixture
async def redis(broker: RedisBroker) -> Redis:
    """A redis-py client of the empty database."""
    return broker.client


# -- every text of an error is read by a test --------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(tally, "faults-tally")
    READINGS.watch()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a process of pytest-xdist has noted."""
    READINGS.lines.update((file, line) for file, line in getattr(node, "workeroutput", {}).get("texts_read", ()))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["texts_read"] = sorted(READINGS.lines)
    elif exitstatus == pytest.ExitCode.OK and _is_whole(config):
        config.stash[UNREAD] = unread(package_sites(), READINGS.lines)
        if config.stash[UNREAD]:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    places = config.stash.get(UNREAD, [])
    if places:
        terminalreporter.section("errors whose text no test reads", red=True)
        for place in places:
            terminalreporter.line(f"{place}: match= it, or look at str(error), in a test")


def _is_whole(config: pytest.Config) -> bool:
    chosen = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "maxfail", "collectonly")
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not any(
        config.getoption(each) for each in chosen
    )
