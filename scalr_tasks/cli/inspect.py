"""`scalr-tasks inspect`: what is known of one job."""

from dataclasses import dataclass
from typing import Any

import click

from scalr_tasks.broker.base import DeadJob, JobInfo, ParkedJob
from scalr_tasks.broker.keys import queue_key, queue_of
from scalr_tasks.cli.kept import arguments_of, as_error, result_bytes
from scalr_tasks.cli.output import moment, write_fields, write_json
from scalr_tasks.cli.session import Session, with_session
from scalr_tasks.errors import JobNotFoundError
from scalr_tasks.names import nearest
from scalr_tasks.state import ARQ_STATUS, JobState


@dataclass(frozen=True, slots=True)
class Inspected:
    """One job, from everywhere where something of it is kept."""

    now_ms: int
    info: JobInfo
    dead: DeadJob | None
    parked: ParkedJob | None
    payload: bytes | None


@click.command()
@click.argument("job_id", metavar="JOB")
@click.option("--args", "with_arguments", is_flag=True, help="Show the arguments too; they may hold secrets.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def command(job_id: str, with_arguments: bool, as_json: bool) -> None:
    """Show one job: its state, task, queue, times, attempts, error, and the size of its result.

    Arguments are there while the job waits, runs, is parked or dead, and are shown with --args only.

    Exit status: 0 shown, 3 no such job, 4 Redis not reachable.
    """

    async def look(session: Session) -> Inspected:
        broker = session.broker
        overview = await session.health.overview([queue_key("default")])
        info = await broker.info(job_id, [queue.key for queue in overview.queues])
        dead = await broker.dead(job_id) if info.state is JobState.DEAD else None
        parked = await broker.parked(job_id) if info.state is JobState.PARKED else None
        if info.state is JobState.NOT_FOUND:
            raise await _not_found(session, job_id)
        kept = dead or parked
        payload = kept.payload if kept is not None else await session.health.payload(job_id)
        return Inspected(overview.now_ms, info, dead, parked, payload)

    found = with_session(look)
    if as_json:
        write_json(document(found, with_arguments=with_arguments))
    else:
        write_fields(fields(found, with_arguments=with_arguments))


def document(found: Inspected, *, with_arguments: bool) -> dict[str, Any]:
    """Return a job for `--json`."""
    info, dead, parked = found.info, found.dead, found.parked
    shown: dict[str, Any] = {
        "job": info.job_id,
        "state": info.state.value if _is_placed(found) else "waiting",
        "arq_status": ARQ_STATUS[info.state] if _is_placed(found) else None,
        "task": _task(found),
        "queue": _queue(found),
        "enqueued_at_ms": info.enqueued_at_ms or (dead and dead.enqueued_at_ms) or None,
        "due_at_ms": info.due_at_ms,
        "finished_at_ms": (info.result and info.result.finished_at_ms) or (dead and dead.died_at_ms) or None,
        "attempts": dead.attempts if dead else info.attempts,
        "reason": dead.reason if dead else parked.reason if parked else None,
        "error": as_error(dead.error) if dead else None,
        "result_bytes": result_bytes(info),
    }
    if with_arguments:
        shown["arguments"] = arguments_of(found.payload)
    return shown


def fields(found: Inspected, *, with_arguments: bool) -> list[tuple[str, str]]:
    """Return a job for eyes."""
    shown, now_ms = document(found, with_arguments=with_arguments), found.now_ms
    error, size = shown["error"], shown["result_bytes"]
    running = found.info.state is JobState.RUNNING
    lines = [
        ("job", found.info.job_id),
        ("state", shown["state"] if _is_placed(found) else "waiting; no worker has served its queue yet"),
        ("task", shown["task"] or "?"),
        ("queue", shown["queue"] or "?"),
        ("enqueued", moment(shown["enqueued_at_ms"], now_ms)),
        ("due", "" if running else moment(shown["due_at_ms"], now_ms)),
        ("ended", moment(shown["finished_at_ms"], now_ms)),
        ("parked", moment(found.parked.parked_at_ms, now_ms) if found.parked else ""),
        ("attempts", str(shown["attempts"])),
        ("reason", shown["reason"] or ""),
        ("error", f"{error['type']}: {error['message']}" if error else ""),
        ("result", "" if size is None else f"{size} bytes"),
    ]
    if with_arguments:
        lines.append(("arguments", shown["arguments"] or ("unreadable" if found.payload else "not kept")))
    if found.dead:
        lines.append(("next", f"scalr-tasks dead show {found.info.job_id}"))
    if found.parked:
        lines.append(("next", f"scalr-tasks parked show {found.info.job_id}"))
    return lines


def _is_placed(found: Inspected) -> bool:
    """Tell whether the state is known: in a queue that is not known, a job may be queued as well as deferred."""
    return found.info.state is not JobState.QUEUED or found.info.queue_key is not None


def _task(found: Inspected) -> str | None:
    kept = found.dead or found.parked
    return found.info.task or (kept.task if kept else None) or None


def _queue(found: Inspected) -> str | None:
    info = found.info
    key = info.queue_key or (info.result.queue if info.result else "")
    return found.dead.queue if found.dead else queue_of(key) if key else None


async def _not_found(session: Session, job_id: str) -> JobNotFoundError:
    dead, parked = await session.broker.list_dead(), await session.broker.list_parked()
    known = [job.job_id for job in dead.items] + [job.job_id for job in parked.items]
    return JobNotFoundError(job_id, where="known to this Redis", near=nearest(job_id, known))
