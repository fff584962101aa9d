"""Log lines: one for each event, as text at a terminal and as JSON elsewhere.

A line carries ids and names, an error's type and first line, never an
argument or a result. The event's name and its ids stand in `extra` too, so
that JSON lines, or any other formatter of the app's, can be searched by them.

Reads next: `formats.py` for the two forms of a line.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Final, TextIO

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
    WorkerStarted,
    WorkerStopped,
    WorkerStopping,
)
from scalr_tasks.observe.formats import JOBS_LOGGER, JsonFormatter, TextFormatter, duration, one_line
from scalr_tasks.settings import Settings

log: logging.Logger = logging.getLogger(JOBS_LOGGER)


# -- events as lines ---------------------------------------------------------------------


def write(event: Event) -> None:
    """Write the log line of an event; the listener that `configure` subscribes."""
    match event:
        case AttemptStarted() | AttemptSucceeded() | AttemptFailed() | AttemptSnoozed() | AttemptGivenBack():
            _attempt(event)
        case JobEvent():
            _job(event)
        case _:
            _worker(event)


def _attempt(
    event: AttemptStarted | AttemptSucceeded | AttemptFailed | AttemptSnoozed | AttemptGivenBack,
) -> None:
    match event:
        case AttemptStarted(job, task):
            said = _said(event, "attempt.started", attempt=event.attempt, waited_ms=event.waited_ms)
            log.info("→ %s %s waited %s", task, job, duration(event.waited_ms), extra=said)
        case AttemptSucceeded(job, task):
            said = _said(event, "attempt.succeeded", attempt=event.attempt, duration_ms=event.duration_ms)
            said["result_bytes"] = event.result_bytes
            log.info("✓ %s %s %s", task, job, duration(event.duration_ms), extra=said)
        case AttemptSnoozed(job, task):
            said = _said(event, "attempt.snoozed", attempt=event.attempt, retry_in_ms=event.retry_in_ms)
            log.info("~ %s %s snoozed, again in %s", task, job, duration(event.retry_in_ms), extra=said)
        case AttemptGivenBack(job, task):
            said = _said(event, "attempt.given_back", attempt=event.attempt, duration_ms=event.duration_ms)
            log.info("← %s %s given back after %s", task, job, duration(event.duration_ms), extra=said)
        case AttemptFailed():
            _failed(event)


def _failed(event: AttemptFailed) -> None:
    said = _said(event, "attempt.failed", attempt=event.attempt, duration_ms=event.duration_ms)
    said |= {"error": event.error_type, "retry_in_ms": event.retry_in_ms}
    if event.traceback and log.isEnabledFor(logging.DEBUG):
        said["traceback"] = event.traceback
    number = f"{event.attempt}/{event.max_attempts}" if event.max_attempts else str(event.attempt)
    error = (event.error_type, one_line(event.message))
    if event.retry_in_ms is None:  # the line of its death follows and says the same
        log.debug("✗ %s %s %s: %s · attempt %s", event.task, event.job_id, *error, number, extra=said)
        return
    again = duration(event.retry_in_ms)
    log.warning("✗ %s %s %s: %s · attempt %s, again in %s", event.task, event.job_id, *error, number, again, extra=said)


def _job(event: JobEvent) -> None:
    match event:
        case JobDied(job, task):
            said = _said(event, "job.died", attempt=event.attempt, reason=event.reason, error=event.error_type)
            if event.traceback:
                said["traceback"] = event.traceback
            text = "☠ %s %s %s: %s · dead after attempt %d (%s); retry it with: scalr-tasks dead retry %s"
            error = (event.error_type, one_line(event.message))
            log.error(text, task, job, *error, event.attempt, event.reason, job, extra=said)
        case JobAborted(job, task):
            log.info("■ %s %s aborted", task, job, extra=_said(event, "job.aborted", attempt=event.attempt))
        case JobExpired(job, task):
            log.warning("⌛ %s %s expired before it was started", task, job, extra=_said(event, "job.expired"))
        case JobParked(job, task):
            said = _said(event, "job.parked", reason=event.reason)
            log.warning("⏸ %s %s parked: %s", one_line(task) or "?", job, event.reason, extra=said)
        case CronTick(job, task):
            log.info("◷ %s %s is due", task, job, extra=_said(event, "cron.tick", tick_ms=event.tick_ms))


def _worker(event: Event) -> None:
    match event:
        case JobsUnparked(queue, count):
            said: dict[str, object] = {"event": "jobs.unparked", "queue": queue, "count": count}
            log.info("parked jobs are known now and were put back: queue=%s count=%d", queue, count, extra=said)
        case WorkerStarted(worker, queues):
            said = {"event": "worker.started", "worker": worker, "queues": list(queues)}
            log.info("worker started: worker=%s queues=%s", worker, ",".join(queues), extra=said)
        case WorkerStopping(worker, running, grace_s):
            said = {"event": "worker.stopping", "worker": worker, "running": running}
            log.info("worker stops: worker=%s running=%d grace_s=%g", worker, running, grace_s, extra=said)
        case WorkerStopped(worker, given_back):
            said = {"event": "worker.stopped", "worker": worker, "given_back": given_back}
            log.info("worker stopped: worker=%s given_back=%d", worker, given_back, extra=said)


def _said(event: JobEvent, name: str, **more: object) -> dict[str, object]:
    return {"event": name, "job": event.job_id, "task": event.task, "queue": event.queue, **more}


# -- where lines go ----------------------------------------------------------------------

_QUIET: Final = ("arq",)
"""arq writes a line of its own for each job, which ours replace."""


def configure(
    settings: Settings, stream: TextIO | None = None, environ: Mapping[str, str] = os.environ
) -> Callable[[], None]:
    """Write log lines for every event from now on; returns how to undo that.

    Lines go to `stream`, in the form that `settings.log` asks for. An app that
    has given the root logger handlers of its own keeps them, and its form of
    lines; then only the level of ours is set.

        undo = configure(Settings.from_env())

    Args:
        settings: `log` and `log_level` are used.
        stream: standard error where left out.
        environ: `NO_COLOR` and `TERM` are looked at.
    """
    out = sys.stderr if stream is None else stream
    root, ours = logging.getLogger(), logging.getLogger("scalr_tasks")
    level = settings.log_level.upper()
    before = [(logger, logger.level) for logger in (root, ours, *map(logging.getLogger, _QUIET))]
    handler: logging.Handler | None = None
    if not root.handlers:
        handler = logging.StreamHandler(out)
        handler.setFormatter(formatter(settings, out, environ))
        root.addHandler(handler)
        root.setLevel(level)
    ours.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    unsubscribe = events.subscribe(write)

    def undo() -> None:
        unsubscribe()
        if handler is not None:
            root.removeHandler(handler)
        for logger, was in before:
            logger.setLevel(was)

    return undo


def formatter(settings: Settings, stream: TextIO, environ: Mapping[str, str] = os.environ) -> logging.Formatter:
    """Return the form of lines that the settings ask for on this stream."""
    terminal = stream.isatty()
    encoding = getattr(stream, "encoding", None) or "utf-8"
    if settings.log == "json" or (settings.log == "auto" and not terminal):
        return JsonFormatter(encoding)
    colours = terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return TextFormatter(encoding, colours=colours)
