"""`hand.py`: how long the lease of a job in hand is renewed."""

import pytest

from scalr_tasks.broker.leases import Claimed
from scalr_tasks.worker.hand import MARGIN_S, InHand


def job_with_deadline(deadline_s: float | None) -> InHand:
    job = InHand(Claimed("inv-1", 0, b""), "w:1", marked=True)
    job.deadline_s = deadline_s
    return job


def test_a_job_that_has_not_begun_is_held_without_end() -> None:
    assert job_with_deadline(None).holds_until_s(200) == float("inf")


@pytest.mark.parametrize("grace_s", [0.0, 30.0, 60.0, 200.0, 3600.0])
def test_a_lease_outlives_the_grace_after_which_the_process_of_a_stuck_body_ends(grace_s: float) -> None:
    held_s = job_with_deadline(100.0).holds_until_s(grace_s) - 100

    assert held_s > grace_s
    assert held_s >= MARGIN_S
