"""`scalr-tasks queues`: what waits, what runs, and who works."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from scalr_tasks.broker.health import Overview, QueueCounts
from scalr_tasks.broker.keys import queue_key, queue_of
from scalr_tasks.cli.modules import load_registries
from scalr_tasks.cli.output import age, write_json, write_table
from scalr_tasks.cli.session import Session, with_session
from scalr_tasks.registry.queue import Queue

LATE_MS: Final = 600_000
"""A job that has been ready for longer is pointed out."""

_CLEAR: Final = "\x1b[H\x1b[2J"


@click.command()
@click.argument("modules", nargs=-1, metavar="[MODULE[:REGISTRY]]...")
@click.option("--watch", is_flag=True, help="Show it again and again, until Ctrl-C.")
@click.option(
    "--interval", type=click.FloatRange(min=0.1), default=2, show_default=True, metavar="S", help="Seconds for --watch."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document; with --watch, one a line.")
def command(modules: tuple[str, ...], watch: bool, interval: float, as_json: bool) -> None:
    """Show each queue: jobs ready, deferred, running and dead, and its workers.

    The queues are those that MODULE declares, else `default` and every queue that a worker has served in the last 30
    days. OLDEST is how long the first ready job has been waiting. Retries that wait for their time are deferred.

    Exit status: 0 shown, 2 a module cannot be imported, 4 Redis not reachable.
    """
    registries = load_registries(modules)
    queues = [queue for registry in registries for queue in registry.queues.values()]
    settings = registries[0].snapshot().settings() if registries else None

    async def show(session: Session) -> None:
        while True:
            overview = await session.health.overview([queue.key for queue in queues] or [queue_key("default")])
            _show(rows(overview, queues), overview, as_json=as_json, watch=watch)
            if not watch:
                return
            await asyncio.sleep(interval)

    with_session(show, settings)


def rows(overview: Overview, queues: Sequence[Queue]) -> list[dict[str, Any]]:
    """Return each queue for `--json`: those that were asked for, in their order, else all that are known."""
    names = {queue.key: queue.name for worker in overview.workers for queue in worker.said.queues}
    names |= {queue.key: queue.name for queue in queues}
    asked = {queue.key for queue in queues}
    shown = [counts for counts in overview.queues if not asked or counts.key in asked]
    found = [_row(counts, names.get(counts.key) or queue_of(counts.key), overview) for counts in shown]
    return found if asked else sorted(found, key=lambda row: (row["queue"] != "default", row["queue"]))


def _row(counts: QueueCounts, name: str, overview: Overview) -> dict[str, Any]:
    workers = overview.serving(counts.key)
    oldest = counts.oldest_due_ms
    return {
        "queue": name,
        "key": counts.key,
        "ready": counts.ready,
        "oldest_ms": None if oldest is None else max(0, overview.now_ms - oldest),
        "deferred": counts.deferred,
        "running": counts.running,
        "slots": sum(queue.slots for worker in workers for queue in worker.said.queues if queue.key == counts.key),
        "dead": counts.dead,
        "workers": len(workers),
    }


def _show(shown: Sequence[dict[str, Any]], overview: Overview, *, as_json: bool, watch: bool) -> None:
    if as_json:
        document = {"now_ms": overview.now_ms, "queues": shown}
        write_json(document, compact=watch)
        sys.stdout.flush()
        return
    if watch and sys.stdout.isatty():
        click.echo(_CLEAR, nl=False)
    write_table(
        ["queue", "ready", "oldest", "deferred", "running", "dead", "workers", ""],
        [_cells(row) for row in shown],
    )
    sys.stdout.flush()


def _cells(row: dict[str, Any]) -> dict[str, str]:
    oldest_ms = row["oldest_ms"]
    return {
        "queue": row["queue"],
        "ready": str(row["ready"]),
        "oldest": "-" if oldest_ms is None else age(oldest_ms),
        "deferred": str(row["deferred"]),
        "running": f"{row['running']}/{row['slots']}" if row["workers"] else str(row["running"]),
        "dead": str(row["dead"]),
        "workers": str(row["workers"]),
        "": _remark(row),
    }


def _remark(row: dict[str, Any]) -> str:
    if not row["workers"]:
        return "! no worker serves this queue"
    if row["oldest_ms"] is not None and row["oldest_ms"] > LATE_MS:
        return f"! oldest > {age(LATE_MS)}"
    return ""
