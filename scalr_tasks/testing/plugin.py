"""The pytest plugin: fixtures `tasks`, `tasks_inline`, `redis_url` and `worker`, and what every test is guarded by.

Loaded by pytest itself wherever the package is installed, so it imports what
is heavy inside the fixtures. Fixtures are plain functions and their methods
are awaited, so they work under pytest-asyncio, anyio and no plugin at all.

Reads next: `kit.py` for what the fixture `tasks` can do.
"""

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

import pytest

from scalr_tasks.registry.brokers import put_stand_in
from scalr_tasks.testing.guard import Guard

if TYPE_CHECKING:
    from scalr_tasks.registry.registry import Registry
    from scalr_tasks.testing.kit import TaskKit
    from scalr_tasks.testing.real import LiveWorker
    from scalr_tasks.testing.server import RedisServer

NEVER_AWAITED: Final = re.compile(
    r"coroutine '((?:Task|AsyncTask|Call|Job|Registry|TaskKit)\.\w+|enqueue|enqueue_many)' was never awaited"
)
"""What Python warns of where an `await` is missing before one of our methods."""

_kit: Final = pytest.StashKey["TaskKit"]()
_guard: Final = pytest.StashKey[Guard]()
_database: Final = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the settings."""
    parser.addini(
        "tasks_guard", "fail a test that enqueues without a fixture of scalr_tasks", type="bool", default=True
    )
    parser.addini(
        "tasks_strict", "fail a test that leaves enqueued jobs that nobody looked at", type="bool", default=False
    )


def pytest_configure(config: pytest.Config) -> None:
    """Put up the guard, until pytest ends."""
    if not config.getini("tasks_guard"):
        return
    guard = config.stash[_guard] = Guard()
    before = put_stand_in(guard)
    config.add_cleanup(lambda: _give_back(before))


def _give_back(before: Any) -> None:
    put_stand_in(before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that went round the kit, forgot an `await`, or (in strict mode) left jobs nobody looked at."""
    guard = item.config.stash.get(_guard, None)
    if guard is not None:
        guard.refused = None
    with _NeverAwaited() as forgotten:
        yield
    if guard is not None and guard.refused is not None:
        pytest.fail(guard.refused, pytrace=False)
    if forgotten.texts:
        pytest.fail(f"{forgotten.texts[0]}: nothing was sent; write await before it", pytrace=False)
    kit = item.stash.get(_kit, None)
    if kit is not None and item.config.getini("tasks_strict"):
        left = kit.not_looked_at()
        if left:
            from scalr_tasks.testing.explain import nobody_looked  # noqa: PLC0415  only where a test fails

            pytest.fail(nobody_looked(left), pytrace=False)


class _NeverAwaited:
    """Listens to warnings while a test runs, and passes them on."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __enter__(self) -> Self:
        self._before: Any = warnings.showwarning
        warnings.showwarning = self._show
        return self

    def __exit__(self, *_error: object) -> None:
        if warnings.showwarning == self._show:
            warnings.showwarning = self._before

    def _show(self, message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
        match = NEVER_AWAITED.search(str(message))
        if match is not None:
            self.texts.append(match[0])
        self._before(message, category, *rest, **named)


# -- fixtures ----------------------------------------------------------------------------


@pytest.fixture
def tasks_registries() -> "Sequence[Registry[Any, Any]] | None":
    """Name the registries that a test covers; override it to narrow them. None: every registry of the process."""
    return None


@pytest.fixture
def tasks(
    request: pytest.FixtureRequest, tasks_registries: "Sequence[Registry[Any, Any]] | None"
) -> "Iterator[TaskKit]":
    """Record what the test enqueues, and run it on demand; see `scalr_tasks.testing.kit.TaskKit`."""
    from scalr_tasks.testing.kit import TaskKit  # noqa: PLC0415  a run without this fixture does not pay for it

    with TaskKit(tasks_registries) as kit:
        request.node.stash[_kit] = kit
        yield kit


@pytest.fixture
def tasks_inline(tasks: "TaskKit") -> "Iterator[TaskKit]":
    """Run what the test enqueues before `enqueue` returns; the same object as `tasks`."""
    with tasks.inline():
        yield tasks


@pytest.fixture(scope="session")
def redis_server() -> "Iterator[RedisServer]":
    """Start a Redis for the tests of this process; it ends with them."""
    from scalr_tasks.testing.server import RedisServer  # noqa: PLC0415  likewise

    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_url(request: pytest.FixtureRequest, redis_server: "RedisServer") -> Iterator[str]:
    """Give an empty database of a real Redis; every registry sends its jobs there while the test runs."""
    from scalr_tasks.testing.real import EmptyDatabase, RealRedis  # noqa: PLC0415  likewise

    stash = request.config.stash
    if _database not in stash:
        process = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
        stash[_database] = EmptyDatabase(redis_server, int(process.removeprefix("gw")))
    url = stash[_database].empty()
    real = RealRedis(url)
    before = put_stand_in(real)
    yield url
    put_stand_in(before)
    real.close()


@pytest.fixture
def worker(redis_url: str) -> "LiveWorker":
    """Give a real worker for the event loop of the test; see `scalr_tasks.testing.real.LiveWorker`."""
    from scalr_tasks.settings import Settings  # noqa: PLC0415  likewise
    from scalr_tasks.testing.real import LiveWorker  # noqa: PLC0415  likewise

    return LiveWorker(Settings.from_env(redis=redis_url))
