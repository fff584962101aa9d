"""When a dead job may come back, beyond what the conformance suite can bring about."""

import pytest

from scalr_tasks.broker.base import PutBack
from scalr_tasks.broker.memory_return import revive
from scalr_tasks.broker.memory_tables import Kept, Tables
from scalr_tasks.envelope import stamp, write_result
from scalr_tasks.state import JobState
from scalr_tasks.testing.conformance_harness import dead_of, new_job, record_of
from tests.support.hand_clock import HandClock

JOB = new_job("inv-1")
PAYLOAD = stamp(JOB.head, JOB.arguments, enqueued_at_ms=1)


@pytest.fixture
def tables() -> Tables:
    tables = Tables(HandClock())
    tables.dead["inv-1"] = dead_of(JOB, payload=PAYLOAD)
    return tables


def keep(tables: Tables, raw: bytes) -> None:
    tables.results["inv-1"] = Kept(raw, tables.clock.now_ms() + 1)


def test_a_job_comes_back_over_the_result_of_its_own_death(tables: Tables) -> None:
    keep(tables, write_result(record_of(JOB, "failed")))

    assert revive(tables, "inv-1").done
    assert tables.results == {}


@pytest.mark.parametrize("kind", ["done", "aborted", "expired"])
def test_a_job_does_not_come_back_over_another_end(tables: Tables, kind: str) -> None:
    keep(tables, write_result(record_of(JOB, kind)))

    assert revive(tables, "inv-1") == PutBack(done=False, state=JobState(kind))


def test_a_job_does_not_come_back_over_the_death_of_another_call(tables: Tables) -> None:
    keep(tables, write_result(record_of(new_job("inv-1"), "failed")))

    assert revive(tables, "inv-1") == PutBack(done=False, state=JobState.DEAD)


def test_a_result_that_is_not_ours_is_another_end(tables: Tables) -> None:
    keep(tables, b"\x80\x04pickle")

    assert revive(tables, "inv-1") == PutBack(done=False, state=JobState.DONE)


def test_a_job_that_is_still_on_its_queue_has_not_ended(tables: Tables) -> None:
    tables.store(JOB, 1)

    assert revive(tables, "inv-1") == PutBack(done=False, state=JobState.RUNNING)


def test_bytes_that_cannot_be_read_come_back_as_they_are(tables: Tables) -> None:
    tables.dead["inv-1"] = dead_of(JOB, payload=b"what is this")

    assert revive(tables, "inv-1").done
    assert tables.jobs["inv-1"].payload == b"what is this"
