"""Heads and listings as the memory broker reads them."""

import pytest

from scalr_tasks.broker.memory_tables import count, head_in, page_of, result_state, text
from scalr_tasks.state import JobState


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b'{"f":"add"}',
        b"\x80\x04pickle\n",
        b"[1]\n{}",
        b"{'f'}\n{}",
        b'{"f":"' + b"x" * 4100 + b'"}\n{}',
    ],
    ids=["nothing", "one line", "pickle", "no object", "no JSON", "too long"],
)
def test_a_first_line_that_is_no_head_is_an_empty_one(raw: bytes) -> None:
    assert head_in(raw) == {}


def test_a_head_is_read_without_its_arguments() -> None:
    assert head_in(b'{"f":"add"}\nnot JSON at all') == {"f": "add"}


def test_what_is_no_text_is_an_empty_one() -> None:
    assert [text(value) for value in ("add", 5, None)] == ["add", "", ""]


def test_what_is_no_count_is_zero() -> None:
    assert [count(value) for value in (5, 5.9, -1, True, "5", None)] == [5, 5, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("kind", "state"),
    [("done", "done"), ("failed", "dead"), ("aborted", "aborted"), ("expired", "expired"), (7, "done")],
)
def test_a_result_of_an_unknown_kind_tells_only_that_the_job_is_over(kind: object, state: JobState) -> None:
    assert result_state({"kind": kind}) == state


def test_rows_of_one_millisecond_are_in_the_order_of_their_bytes() -> None:
    ids, cursor = page_of({"a": 5, "ä": 5, "b": 5, "old": 4}, None, 3)

    assert ids == ["ä", "b", "a"]
    assert cursor == "5:a"


def test_a_part_that_is_not_full_is_the_last_one() -> None:
    assert page_of({"a": 5, "b": 4}, "5:a", 2) == (["b"], None)
