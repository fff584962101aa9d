"""`options.py`: options that cannot work are refused where they are written."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scalr_tasks import Backoff, Context, DefinitionError, OptionError, Queue, Registry, Settings
from scalr_tasks.envelope import NO_OVERRIDES, Overrides
from scalr_tasks.registry.options import CallOptions
from scalr_tasks.registry.schedule import Schedule
from scalr_tasks.registry.task import Task


def new_registry() -> Registry:
    return Registry("options", queues=["default", "bulk"], settings=Settings(redis="redis://localhost:1/0"))


def declared(**options: Any) -> Task[..., Any]:
    async def send(ctx: Context, a: int = 1) -> None: ...

    task: Task[..., Any] = new_registry().task(**options)(send)
    return task


def options_of(task: Task[..., Any], **said: Any) -> CallOptions:
    return task.using(**said)._options


# -- of a task ---------------------------------------------------------------------------


def test_the_defaults_are_those_of_the_contract() -> None:
    policy = declared().declaration.policy

    assert (policy.retries, policy.timeout_ms, policy.keep_result_ms, policy.expires_ms) == (
        4,
        300_000,
        3_600_000,
        None,
    )
    assert policy.backoff == Backoff(first=1, factor=2, max=3600, jitter=0.1)
    assert (policy.retry_on, policy.give_up_on) == ((BaseException,), ())


def test_options_become_the_policy() -> None:
    policy = declared(
        retries=0, timeout=timedelta(minutes=1), backoff=0.5, retry_on=OSError, give_up_on=[KeyError, ValueError],
        keep_result=0, expires=1.5,
    ).declaration.policy  # fmt: skip

    assert (policy.retries, policy.timeout_ms, policy.keep_result_ms, policy.expires_ms) == (0, 60_000, 0, 1_500)
    assert policy.backoff == Backoff(first=0.5)
    assert (policy.retry_on, policy.give_up_on) == ((OSError,), (KeyError, ValueError))


@pytest.mark.parametrize("queue", ["bulk", Queue("bulk")])
def test_a_queue_is_named_or_given(queue: Queue | str) -> None:
    assert declared(queue=queue).queue == "bulk"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"retrys": 3}, "task has no option 'retrys' .*; did you mean 'retries'"),
    ({"retries": -1}, "expected retries to be 0 or more, got -1"),
    ({"retries": True}, "expected retries to be 0 or more, got True"),
    ({"retries": "3"}, "expected retries to be 0 or more, got '3'"),
    ({"timeout": 0}, "expected timeout to be more than 0 seconds"),
    ({"timeout": -5}, "expected timeout to be 0 or more seconds, got -5"),
    ({"timeout": float("inf")}, "expected timeout to be at most 100 years"),
    ({"timeout": "60"}, "expected timeout to be seconds or a timedelta, got str"),
    ({"timeout": None}, "expected timeout to be seconds or a timedelta, got NoneType"),
    ({"timeout": 10**12}, "expected timeout to be at most 100 years"),
    ({"backoff": -1}, "expected backoff to be 0 or more seconds, got -1"),
    ({"retry_on": "ValueError"}, "expected retry_on to be an exception class, or several, got 'ValueError'"),
    ({"give_up_on": [ValueError()]}, r"expected give_up_on to be an exception class, or several, got ValueError\(\)"),
    ({"keep_result": -1}, "expected keep_result to be 0 or more seconds"),
    ({"expires": 0}, "expected expires to be more than 0 seconds"),
    ({"name": "send invoice"}, "the task name 'send invoice' may hold letters, digits"),
    ({"name": ""}, "the task name '' must have 1 to 128 characters"),
    ({"name": 5}, "the task name 5 must be a str, not int"),
    ({"cron": "every day"}, "cron 'every day' cannot be read"),
    ({"cron": 5}, "expected cron to be a crontab line"),
    ({"cron": "0 3 * * *", "timezone": "Europe/Wien"}, "timezone 'Europe/Wien' is not known"),
    ({"cron": "0 3 * * *", "catch_up": "twice"}, "expected catch_up to be 'skip', 'once' or 'all', got 'twice'"),
    ({"timezone": "Europe/Vienna"}, "timezone says something about cron ticks, and there is no cron .*; add cron="),
    ({"overlap": "skip"}, "overlap says something about cron ticks"),
    ({"version": 0}, "expected version to be 1 or more, got 0"),
    ({"strict": "no"}, "expected strict to be True or False, got 'no'"),
    ({"ctx": None}, "expected ctx to be True or False, got None"),
    ({"queue": "bluk"}, "declares no queue 'bluk' .*did you mean 'bulk'"),
    ({"queue": 5}, "expected queue to be a Queue or its name, got int"),
    ({"queue": Queue("bulk", concurrency=3)}, "queue 'bulk' of registry 'options' is declared with other options"),
]


@pytest.mark.parametrize(("options", "problem"), REFUSED, ids=[str(each[0]) for each in REFUSED])
def test_a_bad_option_is_refused_at_the_declaration_with_its_place(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem) as caught:
        declared(**options)

    assert caught.value.task == options.get("name", "send")
    assert str(caught.value.where).startswith("tests/unit/registry/test_options.py:")


def test_a_cron_task_has_a_schedule() -> None:
    schedule = declared(cron="0 3 * * *", timezone="Europe/Vienna", overlap="skip").declaration.schedule

    assert schedule == Schedule("0 3 * * *", "Europe/Vienna", overlap="skip")


def test_a_cron_task_needs_no_arguments() -> None:
    async def send(ctx: Context, invoice_id: int) -> None: ...

    with pytest.raises(DefinitionError, match="a cron tick gives no arguments, and 'invoice_id' has no default"):
        new_registry().task(cron="0 3 * * *")(send)


# -- of a call ---------------------------------------------------------------------------


def test_what_a_call_does_not_say_stays_the_tasks_own() -> None:
    assert options_of(declared()) == CallOptions(overrides=NO_OVERRIDES)


def test_what_a_call_says_is_kept_and_added_to() -> None:
    task = declared().using(delay=60, retries=0).using(timeout=5, job_id="inv-1", expires=9, queue="bulk")

    assert task._options == CallOptions(
        queue="bulk",
        delay_ms=60_000,
        job_id="inv-1",
        expires_ms=9_000,
        overrides=Overrides(retries=0, timeout_ms=5_000),
    )


def test_the_later_of_delay_and_at_holds() -> None:
    instant = datetime(2026, 1, 1, tzinfo=UTC)

    assert options_of(declared().using(delay=5), at=instant).delay_ms == 0
    assert options_of(declared().using(delay=5), at=instant).at_ms == 1_767_225_600_000
    assert options_of(declared().using(at=instant), delay=5).at_ms is None


BAD_CALLS: list[tuple[dict[str, Any], str]] = [
    ({"delay": -1}, "delay should be 0 or more seconds, got -1"),
    ({"delay": "5"}, "delay should be seconds or a timedelta, got str"),
    ({"delay": 1, "at": datetime(2026, 1, 1, tzinfo=UTC)}, "delay and at say two different times .*; give one of them"),
    ({"at": datetime(2026, 1, 1)}, "at is a datetime without a time zone .*; give it a time zone"),
    ({"at": "tomorrow"}, "at should be a datetime, got str"),
    ({"at": datetime(1960, 1, 1, tzinfo=UTC)}, "at should be after 1970"),
    ({"job_id": ""}, "job_id should have 1 to 512 characters, got 0"),
    ({"job_id": "x" * 513}, "job_id should have 1 to 512 characters, got 513"),
    ({"job_id": "\ud800"}, "job_id should be valid UTF-8"),
    ({"job_id": 5}, "job_id should be a str, got int"),
    ({"retries": -1}, "retries should be 0 or more, got -1"),
    ({"timeout": 0}, "timeout should be more than 0 seconds"),
    ({"backoff": "x"}, "backoff should be seconds or a timedelta, got str"),
    ({"expires": 0}, "expires should be more than 0 seconds"),
    ({"keep_result": -1}, "keep_result should be 0 or more seconds"),
]


@pytest.mark.parametrize(("said", "problem"), BAD_CALLS, ids=[repr(each[0])[:40] for each in BAD_CALLS])
def test_a_bad_option_of_a_call_is_refused_with_the_task(said: dict[str, Any], problem: str) -> None:
    task = declared()

    with pytest.raises(OptionError, match=rf"^{problem}") as caught:
        task.using(**said)

    assert caught.value.task == "send"
    assert "(task 'send')" in str(caught.value)


@pytest.mark.parametrize("length", [1, 512])
def test_an_id_at_the_limit_is_taken(length: int) -> None:
    assert options_of(declared(), job_id="x" * length).job_id == "x" * length


def test_every_option_of_a_call_reaches_the_wire() -> None:
    call = declared().using(retries=2, timeout=1, backoff=3, keep_result=4, expires=5, delay=6, job_id="x").call()

    assert call.new.head.startswith(b'"f":"send","n":"')
    assert call.new.head.endswith(b'","r":2,"to":1000,"b":[3.0,2.0,3600.0,0.1],"k":4000')
    assert (call.new.expires_ms, call.new.delay_ms, call.new.job_id) == (5_000, 6_000, "x")
