"""The watchdog, on a loop that is really blocked."""

import asyncio
import logging
import threading

import pytest

from scalr_tasks.broker.leases import Claimed
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.worker.hand import InHand
from scalr_tasks.worker.watchdog import Watchdog
from tests.support.until import until


class Blocked:
    """A loop that is blocked while another thread looks, until it has looked so often."""

    def __init__(self, watchdog: Watchdog, jobs: dict[str, InHand]) -> None:
        self._watchdog = watchdog
        self.in_hand = jobs

    def look(self, times: int) -> None:
        looker = threading.Thread(target=self._look, args=(times,))
        looker.start()
        looker.join()  # the loop's own thread waits here, so the loop answers nothing

    def _look(self, times: int) -> None:
        for _ in range(times):
            self._watchdog.look([self])  # type: ignore[list-item]  # it reads `in_hand` alone


def job_with_deadline(deadline_s: float | None) -> InHand:
    job = InHand(Claimed("inv-1", 0, b""), "w:1", marked=True)
    job.deadline_s = deadline_s
    return job


async def test_a_loop_that_gives_no_answer_is_reported_once_with_its_stack(caplog: pytest.LogCaptureFixture) -> None:
    watchdog = Watchdog(grace_s=60, blocked_s=0)

    with caplog.at_level(logging.ERROR):
        Blocked(watchdog, {}).look(3)

    (record,) = caplog.records
    assert "Blocked(watchdog, {}).look(3)" in record.getMessage()


async def test_a_loop_that_answers_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    blocked = Blocked(Watchdog(grace_s=60, blocked_s=0.02), {})

    with caplog.at_level(logging.WARNING):
        blocked.look(1)
        too_late_s = SYSTEM_CLOCK.monotonic_s() + 0.02
        await until(lambda: SYSTEM_CLOCK.monotonic_s() > too_late_s)
        blocked.look(1)

    assert caplog.records == []


async def test_the_process_is_ended_only_where_a_timeout_and_the_grace_are_over_and_the_loop_is_blocked() -> None:
    ended: list[str] = []
    watchdog = Watchdog(grace_s=30, blocked_s=0, end=lambda task, job_id: ended.append(job_id))
    now_s = asyncio.get_running_loop().time()

    Blocked(watchdog, {"late": job_with_deadline(now_s - 31)}).look(1)
    late = list(ended)
    Blocked(watchdog, {"in time": job_with_deadline(now_s - 29), "waiting": job_with_deadline(None)}).look(1)

    assert late == ended == ["inv-1"]
