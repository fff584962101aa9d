"""`scalr_tasks/observe/logs.py`."""

import inspect
import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from scalr_tasks import events
from scalr_tasks.events import (
    AttemptFailed,
    AttemptGivenBack,
    AttemptSnoozed,
    AttemptStarted,
    AttemptSucceeded,
    CronTick,
    Event,
    JobAborted,
    JobDied,
    JobEvent,
    JobExpired,
    JobParked,
    JobsUnparked,
    WorkerEvent,
    WorkerStarted,
    WorkerStopped,
    WorkerStopping,
    emit,
)
from scalr_tasks.observe.formats import JsonFormatter, TextFormatter
from scalr_tasks.observe.logs import configure, formatter, log
from scalr_tasks.settings import Settings

JOB = ("j1", "send", "bulk")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextmanager
def bare_logging() -> Iterator[logging.Logger]:
    """The root logger as a fresh process has it: without the handlers that pytest adds for each phase of a test."""
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        yield root
    finally:
        root.handlers = handlers


def lines(event: Event, **settings: Any) -> list[dict[str, Any]]:
    """What is written for one event."""
    stream = io.StringIO()
    with bare_logging():
        undo = configure(Settings(**settings), stream)
        try:
            emit(event)
        finally:
            undo()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


SHAPES: list[tuple[Event, str, str, str]] = [
    (AttemptStarted(*JOB, 1, 2), "→ send j1 waited 2 ms", "attempt.started", "info"),
    (AttemptSucceeded(*JOB, 1, 41, 4), "✓ send j1 41 ms", "attempt.succeeded", "info"),
    (
        AttemptFailed(*JOB, 1, 41, "SMTPError", "421 try later\nbye", "Traceback", 2000, 4),
        "✗ send j1 SMTPError: 421 try later · attempt 1/4, again in 2 s",
        "attempt.failed",
        "warning",
    ),
    (
        AttemptFailed(*JOB, 1, 41, "SMTPError", "421", retry_in_ms=2000),
        "✗ send j1 SMTPError: 421 · attempt 1, again in 2 s",
        "attempt.failed",
        "warning",
    ),
    (AttemptSnoozed(*JOB, 1, 41, 30_000), "~ send j1 snoozed, again in 30 s", "attempt.snoozed", "info"),
    (AttemptGivenBack(*JOB, 1, 41), "← send j1 given back after 41 ms", "attempt.given_back", "info"),
    (
        JobDied(*JOB, 4, "failed", "SMTPError", "421 try later"),
        "☠ send j1 SMTPError: 421 try later · dead after attempt 4 (failed); retry it with: scalr-tasks dead retry j1",
        "job.died",
        "error",
    ),
    (JobAborted(*JOB, 1), "■ send j1 aborted", "job.aborted", "info"),
    (JobExpired(*JOB), "⌛ send j1 expired before it was started", "job.expired", "warning"),
    (JobParked(*JOB, "unknown task"), "⏸ send j1 parked: unknown task", "job.parked", "warning"),
    (JobParked("j1", "", "bulk", "unreadable"), "⏸ ? j1 parked: unreadable", "job.parked", "warning"),
    (CronTick(*JOB, 1), "◷ send j1 is due", "cron.tick", "info"),
    (
        JobsUnparked("bulk", 3),
        "parked jobs are known now and were put back: queue=bulk count=3",
        "jobs.unparked",
        "info",
    ),
    (WorkerStarted("w1", ("a", "b")), "worker started: worker=w1 queues=a,b", "worker.started", "info"),
    (WorkerStopping("w1", 2, 60), "worker stops: worker=w1 running=2 grace_s=60", "worker.stopping", "info"),
    (WorkerStopped("w1", 1), "worker stopped: worker=w1 given_back=1", "worker.stopped", "info"),
]


@pytest.mark.parametrize(("event", "message", "name", "level"), SHAPES, ids=lambda value: type(value).__name__)
def test_an_event_is_one_line(event: Event, message: str, name: str, level: str) -> None:
    (line,) = lines(event)

    assert (line["message"], line["event"], line["level"]) == (message, name, level)


