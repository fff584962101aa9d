"""`scalr-tasks parked`: jobs that no running code understands."""

from datetime import datetime
from typing import Any, Final

import click

from scalr_tasks.broker.base import ParkedJob
from scalr_tasks.broker.keys import queue_of
from scalr_tasks.cli import kept
from scalr_tasks.cli.kept import Choice, Kind, acting, arguments_of, filter_of, filtering
from scalr_tasks.cli.output import age, moment, write_fields, write_json
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.jobs.store import ParkedJobs


@click.group()
def command() -> None:
    """Jobs that no running code understands: list them, look at one, put them back, delete them.

    A worker that meets an unknown task, a newer version or unreadable bytes parks the job. Workers that know it take
    it back by themselves; after 24 hours it is dead.
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
    """List parked jobs, newest first.

    Exit status: 0 listed, 4 Redis not reachable.
    """
    kept.list_jobs(PARKED, filter_of(task, queue, since), limit, as_json=as_json)


@command.command("show")
@click.argument("job_id", metavar="JOB")
@click.option("--args", "with_arguments", is_flag=True, help="Show the arguments too; they may hold secrets.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def show(job_id: str, with_arguments: bool, as_json: bool) -> None:
    """Show one parked job, and why it is.

    Exit status: 0 shown, 3 no such job is parked, 4 Redis not reachable.
    """
    job: ParkedJob = kept.find_job(PARKED, job_id)
    arguments = {"arguments": arguments_of(job.payload)} if with_arguments else {}
    if as_json:
        write_json(_document(job) | arguments)
        return
    now_ms = SYSTEM_CLOCK.now_ms()
    write_fields(
        [
            ("job", job.job_id),
            ("task", job.task or "?"),
            ("version", str(job.version or "?")),
            ("queue", queue_of(job.queue_key)),
            ("parked", moment(job.parked_at_ms, now_ms)),
            ("due", moment(job.score, now_ms)),
            ("reason", job.reason),
            ("size", f"{job.payload_bytes} bytes"),
            *((name, value or "unreadable") for name, value in arguments.items()),
        ]
    )


@command.command("requeue")
@acting
def requeue(
    job_ids: tuple[str, ...],
    task: str | None,
    queue: str | None,
    since: datetime | None,
    everything: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Put parked jobs back on their queues as they were; a worker that does not understand one parks it again.

    Name them, or choose them; what was chosen is counted and asked about first.

    Exit status: 0 all are back, 1 not all are, 2 wrong usage, 3 no such job is parked, 4 Redis not reachable.
    """
    only = filter_of(task, queue, since)
    kept.put_back(PARKED, "requeue", Choice(job_ids, only, everything, yes, dry_run, as_json))


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
    """Delete parked jobs for good.

    Name them, or choose them; what was chosen is counted and asked about first.

    Exit status: 0 all are deleted, 1 not all are, 2 wrong usage, 3 no such job is parked, 4 Redis not reachable.
    """
    only = filter_of(task, queue, since)
    kept.purge(PARKED, Choice(job_ids, only, everything, yes, dry_run, as_json))


# -- how it is shown ---------------------------------------------------------------------


def _row(job: ParkedJob, now_ms: int) -> dict[str, str]:
    return {
        "job": job.job_id,
        "task": job.task or "?",
        "queue": queue_of(job.queue_key),
        "parked": f"{age(now_ms - job.parked_at_ms)} ago",
        "why": job.reason,
        "bytes": str(job.payload_bytes),
    }


def _document(job: ParkedJob) -> dict[str, Any]:
    return {
        "job": job.job_id,
        "task": job.task or None,
        "version": job.version or None,
        "queue": queue_of(job.queue_key),
        "queue_key": job.queue_key,
        "reason": job.reason,
        "parked_at_ms": job.parked_at_ms,
        "due_at_ms": job.score,
        "bytes": job.payload_bytes,
    }


PARKED: Final = Kind(
    name="parked",
    store=ParkedJobs,
    columns=["job", "task", "queue", "parked", "why", "bytes"],
    row=_row,
    document=_document,
)
