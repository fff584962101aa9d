"""`scalr_tasks/errors.py`: every text by its grammar, every field kept."""

import inspect
import pickle
from typing import Any

import pytest

from scalr_tasks import errors
from scalr_tasks.errors import (
    ArgumentProblem,
    BatchError,
    BrokerRefusedError,
    BrokerUnavailableError,
    ContextUnavailableError,
    DefinitionError,
    DuplicateTaskError,
    InvalidArgumentsError,
    InvalidResultError,
    JobAbortedError,
    JobExpiredError,
    JobIdConflictError,
    JobNotFoundError,
    KitError,
    MissingImplementationError,
    MixedRegistriesError,
    ModuleError,
    NotSerialisableError,
    OptionError,
    RegistryFrozenError,
    ResultNotKeptError,
    RunningLoopError,
    ScalrTasksError,
    SettingsError,
    StateUnavailableError,
    TaskFailedError,
    UnknownQueueError,
    UnknownTaskError,
)

WHERE = "app/tasks.py:12"

TEXTS: list[tuple[ScalrTasksError, str]] = [
    (
        DefinitionError("expected retries to be 0 or more, got -1", task="send", where=WHERE, way_out="leave it out"),
        "expected retries to be 0 or more, got -1 (task 'send' at app/tasks.py:12); leave it out",
    ),
    (
        DuplicateTaskError("send", where=WHERE, first="app/mail.py:3"),
        ("the name is taken by the task declared at app/mail.py:3 (task 'send' at app/tasks.py:12); "
        "give one of them another name with name="),
    ),
    (
        RegistryFrozenError("invoices", task="send", where=WHERE),
        ("registry 'invoices' is compiled and takes no more tasks (task 'send' at app/tasks.py:12); "
        "import every module with tasks before worker_settings() or compile()"),
    ),
    (
        MissingImplementationError("send", where=WHERE),
        ("declared without an implementation (task 'send' at app/tasks.py:12); "
        "put @send.implement over the function, in a module that the worker imports"),
    ),
    (UnknownTaskError("sned", ["send"]), "no task named 'sned' is registered; did you mean 'send'?"),
    (UnknownTaskError("send", []), "no task named 'send' is registered; is the module that declares it imported?"),
    (
        InvalidArgumentsError(
            "send",
            [ArgumentProblem("invoce_id", "is not a parameter", "invoice_id"), ArgumentProblem("cc.0", "is no text")],
            signature="(invoice_id: int)",
        ),
        "send: invoce_id: is not a parameter, did you mean 'invoice_id'?; cc.0: is no text; expected (invoice_id: int)",
    ),
    (
        NotSerialisableError("send", "argument 'file'", "a TextIOWrapper"),
        "send: argument 'file' cannot be written as JSON: a TextIOWrapper; pass an id or a path instead",
    ),
    (
        UnknownQueueError("bulkk", ["bulk"], registry="invoices", task="send", where=WHERE),
        ("registry 'invoices' declares no queue 'bulkk' (task 'send' at app/tasks.py:12); did you mean 'bulk'?; "
        'declare it: Registry(..., queues=[Queue("bulkk")])'),
    ),
    (
        OptionError("at", "has no time zone", task="send", way_out="pass an aware datetime"),
        "at has no time zone (task 'send'); pass an aware datetime",
    ),
    (
        StateUnavailableError("invoices"),
        ("no lifespan of registry 'invoices' is running here, so there is no state; "
        "run the call under `async with registry.running():`"),
    ),
    (
        RunningLoopError("send.enqueue_sync", "send.enqueue"),
        "send.enqueue_sync would block the running event loop; await send.enqueue",
    ),
    (
        MixedRegistriesError(["b", "a"]),
        ("enqueue_many got calls of several registries (a, b); "
        "send the calls of each registry with its own enqueue_many"),
    ),
    (
        ContextUnavailableError("current_context()", "no job is running here"),
        "current_context() is not available: no job is running here; it is there inside a task that a worker runs",
    ),
    (
        TaskFailedError("j1", task="send", reason="failed", error_type="SMTPError", message="421", attempts=1),
        "job j1 of task 'send' is dead after 1 attempt: SMTPError: 421; retry it with `scalr-tasks dead retry j1`",
    ),
    (JobAbortedError("j1"), "job j1 was aborted"),
    (JobExpiredError("j1"), "job j1 was not started before its expires; is its queue worked fast enough?"),
    (
        ResultNotKeptError("j1"),
        ("no result of job j1 is kept: it ended with keep_result=0, its result's time is over, "
        "or there was never a job of that id"),
    ),
    (
        JobIdConflictError("j1", task="send", holder="rebuild"),
        "job id 'j1' of task 'send' is taken by a job of task 'rebuild'; choose another job_id",
    ),
    (
        JobIdConflictError("j1", task="send", holder=None),
        "job id 'j1' of task 'send' is taken by a job that this code cannot read; choose another job_id",
    ),
    (JobNotFoundError("j1", where="dead", near="j2"), "no job 'j1' is dead; did you mean 'j2'?"),
    (JobNotFoundError("j1", where="parked"), "no job 'j1' is parked"),
    (
        InvalidResultError("j1", task="send", problem="expected int"),
        "result of job j1 does not fit the result type of task 'send': expected int; did it change?",
    ),
    (
        BatchError(["a", "b"], unsent=3, cause=ValueError("x")),
        "2 jobs were sent and at least 3 were not: x; the ids of those sent are in .sent_job_ids",
    ),
    (
        BrokerUnavailableError("redis://cache:6379/0", "connection refused", after_s=5),
        "redis://cache:6379/0 did not answer for 5 s: connection refused; is Redis running, and is REDIS_URL right?",
    ),
    (
        BrokerRefusedError("redis://cache:6379/0", "OOM", way_out="give it memory"),
        "redis://cache:6379/0 refused: OOM; give it memory",
    ),
    (SettingsError("REDIS_URL", "is no URL", way_out="write one"), "REDIS_URL is no URL; write one"),
    (ModuleError("app.tsks", "there is no such module", way_out="did you mean 'app.tasks'?"),
     "app.tsks: there is no such module; did you mean 'app.tasks'?"),
    (KitError("travel goes forward, got -1 s", way_out="set the clock"), "travel goes forward, got -1 s; set the clock"),
]  # fmt: skip

