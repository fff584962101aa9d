"""What `dead` and `parked` share: choosing jobs, showing them, putting them back, deleting them.

Nothing is chosen by leaving something out: a verb that changes jobs takes
their ids, a filter, or `--all`, and asks before it acts on what it has found
itself.
"""

import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeVar

import click

from scalr_tasks.broker.base import Broker, DeadJob, JobInfo, ParkedJob
from scalr_tasks.broker.keys import queue_key
from scalr_tasks.broker.records import UNREADABLE
from scalr_tasks.cli.app import EXIT_FAILED, EXIT_NOT_FOUND
from scalr_tasks.cli.output import write_error, write_json, write_table, write_text
from scalr_tasks.cli.session import Session, with_session
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.errors import JobIdConflictError, JobNotFoundError
from scalr_tasks.jobs.store import EVERYTHING, DeadJobs, Filter, ParkedJobs
from scalr_tasks.policy import ErrorRecord

_SPAN: Final = re.compile(r"(\d+)(s|m|h|d)", re.ASCII)
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

JobT = TypeVar("JobT", DeadJob, ParkedJob)
Store = DeadJobs | ParkedJobs


@dataclass(frozen=True, slots=True)
class Kind(Generic[JobT]):
    """What a verb needs to know of the jobs that it handles."""

    name: str
    """`dead` or `parked`."""
    store: Callable[[Broker], Store]
    columns: Sequence[str]
    row: Callable[[JobT, int], dict[str, str]]
    """A job for the table, at a time."""
    document: Callable[[JobT], dict[str, Any]]
    """A job for `--json`."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which jobs a verb acts on, and how."""

    job_ids: Sequence[str]
    only: Filter
    everything: bool
    yes: bool
    dry_run: bool
    as_json: bool

    def check(self) -> None:
        """Refuse a choice of nothing, and one that is made twice."""
        filtered = self.only != EVERYTHING
        if not (self.job_ids or filtered or self.everything):
            raise click.UsageError("name jobs, or choose them with --task, --queue, --since or --all")
        if self.job_ids and (filtered or self.everything):
            raise click.UsageError("either name jobs, or choose them with --task, --queue, --since or --all")


# -- options -----------------------------------------------------------------------------


