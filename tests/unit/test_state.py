"""`scalr_tasks/state.py`."""

import pytest
from arq.jobs import JobStatus

from scalr_tasks.state import ARQ_STATUS, FINAL, TRANSITIONS, JobState


def reachable(start: JobState) -> set[JobState]:
    found, todo = set[JobState](), [start]
    while todo:
        for state in TRANSITIONS[todo.pop()] - found:
            found.add(state)
            todo.append(state)
    return found


def test_every_state_says_where_it_may_go() -> None:
    assert set(TRANSITIONS) == set(JobState)


def test_every_state_is_reached_from_an_unknown_id_and_leads_back_to_it() -> None:
    assert reachable(JobState.NOT_FOUND) == set(JobState)
    assert all(JobState.NOT_FOUND in reachable(state) for state in JobState)


@pytest.mark.parametrize("state", sorted(FINAL - {JobState.DEAD}))
def test_an_end_other_than_dead_is_only_forgotten(state: JobState) -> None:
    assert TRANSITIONS[state] == {JobState.NOT_FOUND}


def test_a_dead_job_may_run_again_and_its_id_may_be_used_again() -> None:
    assert TRANSITIONS[JobState.DEAD] == {JobState.QUEUED, JobState.DEFERRED, JobState.NOT_FOUND}


def test_only_a_running_job_can_be_done() -> None:
    assert [state for state in JobState if JobState.DONE in TRANSITIONS[state]] == [JobState.RUNNING]


def test_a_final_state_says_so() -> None:
    assert {state for state in JobState if state.is_final} == FINAL


def test_arq_has_a_word_for_every_state() -> None:
    assert set(ARQ_STATUS) == set(JobState)
    assert set(ARQ_STATUS.values()) <= {status.value for status in JobStatus}


def test_a_state_is_its_own_text() -> None:
    assert str(JobState.RETRYING) == "retrying"
