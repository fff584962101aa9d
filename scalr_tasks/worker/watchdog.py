"""Watches the event loop from a thread: `Watchdog`.

A body that blocks the loop stops every other job of the worker. It is
reported with its stack; where a job's timeout and a grace are over and the
loop is still blocked, the process ends itself, so that the leases lapse and
other workers go on.

Reads next: `leases.py`, in whose thread this runs.
"""

import asyncio
import faulthandler
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Final

from scalr_tasks.attempt.threads import EXIT_STUCK
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.worker.claim import Claims

BLOCKED_S: Final = 5.0
"""A loop that gives no answer for so long is reported."""

log: logging.Logger = logging.getLogger("scalr_tasks.worker")


def end_blocked_process(task: str, job_id: str) -> None:
    """End this process at once: a body holds the event loop long past its timeout."""
    log.critical(
        "event loop is blocked past a timeout, ending this process: task=%s job=%s",
        task,
        job_id,
        extra={"event": "worker.stuck", "task": task, "job": job_id},
    )
    faulthandler.dump_traceback(file=sys.__stderr__ or 2, all_threads=True)
    logging.shutdown()
    os._exit(EXIT_STUCK)


class Watchdog:
    """Looks after the event loop that it is made in.

    Args:
        grace_s: how long past a job's timeout the loop may be blocked.
        blocked_s: how long the loop may be blocked before it is reported.
        end: called with task and job id when the grace is over.
    """

    def __init__(
        self,
        *,
        grace_s: float,
        blocked_s: float = BLOCKED_S,
        end: Callable[[str, str], None] = end_blocked_process,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._grace_s = grace_s
        self._blocked_s = blocked_s
        self._end = end
        self._answered_s = SYSTEM_CLOCK.monotonic_s()
        self._is_asked = False
        self._is_reported = False

    def look(self, queues: Iterable[Claims]) -> None:
        """Look once; called from another thread, often."""
        now_s = SYSTEM_CLOCK.monotonic_s()
        if not self._is_asked:
            self._is_asked, self._answered_s = True, now_s
            try:
                self._loop.call_soon_threadsafe(self._answer)
            except RuntimeError:  # the loop is closed: the worker has ended
                return
        blocked_s = now_s - self._answered_s
        if blocked_s < self._blocked_s:
            return
        if not self._is_reported:
            self._is_reported = True
            self._report(blocked_s)
        for claims in queues:
            for job in list(claims.in_hand.values()):
                deadline_s = job.deadline_s
                if deadline_s is not None and now_s > deadline_s + self._grace_s:
                    self._end(job.task, job.job_id)

    def _answer(self) -> None:
        if self._is_reported:
            log.warning("event loop answers again", extra={"event": "loop.back"})
        self._is_asked = self._is_reported = False

    def _report(self, blocked_s: float) -> None:
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001  there is no public way
        stack = "".join(traceback.format_stack(frame)) if frame is not None else "(no stack)"
        log.error(
            "event loop is blocked for %.1f s, no job of this worker goes on; it is here:\n%s",
            blocked_s,
            stack,
            extra={"event": "loop.blocked"},
        )
