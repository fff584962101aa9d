"""`testing/records.py`: what a test looks at."""

import pytest

from scalr_tasks.testing.records import Arguments, Attempt, AttemptEnd, Drained


@pytest.mark.parametrize(
    ("attempt", "line"),
    [
        (Attempt("a", "sell", 1, 1_000, "succeeded"), "+1 s sell attempt 1: succeeded"),
        (
            Attempt("a", "sell", 2, 1_500, "retried", 250, error="E: no"),
            "+1.5 s sell attempt 2: retried, again in 0.25 s: E: no",
        ),
        (Attempt("a", "sell", 1, 0, "dead", reason="failed", error="E: no"), "+0 s sell attempt 1: dead: E: no"),
        (
            Attempt("a", "sell", 1, 0, "dead", reason="gave_up", error="E: no"),
            "+0 s sell attempt 1: dead (gave_up): E: no",
        ),
        (Attempt("a", "", 1, 0, "parked", reason="pickle"), "+0 s  attempt 1: parked (pickle)"),
    ],
)
def test_an_attempt_is_a_line(attempt: Attempt, line: str) -> None:
    assert attempt.line(0) == line


def test_a_drain_counts_every_end() -> None:
    drained = Drained()
    ends: list[AttemptEnd] = ["succeeded", "succeeded", "dead"]

    for end in ends:
        drained.count(Attempt("a", "sell", 1, 0, end))

    assert repr(drained) == "Drained(succeeded=2, dead=1)"
    assert drained.attempts == 3


@pytest.mark.parametrize("name", ["items", "keys", "get", "values", "_values", "self"])
def test_an_argument_may_be_called_anything(name: str) -> None:
    arguments = Arguments({name: 1})

    assert getattr(arguments, name) == arguments[name] == 1


def test_arguments_are_equal_by_value() -> None:
    assert Arguments({"a": [1]}) == Arguments({"a": [1]})
    assert Arguments({"a": [1]}) != Arguments({"a": [2]})
    assert list(Arguments({"a": 1, "b": 2})) == ["a", "b"]
