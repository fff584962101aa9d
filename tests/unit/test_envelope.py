"""`scalr_tasks/envelope.py`: what is written is read back, and what is not ours is told apart."""

import json
import pickle
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalr_tasks.envelope import (
    MAX_HEAD_BYTES,
    NO_OVERRIDES,
    Envelope,
    Overrides,
    ResultRecord,
    UnreadableError,
    new_job_id,
    new_nonce,
    read,
    read_result,
    stamp,
    write_error,
    write_head,
    write_result,
)
from scalr_tasks.policy import Backoff, ErrorRecord

NOW_MS = 1_790_000_000_000


def job(head: bytes = b'"f":"add","n":"x"', arguments: bytes = b'{"a":1}') -> bytes:
    return stamp(head, arguments, enqueued_at_ms=NOW_MS)


def test_a_job_is_two_lines_that_a_person_can_read() -> None:
    assert job() == b'{"v":1,"et":1790000000000,"f":"add","n":"x"}\n{"a":1}'


def test_a_plain_job_is_read_back() -> None:
    assert read(job()) == Envelope("add", b'{"a":1}', NOW_MS, nonce="x")


def test_a_job_with_every_field_is_read_back() -> None:
    overrides = Overrides(retries=0, timeout_ms=5, backoff=Backoff(1, 3, 9, 0), keep_result_ms=0)
    head = write_head("add", "x", task_version=2, first_attempt=3, overrides=overrides, headers={"traceparent": "00-1"})

    envelope = read(stamp(head, b"{}", enqueued_at_ms=1, expires_at_ms=9))

    assert envelope == Envelope("add", b"{}", 1, "x", 2, 3, 9, overrides, {"traceparent": "00-1"})


def test_what_is_default_takes_no_bytes() -> None:
    assert write_head("add", "x", overrides=NO_OVERRIDES, headers={}) == b'"f":"add","n":"x"'


def test_the_arguments_stay_the_bytes_that_were_validated() -> None:
    assert read(job(arguments=b'{"a": [1,\t2]}')).arguments == b'{"a": [1,\t2]}'


whole = st.integers(0, 2**53)
maybe = st.none() | whole


@given(
    task=st.text(max_size=40),
    nonce=st.text(max_size=40),
    version=whole,
    overrides=st.builds(Overrides, retries=maybe, timeout_ms=maybe, keep_result_ms=maybe),
    headers=st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=3),
    arguments=st.binary().filter(lambda raw: b"\n" not in raw),
)
def test_whatever_is_written_is_read_back(
    task: str, nonce: str, version: int, overrides: Overrides, headers: dict[str, str], arguments: bytes
) -> None:
    head = write_head(task, nonce, task_version=version, overrides=overrides, headers=headers)

    envelope = read(stamp(head, arguments, enqueued_at_ms=NOW_MS))

    assert envelope == Envelope(task, arguments, NOW_MS, nonce, version, overrides=overrides, headers=headers)


def test_headers_that_no_reader_would_take_are_refused_by_the_writer() -> None:
    with pytest.raises(ValueError, match="expected the headers of a job to take less than 4096 bytes"):
        write_head("add", "x", headers={"baggage": "b" * MAX_HEAD_BYTES})


def test_the_longest_head_that_is_written_can_be_read() -> None:
    headers = {"baggage": "b" * (MAX_HEAD_BYTES - 64 - len(b'"f":"add","n":"x","h":{"baggage":""}'))}

    envelope = read(stamp(write_head("add", "x", headers=headers), b"{}", enqueued_at_ms=2**53, expires_at_ms=2**53))

    assert envelope.headers == headers


def head(**fields: Any) -> bytes:
    return json.dumps({"v": 1, "et": 1, "f": "add", "n": "x"} | fields).encode() + b"\n{}"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\n", id="an empty head"),
        pytest.param(b"\n{}", id="no head"),
        pytest.param(b"\xff\xfe\x00", id="random bytes"),
        pytest.param(b"\xff\xfe\n\x00", id="random lines"),
        pytest.param(job()[:20], id="cut in the head"),
        pytest.param(b'{"v":1,"et":1,"f":"add"}', id="without arguments"),
        pytest.param(b"[1]\n{}", id="a list"),
        pytest.param(b"1\n{}", id="a number"),
        pytest.param(b"null\n{}", id="null"),
        pytest.param(b"{}\n{}", id="an empty object"),
        pytest.param(b"[" * 3000 + b"\n{}", id="deep"),
        pytest.param(head(f=None), id="no task"),
        pytest.param(head(f=7), id="a number as task"),
        pytest.param(head(v="1"), id="a text as version"),
        pytest.param(head(v=True), id="a truth as version"),
        pytest.param(head(v=0), id="version 0"),
        pytest.param(head(v=-1), id="a negative version"),
        pytest.param(head(et=None), id="no enqueue time"),
        pytest.param(head(et=1.5), id="half a millisecond"),
        pytest.param(head(et=-1), id="before 1970"),
        pytest.param(head(et=2**53 + 1), id="a time no reader holds exactly"),
        pytest.param(head(to=10**400), id="a timeout that no float holds"),
        pytest.param(head(n=1), id="a number as nonce"),
        pytest.param(head(tv="2"), id="a text as task version"),
        pytest.param(head(x="soon"), id="a text as expiry"),
        pytest.param(head(r=-1), id="negative retries"),
        pytest.param(head(b=5), id="a number as backoff"),
        pytest.param(head(b=[1, 2, 3, 4, 5]), id="too many in a backoff"),
        pytest.param(head(b=["1"]), id="a text in a backoff"),
        pytest.param(head(b=[-1]), id="a negative backoff"),
        pytest.param(head(h=[]), id="a list of headers"),
        pytest.param(head(h={"a": 1}), id="a number as header"),
        pytest.param(head(h=None), id="null headers"),
        pytest.param(head(h={"a": "b" * MAX_HEAD_BYTES}), id="a head too long"),
    ],
)
def test_what_is_no_job_is_unreadable(raw: bytes) -> None:
    with pytest.raises(UnreadableError) as caught:
        read(raw)

    assert caught.value.reason == "unreadable"


