"""`scalr_tasks/policy.py`: every row of what follows an attempt."""

import asyncio
from datetime import timedelta

import pytest

from scalr_tasks.policy import (
    Backoff,
    Decision,
    Die,
    ErrorRecord,
    Failed,
    Finish,
    GiveUp,
    Hopeless,
    Outcome,
    Policy,
    Retry,
    RetryAsked,
    RunAgain,
    Snooze,
    SnoozeAsked,
    Succeeded,
    decide,
    to_ms,
)

ERROR = ErrorRecord("SMTPError", "421 try later")
NO_JITTER = Backoff(first=1, factor=2, max=60, jitter=0)


class SMTPError(Exception):
    pass


class MailboxGoneError(SMTPError):
    pass


def failed(exception: BaseException) -> Failed:
    return Failed(ERROR, exception)


PICKY = Policy(retries=4, backoff=NO_JITTER, retry_on=(SMTPError,), give_up_on=(MailboxGoneError,))


@pytest.mark.parametrize(
    ("outcome", "policy", "before", "decision"),
    [
        pytest.param(Succeeded(b"1"), Policy(), 0, Finish(b"1"), id="success finishes"),
        pytest.param(Succeeded(b"1"), Policy(retries=0), 9, Finish(b"1"), id="late success finishes"),
        pytest.param(
            failed(SMTPError()), Policy(backoff=NO_JITTER), 0, RunAgain(1000, True, ERROR), id="first failure"
        ),
        pytest.param(
            failed(SMTPError()), Policy(backoff=NO_JITTER), 3, RunAgain(8000, True, ERROR), id="fourth failure"
        ),
        pytest.param(failed(SMTPError()), Policy(backoff=NO_JITTER), 4, Die("failed", ERROR), id="fifth failure"),
        pytest.param(failed(SMTPError()), Policy(retries=0), 0, Die("failed", ERROR), id="no retries"),
        pytest.param(failed(SystemExit()), Policy(backoff=NO_JITTER), 0, RunAgain(1000, True, ERROR), id="SystemExit"),
        pytest.param(
            failed(asyncio.CancelledError()), Policy(backoff=NO_JITTER), 0, RunAgain(1000, True, ERROR), id="own cancel"
        ),
        pytest.param(
            Failed(ERROR, TimeoutError(), timed_out=True),
            Policy(backoff=NO_JITTER),
            1,
            RunAgain(2000, True, ERROR),
            id="a timeout is a failure like any other",
        ),
        pytest.param(failed(SMTPError()), PICKY, 0, RunAgain(1000, True, ERROR), id="retry_on"),
        pytest.param(failed(ValueError()), PICKY, 0, Die("gave_up", ERROR), id="not in retry_on"),
        pytest.param(failed(MailboxGoneError()), PICKY, 0, Die("gave_up", ERROR), id="give_up_on beats retry_on"),
        pytest.param(RetryAsked(None, ERROR), Policy(backoff=NO_JITTER), 1, RunAgain(2000, True, ERROR), id="Retry()"),
        pytest.param(RetryAsked(5, ERROR), Policy(), 1, RunAgain(5, True, ERROR), id="Retry(delay)"),
        pytest.param(RetryAsked(0, ERROR), Policy(), 1, RunAgain(0, True, ERROR), id="Retry(0)"),
        pytest.param(RetryAsked(5, ERROR), Policy(retries=1), 1, Die("failed", ERROR), id="Retry counts"),
        pytest.param(SnoozeAsked(5), Policy(retries=0), 7, RunAgain(5, False, None), id="Snooze never counts"),
        pytest.param(Hopeless("bad_result", ERROR), Policy(), 0, Die("bad_result", ERROR), id="hopeless"),
    ],
)
def test_what_follows_an_attempt(outcome: Outcome, policy: Policy, before: int, decision: Decision) -> None:
    assert decide(outcome, policy, before) == decision


def test_the_jitter_of_a_retry_comes_from_the_given_source() -> None:
    decision = decide(failed(SMTPError()), Policy(), 0, uniform=lambda low, high: high)

    assert decision == RunAgain(1100, True, ERROR)


# -- backoff -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failed_attempts", "delay_ms"), [(1, 1000), (2, 2000), (3, 4000), (7, 60_000), (100_000, 60_000)]
)
def test_a_delay_doubles_up_to_its_max(failed_attempts: int, delay_ms: int) -> None:
    assert NO_JITTER.delay_ms(failed_attempts) == delay_ms


@pytest.mark.parametrize("factor", [1, 1.5, 10, 1e6, 10**8])
def test_no_factor_overflows_however_many_attempts_failed(factor: float) -> None:
    assert Backoff(first=1.0, factor=factor, max=30, jitter=0).delay_ms(1_000_000) == (1000 if factor == 1 else 30_000)


def test_a_first_delay_of_zero_stays_zero() -> None:
    assert Backoff(first=0, factor=10).delay_ms(1_000) == 0


def test_jitter_moves_a_delay_by_at_most_its_share() -> None:
    backoff = Backoff(first=10, jitter=0.1)

    delays = {backoff.delay_ms(1) for _ in range(200)}

    assert min(delays) >= 9000
    assert max(delays) <= 11_000
    assert len(delays) > 1


@pytest.mark.parametrize(
    "options",
    [
        {"first": -1},
        {"first": float("nan")},
        {"first": float("inf")},
        {"first": 10**400},
        {"first": True},
        {"first": "1"},
        {"factor": 0.5},
        {"max": -1},
        {"max": float("inf")},
        {"jitter": -0.1},
        {"jitter": 1.1},
    ],
)
def test_a_backoff_that_no_delay_comes_from_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"expected backoff {next(iter(options))} to be "):
        Backoff(**options)


@pytest.mark.parametrize("value", [2, 2.0, timedelta(seconds=2), Backoff(first=2)])
def test_a_number_or_a_timedelta_is_the_first_delay(value: Backoff | timedelta | float) -> None:
    assert Backoff.of(value) == Backoff(first=2)


# -- spans of time -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "ms"), [(0, 0), (1, 1000), (0.25, 250), (timedelta(minutes=1), 60_000), (timedelta(microseconds=1), 0)]
)
def test_a_span_is_whole_milliseconds(value: timedelta | float, ms: int) -> None:
    assert to_ms(value, name="delay") == ms


@pytest.mark.parametrize(
    "value",
    [
        -1,
        -0.001,
        timedelta(seconds=-1),
        float("nan"),
        float("inf"),
        1e300,
        10**400,
        True,
        "1",
        None,
        101 * 365 * 86_400,
    ],
)
def test_what_is_no_span_is_refused_with_the_name_of_the_option(value: float) -> None:
    with pytest.raises(ValueError, match="expected delay to be "):
        to_ms(value, name="delay")


# -- signals -----------------------------------------------------------------------------


def test_signals_keep_their_delay_in_milliseconds() -> None:
    assert Retry(delay=2).delay_ms == 2000
    assert Retry().delay_ms is None
    assert Snooze(timedelta(seconds=3)).delay_ms == 3000


def test_giving_up_keeps_its_reason() -> None:
    assert GiveUp("the customer is gone").reason == str(GiveUp("the customer is gone")) == "the customer is gone"


def test_a_signal_with_a_bad_delay_is_refused() -> None:
    with pytest.raises(ValueError, match="expected delay to be 0 or more seconds, got -1"):
        Retry(delay=-1)
