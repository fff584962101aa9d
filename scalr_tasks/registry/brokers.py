"""Where the jobs of one registry go: its own Redis, or what a test run has put in its place.

A stand-in holds for every registry of the process, those included that are
declared later, and for every handle that was made before.

Reads next: `registry.py`, which makes one; `testing/guard.py` and `testing/session.py`, which stand in.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # a test run loads this file before it needs any of these
    from scalr_tasks.broker.base import BlockingBroker, Broker
    from scalr_tasks.broker.client import RedisBrokers
    from scalr_tasks.registry.app import App


class StandIn(Protocol):
    """Gives the brokers of every registry of the process."""

    def broker(self, home: "RegistryBrokers") -> "Broker":
        """Return the broker of a registry for the running event loop."""
        ...

    def blocking(self, home: "RegistryBrokers") -> "BlockingBroker":
        """Return the broker of a registry for threads without an event loop."""
        ...


_stand_in: StandIn | None = None


def put_stand_in(stand_in: StandIn | None) -> StandIn | None:
    """Let `stand_in` answer for every registry from now on, None for none; returns what stood in before.

    before = put_stand_in(kit)
    ...
    put_stand_in(before)
    """
    global _stand_in
    before, _stand_in = _stand_in, stand_in
    return before


class RegistryBrokers:
    """The brokers of one registry; satisfies `Brokers`.

    Args:
        registry: its name.
        own: where its jobs go outside tests.
        app: gives the registry as an engine sees it, without freezing it.
    """

    def __init__(self, registry: str, own: "RedisBrokers", app: "Callable[[], App]") -> None:
        self.registry = registry
        self.own = own
        self.app = app

    def broker(self) -> "Broker":
        """Return the broker of the running event loop."""
        return self.own.broker() if _stand_in is None else _stand_in.broker(self)

    def blocking(self) -> "BlockingBroker":
        """Return the broker of this process for callers without an event loop."""
        return self.own.blocking() if _stand_in is None else _stand_in.blocking(self)
