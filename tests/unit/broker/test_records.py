import json

import pytest

from scalr_tasks.broker import records
from scalr_tasks.broker.base import DeadJob
from scalr_tasks.errors import OptionError
from scalr_tasks.policy import ErrorRecord
from scalr_tasks.state import JobState
from tests.support.jobs import new_job

DEAD = DeadJob("a", "add", "default", "arq:queue:default", "failed", ErrorRecord("E", "m", "t"), 3, 5, 9, b"raw", 3)


def sizes(counts: list[int]) -> list[int]:
    jobs = [new_job(arguments=b"x" * count) for count in counts]
    return [len(batch) for batch in records.batches(jobs)]


def test_a_batch_has_at_most_a_thousand_jobs() -> None:
    assert sizes([1] * 2001) == [1000, 1000, 1]


def test_a_batch_has_at_most_eight_megabytes() -> None:
    assert sizes([3_000_000, 3_000_000, 3_000_000, 1]) == [2, 2]


def test_a_job_larger_than_a_batch_goes_alone() -> None:
    assert sizes([1, 9_000_000, 1]) == [1, 1, 1]


def test_nothing_makes_no_batch() -> None:
    assert list(records.batches([])) == []


def test_each_queue_of_a_batch_is_one_key() -> None:
    keys, args = records.enqueue_arguments([new_job(queue_key="b"), new_job(queue_key="a"), new_job(queue_key="b")])

    assert keys == ["b", "a"]
    assert args[1::8] == [1, 2, 1]


def test_times_that_were_not_given_travel_as_nothing() -> None:
    _, args = records.enqueue_arguments([new_job("a", nonce="n")])

    assert args == ["a", 1, b'"f":"add","n":"n"', b'{"invoice_id":1}', "n", 0, "", ""]


def test_a_time_of_zero_is_not_taken_for_none() -> None:
    _, args = records.enqueue_arguments([new_job(at_ms=0, expires_ms=0)])

    assert args[6:] == [0, 0]


def test_a_dead_record_reads_as_the_result_it_had() -> None:
    result = records.dead_result(DEAD)

    assert (result.kind, result.task, result.attempt, result.reason) == ("failed", "add", 3, "failed")
    assert result.error == ErrorRecord("E", "m", "t")


def test_a_dead_job_survives_its_way_through_a_hash() -> None:
    sent = records.bury_arguments(DEAD, 1000)
    stored = [value if isinstance(value, bytes) else str(value).encode() for value in sent[2:]]

    read = records.dead_job("a", [*stored[:9], b"9", stored[9]])

    assert read == DEAD


def test_bytes_that_are_not_utf_8_do_not_break_a_listing() -> None:
    row = [b"id\xff", b"add", b"1", b"q", b"unreadable", b"1.5", b"7", 2]

    page = records.parked_page([None, row])

    assert page.items[0].job_id == "id\\xff"
    assert (page.items[0].payload, page.items[0].payload_bytes) == (b"", 2)


@pytest.mark.parametrize("broken", [None, b"abc", b"inf"])
def test_a_row_that_somebody_else_wrote_is_left_out_and_hides_no_other(broken: bytes | None) -> None:
    good = [b"good", b"add", b"1", b"q", b"unreadable", b"1", b"7", 2]
    odd = [b"odd", b"add", b"1", b"q", b"unreadable", broken, b"7", 2]

    page = records.parked_page([b"5:odd", good, odd])

    assert [job.job_id for job in page.items] == ["good"]
    assert page.cursor == "5:odd"


def test_a_dead_job_without_a_record_that_can_be_read_has_a_state_and_no_result() -> None:
    info = records.info("a", [b"dead", None, None, 0, None, None, [b"add", *[None] * 9]])

    assert (info.state, info.result) == (JobState.DEAD, None)


@pytest.mark.parametrize("head", [b"", b"\x80\x04", b"{}\n", b'{"v":1}\n', b'{"v":1,"f":7}\n'])
def test_a_job_whose_head_cannot_be_read_still_has_a_state(head: bytes) -> None:
    info = records.info("a", [b"queued", b"q", 5, 0, head, None, None])

    assert (info.state, info.task, info.enqueued_at_ms) == (JobState.QUEUED, None, None)


def test_a_newer_wire_version_still_tells_its_task() -> None:
    head = json.dumps({"v": 99, "f": "add", "et": 1}).encode() + b"\n"

    assert records.info("a", [b"queued", None, None, 0, head, None, None]).task == "add"


def test_a_cursor_goes_there_and_back() -> None:
    page = records.dead_page([b"1795000000000:a:b"])

    assert records.listing_arguments(page.cursor, 7) == ["1795000000000", "a:b", 7]


@pytest.mark.parametrize("cursor", ["", "12", "x:a", "-1:a", "1.5:a", "\u0661:a"])
def test_a_cursor_that_no_listing_gave_is_refused(cursor: str) -> None:
    with pytest.raises(OptionError, match=r"^cursor is none that a listing gave; begin without one$"):
        records.listing_arguments(cursor, 10)


def test_a_page_of_nothing_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^limit must be 1 or more$"):
        records.listing_arguments(None, 0)
