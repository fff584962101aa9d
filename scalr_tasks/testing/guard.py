"""The guard of a test run: an enqueue outside the kit fails its test, and never reaches a Redis.

It stands in for every registry of the process from the start of pytest to its
end, the import of test modules included. Light: it loads nothing of the
package that the tests do not load themselves.

Reads next: `plugin.py`, which puts it up.
"""

from typing import TYPE_CHECKING, Final, NoReturn

import pytest

if TYPE_CHECKING:
    from scalr_tasks.broker.base import BlockingBroker, Broker
    from scalr_tasks.registry.brokers import RegistryBrokers

WAYS: Final = """\
  take `tasks` as a parameter of the test: jobs are recorded, and run by `await tasks.drain()`
  take `tasks_inline`: jobs run when they are enqueued
  take `redis_url`: jobs go to a Redis that is started for the tests
  set `tasks_guard = false` in the settings of pytest: jobs go to the Redis of your own settings"""


class Guard:
    """Stands in for the brokers of every registry, and refuses; satisfies `StandIn`."""

    def __init__(self) -> None:
        self.refused: str | None = None
        """What was refused last: kept, since code under test may swallow what is raised."""

    def broker(self, home: "RegistryBrokers") -> "Broker":
        """Fail the test."""
        self._refuse(home.registry)

    def blocking(self, home: "RegistryBrokers") -> "BlockingBroker":
        """Fail the test."""
        self._refuse(home.registry)

    def _refuse(self, registry: str) -> NoReturn:
        __tracebackhide__ = True
        self.refused = f"this test uses registry {registry!r} outside the test kit; either\n{WAYS}"
        # Not an Exception: code under test that catches everything must not hide it.
        pytest.fail(self.refused)