@pytest.mark.parametrize("event", [event for event, *_ in SHAPES if hasattr(event, "job_id")])
def test_a_line_of_a_job_carries_its_ids(event: Any) -> None:
    (line,) = lines(event)

    assert (line["job"], line["task"], line["queue"]) == (event.job_id, event.task, event.queue)


def test_every_event_is_written() -> None:
    groups = {Event, JobEvent, WorkerEvent}
    kinds = {kind for kind in vars(events).values() if inspect.isclass(kind) and issubclass(kind, Event)}

    assert {type(event) for event, *_ in SHAPES} == kinds - groups


def test_the_last_failure_is_told_by_the_death_alone() -> None:
    last = AttemptFailed(*JOB, 4, 41, "SMTPError", "421", retry_in_ms=None)

    assert lines(last) == []
    assert len(lines(last, log_level="debug")) == 1


def test_a_death_brings_its_traceback() -> None:
    (line,) = lines(JobDied(*JOB, 4, "failed", "SMTPError", "421", "Traceback …"))

    assert line["traceback"] == "Traceback …"


def test_a_failure_that_is_retried_brings_its_traceback_only_for_debugging() -> None:
    event = AttemptFailed(*JOB, 1, 41, "SMTPError", "421", "Traceback …", 2000)

    assert "traceback" not in lines(event)[0]
    assert lines(event, log_level="debug")[0]["traceback"] == "Traceback …"


def test_a_higher_level_writes_less() -> None:
    assert lines(AttemptStarted(*JOB, 1, 2), log_level="warning") == []
    assert len(lines(JobExpired(*JOB), log_level="warning")) == 1


def test_what_a_task_logs_is_written_too() -> None:
    stream = io.StringIO()

    with bare_logging():
        undo = configure(Settings(), stream)
        logging.getLogger("scalr_tasks.task.send").info("paid", extra={"job": "j1"})
        undo()

    assert json.loads(stream.getvalue())["job"] == "j1"


def test_undoing_leaves_logging_as_it_was() -> None:
    stream = io.StringIO()

    with bare_logging() as root:
        before = (root.level, log.getEffectiveLevel(), logging.getLogger("arq").level)
        configure(Settings(log_level="debug"), stream)()
        emit(AttemptStarted(*JOB, 1, 2))
        after = (root.level, log.getEffectiveLevel(), logging.getLogger("arq").level)
        handlers = list(root.handlers)

    assert stream.getvalue() == ""
    assert after == before
    assert handlers == []


def test_the_lines_of_arq_that_ours_replace_are_not_written() -> None:
    stream = io.StringIO()

    with bare_logging():
        undo = configure(Settings(), stream)
        logging.getLogger("arq.worker").info("  0.01s → j1:send()")
        undo()

    assert stream.getvalue() == ""


def test_an_app_keeps_the_handlers_that_it_has_set_up() -> None:
    theirs, ours = io.StringIO(), io.StringIO()

    with bare_logging() as root:
        root.addHandler(logging.StreamHandler(theirs))
        undo = configure(Settings(), ours)
        emit(AttemptStarted(*JOB, 1, 2))
        undo()

    assert theirs.getvalue() == "→ send j1 waited 2 ms\n"
    assert ours.getvalue() == ""


@pytest.mark.parametrize(
    ("form", "stream", "kind"),
    [
        ("auto", Terminal(), TextFormatter),
        ("auto", io.StringIO(), JsonFormatter),
        ("text", io.StringIO(), TextFormatter),
        ("json", Terminal(), JsonFormatter),
    ],
)
def test_the_form_is_text_at_a_terminal_and_json_elsewhere_unless_it_is_set(
    form: Any, stream: io.StringIO, kind: type[logging.Formatter]
) -> None:
    assert type(formatter(Settings(log=form), stream, {})) is kind


@pytest.mark.parametrize(
    ("stream", "environ", "coloured"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colours_are_for_terminals_and_no_color_is_respected(
    stream: io.StringIO, environ: dict[str, str], coloured: bool
) -> None:
    made = formatter(Settings(log="text"), stream, environ)
    record = logging.LogRecord(log.name, logging.INFO, __file__, 1, "✓ send j1", (), None)

    assert ("\x1b[" in made.format(record)) is coloured
