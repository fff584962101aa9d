"""The states of a job, and what arq calls them.

enqueue ──> queued ──> running ──> done
   │          ▲  ▲        ├──────> dead ──(dead retry)──> queued
   ▼          │  │        ├──────> retrying ──> queued
deferred ─────┘  └─parked<┤
                          └──────> aborted, expired
"""

from enum import StrEnum
from typing import Final


class JobState(StrEnum):
    """Where a job is in its life."""

    DEFERRED = "deferred"
    """Waiting for its time; never started yet."""
    QUEUED = "queued"
    """Due: the next free worker takes it."""
    RUNNING = "running"
    """An attempt is under way."""
    RETRYING = "retrying"
    """An attempt ended and the next one waits for its time."""
    DONE = "done"
    """Succeeded; the result is kept."""
    DEAD = "dead"
    """Failed for good, and kept: payload, error, traceback."""
    ABORTED = "aborted"
    """Stopped by `Job.abort`."""
    EXPIRED = "expired"
    """Not started before its `expires`."""
    PARKED = "parked"
    """Not understood by the code that met it; kept until some code does."""
    NOT_FOUND = "not_found"
    """Redis knows nothing of this id: never enqueued, or its result is gone."""

    @property
    def is_final(self) -> bool:
        """Whether the job will not run again by itself."""
        return self in FINAL


FINAL: Final = frozenset({JobState.DONE, JobState.DEAD, JobState.ABORTED, JobState.EXPIRED})
"""States in which nothing further happens by itself."""

ARQ_STATUS: Final[dict[JobState, str]] = {
    JobState.DEFERRED: "deferred",
    JobState.RETRYING: "deferred",
    JobState.QUEUED: "queued",
    JobState.RUNNING: "in_progress",
    JobState.DONE: "complete",
    JobState.DEAD: "complete",
    JobState.ABORTED: "complete",
    JobState.EXPIRED: "complete",
    JobState.PARKED: "not_found",
    JobState.NOT_FOUND: "not_found",
}
"""What `arq.jobs.Job.status` answers for a job in each state."""

TRANSITIONS: Final[dict[JobState, frozenset[JobState]]] = {
    JobState.NOT_FOUND: frozenset({JobState.DEFERRED, JobState.QUEUED}),
    JobState.DEFERRED: frozenset({JobState.QUEUED, JobState.ABORTED, JobState.EXPIRED}),
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.PARKED, JobState.ABORTED, JobState.EXPIRED}),
    JobState.RUNNING: frozenset(
        {
            JobState.DONE,
            JobState.RETRYING,
            JobState.QUEUED,  # given back by a drain, or its worker died
            JobState.DEAD,
            JobState.ABORTED,
            JobState.EXPIRED,
            JobState.PARKED,
        }
    ),
    JobState.RETRYING: frozenset({JobState.QUEUED, JobState.ABORTED}),
    JobState.PARKED: frozenset({JobState.QUEUED, JobState.DEAD, JobState.ABORTED, JobState.NOT_FOUND}),
    JobState.DEAD: frozenset({JobState.QUEUED, JobState.DEFERRED, JobState.NOT_FOUND}),
    JobState.DONE: frozenset({JobState.NOT_FOUND}),
    JobState.ABORTED: frozenset({JobState.NOT_FOUND}),
    JobState.EXPIRED: frozenset({JobState.NOT_FOUND}),
}
"""Every legal step from one state to the next.

With `keep_result=0` an end is passed through at once, so that NOT_FOUND is what is seen.
"""
