"""A thread with a connection of its own that renews leases, whatever the event loop does: `LeaseKeeper`.

A body that blocks the loop must not lose its job to another worker while its
timeout has not struck; one that never ends must. So a lease is renewed until
the timeout and a margin are over. The same thread watches the loop: one that
gives no answer is reported with its stack, and ended where its job's timeout
is long over.

Reads next: `broker/lua/renew.lua`, `watchdog.py`.
"""

import asyncio
import logging
import threading
from collections.abc import Sequence
from typing import Final

from scalr_tasks.broker.leases import Holding
from scalr_tasks.broker.redis_leases import BlockingLeases
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.errors import BrokerError
from scalr_tasks.worker.claim import Claims
from scalr_tasks.worker.watchdog import Watchdog

LOOK_S: Final = 0.5

log: logging.Logger = logging.getLogger("scalr_tasks.worker")


class LeaseKeeper:
    """Renews the leases of some queues, three times as often as they would lapse.

    Args:
        leases: over a connection of its own; closed at the end.
        queues: whose leases.
        watchdog: looks at the event loop.
    """

    def __init__(
        self, leases: BlockingLeases, queues: Sequence[Claims], watchdog: Watchdog, *, grace_s: float = 0.0
    ) -> None:
        self._leases = leases
        self._queues = tuple(queues)
        self._watchdog = watchdog
        self._grace_s = grace_s
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scalr-tasks-leases", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a command on its way is not waited for."""
        self._stop.set()

    def _run(self) -> None:
        interval_s = min(claims.lease_ms for claims in self._queues) / 3000
        due_s = SYSTEM_CLOCK.monotonic_s() + interval_s
        while not self._stop.wait(min(LOOK_S, interval_s / 2)):
            self._watchdog.look(self._queues)
            now_s = SYSTEM_CLOCK.monotonic_s()
            if now_s >= due_s:
                for claims in self._queues:
                    self._renew(claims, now_s)
                due_s = now_s + interval_s
        self._leases.close()

    def _renew(self, claims: Claims, now_s: float) -> None:
        holding = [
            Holding(job.job_id, job.token, job.deadline_s is not None)
            for job in list(claims.in_hand.values())
            if job.holds_until_s(self._grace_s) > now_s
        ]
        if not holding:
            return
        try:
            lost = self._leases.renew(claims.queue.key, holding, claims.lease_ms)
        except BrokerError as error:
            log.warning("leases were not renewed: %s", error, extra={"event": "lease.not_renewed"})
            return
        if lost and not self._loop.is_closed():
            tokens = {one.job_id: one.token for one in holding}
            self._loop.call_soon_threadsafe(claims.lost, lost, tokens)