def since_time(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> datetime | None:
    """Read a span before now, or ISO 8601 with a time zone.

    Raises:
        BadParameter: it is neither.
    """
    if value is None:
        return None
    now = datetime.fromtimestamp(SYSTEM_CLOCK.now_ms() / 1000, UTC)
    span = _SPAN.fullmatch(value)
    try:
        if span:
            return now - timedelta(seconds=int(span[1]) * _UNITS_S[span[2]])
        at = datetime.fromisoformat(value)
    except (ValueError, OverflowError):
        raise click.BadParameter("expected 90s, 30m, 7h, 2d, or a time like 2026-03-01T08:00:00Z") from None
    if at.tzinfo is None:
        raise click.BadParameter("a time needs its zone: 2026-03-01T08:00:00Z, or +01:00 at its end")
    return at


def filtering(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--task`, `--queue` and `--since`."""
    for option in (
        click.option(
            "--since", callback=since_time, metavar="TIME", help="Since then only: 90s, 30m, 2h, 1d, or ISO 8601."
        ),
        click.option("--queue", metavar="NAME", help="Jobs of this queue only; its Redis key where that is another."),
        click.option("--task", metavar="NAME", help="Jobs of this task only."),
    ):
        command = option(command)
    return command


def acting(command: Callable[..., None]) -> Callable[..., None]:
    """Add what every verb that changes jobs has: ids or a filter, `--all`, `--yes`, `--dry-run`, `--json`."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON document."),
        click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--all", "everything", is_flag=True, help="Every one there is."),
    ):
        command = option(command)
    return click.argument("job_ids", nargs=-1, metavar="[JOB]...")(filtering(command))


def filter_of(task: str | None, queue: str | None, since: datetime | None) -> Filter:
    """Return the filter that the options say; a queue with a `:` is a key."""
    key = None if queue is None else queue if ":" in queue else queue_key(queue)
    return Filter(task=task, queue_key=key, since=since)


# -- listing and showing -----------------------------------------------------------------


def list_jobs(kind: Kind[JobT], only: Filter, limit: int, *, as_json: bool) -> None:
    """List jobs, newest first."""

    async def find(session: Session) -> list[Any]:
        found: list[Any] = []
        async for job in kind.store(session.broker).list(only, page=min(limit, 100)):
            found.append(job)
            if len(found) == limit:
                break
        return found

    jobs = with_session(find)
    if as_json:
        write_json([kind.document(job) for job in jobs])
    elif jobs:
        now_ms = SYSTEM_CLOCK.now_ms()
        write_table(kind.columns, [kind.row(job, now_ms) for job in jobs])
    else:
        write_text(f"no {kind.name} jobs")


def find_job(kind: Kind[Any], job_id: str) -> Any:
    """Return one job.

    Raises:
        JobNotFoundError: it is not there; with the nearest id.
    """
    return with_session(lambda session: kind.store(session.broker).get(job_id))


def as_error(error: ErrorRecord) -> dict[str, str]:
    """Return an error for `--json`."""
    return {"type": error.type, "message": error.message, "traceback": error.traceback}


def arguments_of(payload: bytes | None) -> str | None:
    r"""Return a job's arguments as they are stored; None where its bytes are gone or not ours.

    >>> arguments_of(b'{"v":1}\n{"invoice_id":1}')
    '{"invoice_id":1}'
    """
    if payload is None:
        return None
    _, newline, arguments = payload.partition(b"\n")
    return arguments.decode(errors="backslashreplace") if newline else None


def result_bytes(info: JobInfo) -> int | None:
    """Return how large a kept result is; None where none is kept or it is not ours to read."""
    if info.result is None or info.result.kind in {UNREADABLE, "failed", "aborted", "expired"}:
        return None
    return len(info.result.body)


# -- changing ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one job was not changed."""

    text: str
    label: str = ""
    """Class and code of the error, where it was one."""
    is_missing: bool = False

    @classmethod
    def of(cls, error: JobNotFoundError | JobIdConflictError) -> "Refusal":
        """Return what an error says."""
        return cls(str(error), f"{type(error).__name__} [{error.code}]: ", isinstance(error, JobNotFoundError))


Act = Callable[[Store, str], Awaitable[Refusal | None]]


def put_back(kind: Kind[Any], verb: str, choice: Choice) -> None:
    """Put jobs back on their queues, and say of each what became of it."""

    async def act(store: Store, job_id: str) -> None:
        await store.retry(job_id)

    _change(kind, verb, "is back on its queue", choice, act)


def purge(kind: Kind[Any], choice: Choice) -> None:
    """Delete jobs, and say of each what became of it."""

    async def act(store: Store, job_id: str) -> Refusal | None:
        if await store.purge([job_id]):
            return None
        await store.get(job_id)  # raises where it is not there
        return Refusal(f"the last attempt of job {job_id!r} still ends; try again in a moment")

    _change(kind, "delete", "is deleted", choice, act)


def _change(kind: Kind[Any], verb: str, told: str, choice: Choice, act: Act) -> None:
    choice.check()

    async def change(session: Session) -> dict[str, Refusal | None]:
        store = kind.store(session.broker)
        job_ids = list(dict.fromkeys(choice.job_ids)) or [job.job_id async for job in store.list(choice.only)]
        if job_ids and not (choice.job_ids or choice.yes or choice.dry_run):
            _confirm(len(job_ids), kind.name, verb)
        answers: dict[str, Refusal | None] = {}
        for job_id in job_ids:
            try:
                answers[job_id] = await (_look if choice.dry_run else act)(store, job_id)
            except (JobNotFoundError, JobIdConflictError) as error:
                answers[job_id] = Refusal.of(error)
        return answers

    answers = with_session(change)
    if choice.as_json:
        jobs = [
            {"job": job_id, "done": refusal is None and not choice.dry_run, "error": refusal and refusal.text}
            for job_id, refusal in answers.items()
        ]
        write_json({"dry_run": choice.dry_run, "jobs": jobs})
    else:
        _tell(kind, f"would {verb}" if choice.dry_run else told, answers)
    refusals = [refusal for refusal in answers.values() if refusal is not None]
    if refusals:
        raise SystemExit(EXIT_NOT_FOUND if all(each.is_missing for each in refusals) else EXIT_FAILED)


async def _look(store: Store, job_id: str) -> None:
    await store.get(job_id)


def _tell(kind: Kind[Any], told: str, answers: dict[str, Refusal | None]) -> None:
    if not answers:
        write_text(f"no {kind.name} jobs match")
    for job_id, refusal in answers.items():
        if refusal is not None:
            write_error(refusal.label + refusal.text)
        else:
            write_text(f"{told} {job_id}" if told.startswith("would ") else f"{job_id} {told}")


def _confirm(count: int, name: str, verb: str) -> None:
    matching = f"{count} {name} job matches; {verb} it?" if count == 1 else f"{count} {name} jobs match; {verb} them?"
    try:
        agreed = click.confirm(matching, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise click.UsageError("nobody is there to be asked; add --yes") from None
    if not agreed:
        write_error("nothing was changed")
        raise SystemExit(EXIT_FAILED)
