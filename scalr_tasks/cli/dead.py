"""`scalr-tasks dead`: jobs that failed for good."""

from datetime import datetime
from itertools import islice
from typing import Any, Final

import click

from scalr_tasks.broker.base import DeadJob
from scalr_tasks.cli import kept
from scalr_tasks.cli.kept import Choice, Kind, acting, arguments_of, as_error, filter_of, filtering
from scalr_tasks.cli.output import age, moment, write_fields, write_json, write_text
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.jobs.store import DeadJobs


@click.group()
def command() -> None:
    """Dead jobs: list them, look at one, put them back, delete them.

    A job is dead when its attempts are used up, or no further attempt could help. It is kept for 30 days
    (SCALR_TASKS_DEAD_TTL) with its arguments, error and traceback.
    """


@command.command("list")
@filtering
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    metavar="N",
    help="At most so many, newest first.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def list_(task: str | None, queue: str | None, since: datetime | None, limit: int, as_json: bool) -> None:
    """List dead jobs, newest first.

    Exit status: 0 listed, 4 Redis not reachable.
    """
    kept.list_jobs(DEAD, filter_of(task, queue, since), limit, as_json=as_json)


@command.command("show")
@click.argument("job_id", metavar="JOB")
@click.option("--args", "with_arguments", is_flag=True, help="Show the arguments too; they may hold secrets.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def show(job_id: str, with_arguments: bool, as_json: bool) -> None:
    """Show one dead job with its error and traceback.

    Exit status: 0 shown, 3 no such job is dead, 4 Redis not reachable.
    """
    job: DeadJob = kept.find_job(DEAD, job_id)
    arguments = {"arguments": arguments_of(job.payload)} if with_arguments else {}
    if as_json:
        write_json(_document(job) | arguments)
        return
    now_ms = SYSTEM_CLOCK.now_ms()
    write_fields(
        [
            ("job", job.job_id),
            ("task", job.task),
            ("queue", job.queue),
            ("enqueued", moment(job.enqueued_at_ms, now_ms)),
            ("died", moment(job.died_at_ms, now_ms)),
            ("attempts", str(job.attempts)),
            ("reason", job.reason),
            ("error", f"{job.error.type}: {job.error.message}"),
            *((name, value or "unreadable") for name, value in arguments.items()),
        ]
    )
    write_text(job.error.traceback, indent="  ")


@command.command("retry")
@acting
def retry(
    job_ids: tuple[str, ...],
    task: str | None,
    queue: str | None,
    since: datetime | None,
    everything: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Put dead jobs back on their queues: same id and arguments, attempt 1.

    Name them, or choose them; what was chosen is counted and asked about first.

    Exit status: 0 all are back, 1 not all are, 2 wrong usage, 3 no such job is dead, 4 Redis not reachable.
    """
    only = filter_of(task, queue, since)
    kept.put_back(DEAD, "retry", Choice(job_ids, only, everything, yes, dry_run, as_json))


@command.command("purge")
@acting
def purge(
    job_ids: tuple[str, ...],
    task: str | None,
    queue: str | None,
    since: datetime | None,
    everything: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Delete dead jobs for good.

    Name them, or choose them; what was chosen is counted and asked about first.

    Exit status: 0 all are deleted, 1 not all are, 2 wrong usage, 3 no such job is dead, 4 Redis not reachable.
    """
    only = filter_of(task, queue, since)
    kept.purge(DEAD, Choice(job_ids, only, everything, yes, dry_run, as_json))


# -- how it is shown ---------------------------------------------------------------------


def _row(job: DeadJob, now_ms: int) -> dict[str, str]:
    return {
        "job": job.job_id,
        "task": job.task,
        "queue": job.queue,
        "died": f"{age(now_ms - job.died_at_ms)} ago",
        "attempts": str(job.attempts),
        "why": job.reason,
        "error": _error(job),
    }


def _error(job: DeadJob) -> str:
    first = next(islice(job.error.message.splitlines(), 1), "")
    text = f"{job.error.type}: {first}" if first else job.error.type
    return text if len(text) <= 80 else text[:79] + "…"


def _document(job: DeadJob) -> dict[str, Any]:
    return {
        "job": job.job_id,
        "task": job.task,
        "queue": job.queue,
        "reason": job.reason,
        "attempts": job.attempts,
        "enqueued_at_ms": job.enqueued_at_ms,
        "died_at_ms": job.died_at_ms,
        "error": as_error(job.error),
    }


DEAD: Final = Kind(
    name="dead",
    store=DeadJobs,
    columns=["job", "task", "queue", "died", "attempts", "why", "error"],
    row=_row,
    document=_document,
)