@pytest.mark.parametrize("reader", [read, read_result])
def test_a_pickle_is_named_and_never_loaded(reader: Any) -> None:
    with pytest.raises(UnreadableError) as caught:
        reader(pickle.dumps({"f": "add", "a": (1,)}))

    assert caught.value.reason in {"pickle", "unreadable"}


def test_a_pickle_without_a_line_break_is_told_from_noise() -> None:
    with pytest.raises(UnreadableError, match="pickle"):
        read(b"\x80\x04N.")


def test_a_newer_wire_version_is_told_with_the_task_that_it_seems_to_have() -> None:
    with pytest.raises(UnreadableError) as caught:
        read(head(v=2))

    assert (caught.value.reason, caught.value.task, caught.value.version) == ("newer wire version", "add", 2)


def test_a_broken_field_keeps_the_task_that_could_be_read() -> None:
    with pytest.raises(UnreadableError) as caught:
        read(head(et="now"))

    assert caught.value.task == "add"


def test_a_field_of_the_future_is_passed_over() -> None:
    assert read(head(zz=1)).task == "add"


@given(st.binary())
def test_no_bytes_do_anything_but_be_read_or_be_unreadable(raw: bytes) -> None:
    for reader in (read, read_result):
        try:
            reader(raw)
        except UnreadableError:
            continue


def test_a_job_id_is_20_characters_that_urls_and_command_lines_take() -> None:
    ids = [new_job_id() for _ in range(2000)]

    assert len(set(ids)) == len(ids)
    assert [job_id for job_id in ids if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{19}", job_id)] == []


def test_a_nonce_is_new_each_time() -> None:
    assert len({new_nonce() for _ in range(2000)}) == 2000


# -- results -----------------------------------------------------------------------------


def record(**fields: Any) -> ResultRecord:
    defaults: dict[str, Any] = {"kind": "done", "task": "add", "job_id": "j1", "body": b"3"}
    return ResultRecord(**defaults | fields)


@pytest.mark.parametrize(
    "kept",
    [
        record(),
        record(queue="bulk", nonce="x", attempt=2, enqueued_at_ms=1, started_at_ms=2, finished_at_ms=3),
        record(kind="failed", reason="gave_up", body=write_error(ErrorRecord("SMTPError", "421", "Traceback"))),
        record(kind="aborted", body=write_error(ErrorRecord("JobAbortedError", "the job was aborted"))),
        record(kind="expired", body=b"{}"),
    ],
)
def test_a_result_is_read_back(kept: ResultRecord) -> None:
    assert read_result(write_result(kept)) == kept


def test_an_error_is_read_back() -> None:
    error = ErrorRecord("SMTPError", "421 try later", "Traceback …")

    assert record(kind="failed", body=write_error(error)).error == error


def test_half_a_surrogate_pair_in_an_error_does_not_lose_the_record() -> None:
    assert record(body=write_error(ErrorRecord("E", "a\ud800b"))).error.message == r"a\ud800b"


@pytest.mark.parametrize("body", [b"", b"{", b"1", b"[]", b"null", b"{}", b'"text"', b'{"type":"E"}'])
def test_an_error_that_cannot_be_read_says_so(body: bytes) -> None:
    assert record(kind="failed", body=body).error == ErrorRecord("unknown", "the error record cannot be read")


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "eaten"},
        {"kind": None},
        {"f": None},
        {"v": None},
        {"t": "1"},
        {"st": -1},
        {"q": 1},
        {"why": 1},
        {"v": 2},
    ],
)
def test_what_is_no_result_is_unreadable(fields: dict[str, Any]) -> None:
    raw = json.dumps({"v": 1, "kind": "done", "f": "add"} | fields).encode() + b"\n3"

    with pytest.raises(UnreadableError):
        read_result(raw)


def test_a_job_is_no_result() -> None:
    with pytest.raises(UnreadableError):
        read_result(job())
