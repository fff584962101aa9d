"""`scalr-tasks demo`: the example app against a Redis of its own, as a story.

The jobs are enqueued here and run by a worker in another process; whatever is
started is stopped, however the story ends.
"""

import asyncio
import importlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import IO, Final

import click

from scalr_tasks.cli.output import coloured
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.errors import ModuleError, ScalrTasksError, TaskFailedError
from scalr_tasks.state import JobState
from scalr_tasks.testing.server import RedisServer

APP: Final = "app.tasks"
READY: Final = "worker started"
"""What the worker's log says when it takes jobs."""

START_S: Final = 30
RESULT_S: Final = 30


@click.command()
def command() -> None:
    """Show typed tasks run through a real Redis, end to end.

    Starts a Redis server and a worker, enqueues jobs of the example app from this process, and stops both.

    Exit status: 0 the story went as told, 1 it did not.
    """
    folder = example_folder()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped then, too
    _say("a Redis of its own")
    with RedisServer() as server:
        _tell(f"{server.url}, nothing is stored on disk")
        os.environ["REDIS_URL"] = server.url
        os.environ.pop("SCALR_TASKS_REDIS_URL", None)
        sys.path.insert(0, str(folder))
        _say("a worker, in a process of its own", f"cd {folder.name} && scalr-tasks worker {APP}")
        with _worker(folder):
            asyncio.run(_story(importlib.import_module(APP)))
        _say("everything that was started is stopped")


def example_folder() -> Path:
    """Return where the example app is: inside the installed package, else in the checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_examples" / "invoices", package.parent / "examples" / "invoices"):
        if folder.is_dir():
            return folder
    raise ModuleError(APP, "the example app is not installed", way_out="reinstall scalr-tasks, or run it in a checkout")


# -- the story ---------------------------------------------------------------------------


async def _story(app: ModuleType) -> None:
    async with app.registry:
        await _typed_result(app)
        await _refused(app)
        await _fails_twice(app)
        await _dies_and_is_retried(app)
        await _cron(app)


async def _typed_result(app: ModuleType) -> None:
    _say("a job that succeeds, and its typed result", "job = await send_invoice_email.enqueue(invoice_id=41)")
    job = await app.send_invoice_email.enqueue(invoice_id=41)
    receipt = await job.result(timeout=RESULT_S)
    _tell(f"await job.result() -> {receipt!r}")


async def _refused(app: ModuleType) -> None:
    _say("a call that is refused where it is made", "await send_invoice_email.enqueue(invoice_idd=41)")
    try:
        await app.send_invoice_email.enqueue(invoice_idd=41)
    except ScalrTasksError as error:
        _tell(f"{type(error).__name__} [{error.code}]: {error}", "yellow")
    else:
        raise click.ClickException("the call should have been refused")


async def _fails_twice(app: ModuleType) -> None:
    _say("a job that fails twice and then succeeds, with backoff", "await remind_customer.enqueue(invoice_id=41)")
    job = await app.remind_customer.enqueue(invoice_id=41)
    _tell(f"await job.result() -> {await job.result(timeout=RESULT_S)!r}")


async def _dies_and_is_retried(app: ModuleType) -> None:
    _say("a job that fails for good, is kept, and is retried by command", "await charge_card.enqueue(invoice_id=41)")
    job = await app.charge_card.enqueue(invoice_id=41)
    try:
        await job.result(timeout=RESULT_S)
    except TaskFailedError as error:
        _tell(f"{type(error).__name__} [{error.code}]: {error}", "yellow")
    await _command("dead", "list")
    await app.registry.broker().client.set("invoices:card-unblocked:41", "1")
    await _command("dead", "retry", job.job_id)
    _tell(f"await job.result() -> {await job.result(timeout=RESULT_S)!r}")


async def _cron(app: ModuleType) -> None:
    schedule = app.forget_old_drafts.declaration.schedule
    _say("a cron task", f'@registry.task(cron="{schedule.cron}")')
    tick = schedule.after(datetime.fromtimestamp(SYSTEM_CLOCK.now_ms() / 1000, UTC))
    job = app.forget_old_drafts.job(f"forget_old_drafts:{round(tick.timestamp() * 1000)}")
    async with asyncio.timeout(RESULT_S):
        while await job.status() is JobState.NOT_FOUND:  # noqa: ASYNC110
            await asyncio.sleep(0.1)  # nothing pushes an enqueue
    await job.result(timeout=RESULT_S)
    _tell(f"the tick of {tick:%H:%M:%S} UTC has run, as job {job.job_id}")


# -- what is started ---------------------------------------------------------------------


@contextmanager
def _worker(folder: Path) -> Iterator[None]:
    """Run `scalr-tasks worker` on the example; its lines appear between ours."""
    process = subprocess.Popen(  # noqa: S603  our own command, no shell
        [sys.executable, "-m", "scalr_tasks.worker", APP],
        cwd=folder,
        env=dict(os.environ, SCALR_TASKS_LOG="text", PYTHONUNBUFFERED="1"),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    ready = threading.Event()
    relay = threading.Thread(target=_relay, args=(process.stderr, ready), daemon=True)
    relay.start()
    try:
        if not ready.wait(START_S) or process.poll() is not None:
            raise click.ClickException("the worker did not start; its lines above say why")
        yield
    finally:
        process.terminate()
        try:
            process.wait(START_S)
        except subprocess.TimeoutExpired:
            process.kill()
        relay.join(START_S)


def _relay(lines: IO[str], ready: threading.Event) -> None:
    for line in lines:
        click.echo(coloured(f"  worker │ {line.rstrip()}", "bright_black"))
        if READY in line:
            ready.set()
    ready.set()  # the worker has ended: nobody needs to wait any longer


async def _command(*words: str) -> None:
    """Run a command of ours in a process of its own, as an operator would."""
    _say("", f"scalr-tasks {' '.join(words)}")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scalr_tasks", *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await process.communicate()
    for line in output.decode().splitlines():
        _tell(line)
    if process.returncode:
        raise click.ClickException(f"scalr-tasks {' '.join(words)} failed")


# -- how it is told ----------------------------------------------------------------------


def _say(title: str, code: str = "") -> None:
    if title:
        click.echo()
        click.echo(coloured(title, "cyan"))
    if code:
        click.echo(f"  $ {code}" if code.startswith(("scalr-tasks", "cd ")) else f"  > {code}")


def _tell(text: str, colour: str = "green") -> None:
    click.echo(coloured(f"  {text}", colour))
