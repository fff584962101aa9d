"""The parts of `check` that look at who relies on the code: the lock file, and the jobs that are queued now."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from scalr_tasks.broker.scan import QueueScan
from scalr_tasks.cli.findings import Line
from scalr_tasks.cli.session import Session, with_session
from scalr_tasks.errors import BrokerError
from scalr_tasks.registry.app import App
from scalr_tasks.registry.contract import compare, lock_document, read_lock
from scalr_tasks.registry.queued import QueuedMisfit, look_at_queued
from scalr_tasks.registry.registry import Registry


def lock_lines(registries: Sequence[Registry[Any, Any]], path: Path) -> list[Line]:
    """Return each change since the lock file was written: an error where it is breaking.

    Raises:
        ModuleError: there is no such file, or it cannot be read.
        DefinitionError: a declaration cannot work.
    """
    changes = compare(read_lock(path), lock_document([registry.snapshot() for registry in registries]))
    if not changes:
        return [Line("lock", "ok", f"{path}: the tasks are what it says")]
    return [Line("lock", "error" if each.kind == "breaking" else "ok", str(each)) for each in changes]


def queued_lines(registries: Sequence[Registry[Any, Any]]) -> list[Line]:
    """Return each queued job that this code could not run, and how many were looked at; changes nothing."""
    lines: list[Line] = []
    for registry in registries:
        app = registry.snapshot()
        try:
            lines += with_session(partial(_look, app=app), app.settings())
        except BrokerError as error:
            lines.append(Line("queued", "error", f"[{error.code}] {error}"))
    return lines


async def _look(session: Session, app: App) -> list[Line]:
    scan = QueueScan(session.broker.client, url=session.url, timeout_s=session.timeout_s)
    misfits: list[QueuedMisfit] = []
    looked = 0
    total = await session.broker.count_queued([queue.key for queue in app.queues.values()])
    with _progress(total) as advance:
        async for page in look_at_queued(scan, app):
            advance(page.jobs)
            looked += page.jobs
            misfits += page.misfits
    found = [
        Line("queued", "error", f"job {each.job_id} of task {each.task or '?'!r} on {each.queue!r}: {each.reason}")
        for each in misfits
    ]
    ready = f"{app.name}: {looked} queued jobs were looked at, {len(misfits)} of them do not fit this code"
    return [*found, Line("queued", "error" if misfits else "ok", ready)]


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], object]]:
    """Show how far it is, where somebody looks; what is found goes to stdout and is not disturbed."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=total, label="queued jobs", file=sys.stderr) as bar:
        yield bar.update
