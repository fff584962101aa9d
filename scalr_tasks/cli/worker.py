"""`scalr-tasks worker`: run the jobs of a module's tasks."""

import asyncio
import importlib
from collections.abc import Callable

import click

from scalr_tasks.cli.modules import load_registries
from scalr_tasks.cli.serve import serve


@click.command()
@click.argument("modules", nargs=-1, required=True, metavar="MODULE[:REGISTRY]...")
@click.option("-q", "--queue", "queues", multiple=True, metavar="NAME", help="Serve this queue only; may be repeated.")
@click.option("--burst", is_flag=True, help="Stop when the queues are empty; deferred jobs and retries are waited for.")
@click.option("--concurrency", type=click.IntRange(min=1), metavar="N", help="Jobs at once of each queue.")
def command(modules: tuple[str, ...], queues: tuple[str, ...], burst: bool, concurrency: int | None) -> None:
    """Run the jobs of a module's tasks, all queues in this process.

    MODULE is imported with the current folder on the path. SIGTERM or Ctrl-C stops in order: running jobs may end
    for SCALR_TASKS_SHUTDOWN_GRACE seconds (60), the rest go back to their queues; a second one stops now.

    Exit status: 0 stopped in order, 1 failed, 2 wrong module, queue or declaration, 4 Redis not reachable.
    """
    registries = load_registries(modules)
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        runner.run(serve(registries, queues, burst=burst, concurrency=concurrency))


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop where it is installed (extra `fast`), else None for asyncio's own."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return None
    loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return loop
