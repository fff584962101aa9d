"""`scalr_tasks/names.py`."""

import pytest

from scalr_tasks.names import (
    MAX_JOB_ID_CHARS,
    MAX_NAME_CHARS,
    did_you_mean,
    job_id_problem,
    name_problem,
    nearest,
    queue_name_problem,
)


@pytest.mark.parametrize(
    "name", ["a", "send_invoice_email", "billing.send-2", "X" * MAX_NAME_CHARS, "9", "health-check"]
)
def test_a_task_may_be_called(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize("name", ["", "X" * 129, "a b", "a:b", "a/b", "ä", "a\n", "\n", "a\x00"])
def test_a_task_may_not_be_called(name: str) -> None:
    assert name_problem(name) is not None


@pytest.mark.parametrize("name", [None, 7, b"send", ["send"]])
def test_a_name_that_is_no_text_says_its_type(name: object) -> None:
    assert name_problem(name) == f"must be a str, not {type(name).__name__}"


def test_a_queue_may_not_have_the_name_of_arqs_health_key() -> None:
    assert queue_name_problem("health-check") == "is reserved: arq keeps its health key there"


def test_a_queue_name_obeys_the_rules_of_task_names() -> None:
    assert queue_name_problem("bulk") is None
    assert queue_name_problem("bu lk") == name_problem("bu lk")


@pytest.mark.parametrize(
    "name", ["send_invoice_emial", "send_invoce_email", "SEND_INVOICE_EMAIL", "Send_Invoice_Emial"]
)
def test_the_nearest_name_is_found_whatever_its_case(name: str) -> None:
    assert nearest(name, ["rebuild_report", "send_invoice_email"]) == "send_invoice_email"


def test_a_name_far_from_all_has_no_nearest() -> None:
    assert nearest("zzz", ["send_invoice_email"]) is None


def test_names_that_differ_in_case_only_are_all_candidates() -> None:
    assert nearest("Bulk", ["bulk", "BULK"]) in {"bulk", "BULK"}


def test_the_hint_names_the_nearest() -> None:
    assert did_you_mean("bulkk", ["bulk", "default"]) == "did you mean 'bulk'?"


def test_the_hint_lists_what_is_known_where_nothing_is_near() -> None:
    assert did_you_mean("zzz", ["bulk", "default"]) == "known: bulk, default"


def test_the_hint_stays_short() -> None:
    assert did_you_mean("zzz", [f"task{n:02}" for n in range(25)]).endswith("task09, and 15 more")


def test_the_hint_is_empty_where_nothing_is_known() -> None:
    assert did_you_mean("zzz", []) == ""


@pytest.mark.parametrize("job_id", ["a", "a b:ä*🧾", "two\nlines", "nul\0", "x" * MAX_JOB_ID_CHARS])
def test_a_job_id_may_be(job_id: str) -> None:
    assert job_id_problem(job_id) is None


@pytest.mark.parametrize(
    ("job_id", "problem"),
    [
        ("", "1 to 512 characters, got 0"),
        ("x" * 513, "1 to 512 characters, got 513"),
        ("half \ud800 a pair", "valid UTF-8"),
        (b"inv-1", "a str, got bytes"),
        (7, "a str, got int"),
    ],
    ids=repr,
)
def test_a_job_id_may_not_be(job_id: object, problem: str) -> None:
    assert problem in (job_id_problem(job_id) or "")