EACH = pytest.mark.parametrize("error", [error for error, _ in TEXTS], ids=lambda error: type(error).__name__)


@pytest.mark.parametrize(("error", "text"), TEXTS, ids=lambda value: type(value).__name__)
def test_a_text_says_what_where_and_the_way_out(error: ScalrTasksError, text: str) -> None:
    assert str(error) == text


def test_every_error_that_can_be_raised_has_its_text_above() -> None:
    kinds = {kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, ScalrTasksError)}
    raised = {kind for kind in kinds if "code" in kind.__dict__} - {ScalrTasksError}

    assert raised == {type(error) for error, _ in TEXTS}


@EACH
def test_a_text_is_one_line_without_a_full_stop(error: ScalrTasksError) -> None:
    assert not str(error).endswith(".")
    assert "\n" not in str(error)
    assert not str(error)[0].isupper() or str(error).startswith("REDIS_URL")


@EACH
def test_every_part_of_a_text_is_a_field_too(error: ScalrTasksError) -> None:
    parameters = [name for name in inspect.signature(type(error)).parameters if name != "cause"]

    assert [name for name in parameters if not hasattr(error, name)] in ([], ["after_s"], ["way_out"])


@EACH
def test_an_error_survives_pickling_with_its_fields(error: ScalrTasksError) -> None:
    again: Any = pickle.loads(pickle.dumps(error))

    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (UnknownTaskError, LookupError),
        (InvalidArgumentsError, TypeError),
        (OptionError, ValueError),
        (RunningLoopError, RuntimeError),
        (BrokerUnavailableError, ConnectionError),
        (SettingsError, ValueError),
    ],
)
def test_an_error_is_also_what_python_would_have_raised(kind: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(kind, builtin)


def test_a_queue_that_was_not_declared_is_wrong_at_import_and_at_a_call() -> None:
    error = UnknownQueueError("bulkk", ["bulk"], registry="invoices")

    assert isinstance(error, DefinitionError)
    assert isinstance(error, errors.CallError)
