"""A job that this worker holds, from its claim to its end: `InHand`.

The event loop changes it; the thread that renews leases only reads it.

Reads next: `claim.py`, which keeps them; `attempt.py`, which runs them.
"""

import asyncio
from enum import Enum
from typing import Final

from scalr_tasks.broker.leases import Claimed
from scalr_tasks.registry.delivery import Delivery

MARGIN_S: Final = 60.0
"""How long past a job's timeout its lease is still renewed; a body that ignores its end holds it no longer."""


class Stop(Enum):
    """Why a running job is cancelled."""

    ABORT = "abort"
    """Its end was asked for."""
    DRAIN = "drain"
    """The worker stops: the job goes back to its queue."""
    LOST = "lost"
    """Another worker may have it by now: what this one says of it no longer counts."""


class InHand:
    """One claimed job."""

    __slots__ = (
        "attempt",
        "claimed",
        "deadline_s",
        "delivery",
        "is_over",
        "marked",
        "run",
        "started_s",
        "stop",
        "token",
    )

    def __init__(self, claimed: Claimed, token: str, *, marked: bool) -> None:
        self.claimed: Claimed = claimed
        self.token: str = token
        self.marked: bool = marked
        """Whether Redis knows that its body has started."""
        self.run: asyncio.Task[None] | None = None
        """What runs it; None while it waits in the worker."""
        self.delivery: Delivery | None = None
        """What its bytes say; None before they are read."""
        self.is_over: bool = False
        """Whether this worker is done with it."""
        self.stop: Stop | None = None
        self.attempt: int = 1
        self.started_s: float = 0.0
        """When its body started, on the monotonic clock."""
        self.deadline_s: float | None = None
        """When its timeout strikes, on the monotonic clock; None before it starts."""

    @property
    def job_id(self) -> str:
        """Id of the job."""
        return self.claimed.job_id

    @property
    def task(self) -> str:
        """Name of its task; empty before its bytes are read."""
        return "" if self.delivery is None else self.delivery.envelope.task

    def holds_until_s(self, grace_s: float = 0.0) -> float:
        """Return until when its lease is renewed, on the monotonic clock."""
        return float("inf") if self.deadline_s is None else self.deadline_s + max(MARGIN_S, 2 * grace_s)
