"""The part of `check` that looks at Redis, and at who works the queues in it."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from redis.exceptions import RedisError

from scalr_tasks.broker.faults import broker_error
from scalr_tasks.broker.health import LivingWorker, Overview, QueueCounts
from scalr_tasks.broker.keys import queue_of
from scalr_tasks.cli.banner import UNKNOWN, ServerFacts, server_facts
from scalr_tasks.cli.findings import Line
from scalr_tasks.cli.output import age
from scalr_tasks.cli.session import Session, with_session
from scalr_tasks.errors import BrokerError
from scalr_tasks.registry.queue import Queue
from scalr_tasks.registry.registry import Registry
from scalr_tasks.settings import Settings


def redis_and_worker_lines(registries: Sequence[Registry[Any, Any]], modules: Sequence[str]) -> list[Line]:
    """Return what is found at each Redis that the registries use, or that of the environment where there are none."""
    by_url: dict[str, tuple[Settings, list[Queue]]] = {}
    for registry in registries:
        settings = registry.snapshot().settings()
        _, queues = by_url.setdefault(settings.redis.safe_url, (settings, []))
        queues += registry.queues.values()
    if not by_url:
        settings = Settings.from_env()
        by_url[settings.redis.safe_url] = (settings, [])
    lines: list[Line] = []
    for settings, queues in by_url.values():
        try:
            lines += with_session(partial(_look, queues=queues, modules=modules), settings)
        except BrokerError as error:
            lines.append(Line("redis", "error", f"[{error.code}] {error}"))
    return lines


async def _look(session: Session, queues: Sequence[Queue], modules: Sequence[str]) -> list[Line]:
    try:
        async with asyncio.timeout(session.timeout_s):
            facts = await server_facts(session.broker.client)
    except (RedisError, OSError, TimeoutError) as error:
        raise broker_error(session.url, error) from error
    overview = await session.health.overview([queue.key for queue in queues])
    lines = server_lines(session.url, facts) + worker_lines(overview)
    if not queues:
        return lines + known_queue_lines(overview)
    counts = {each.key: each for each in overview.queues}
    return lines + [_served(queue.name, counts[queue.key], overview, modules) for queue in queues]


# -- Redis -------------------------------------------------------------------------------


def server_lines(url: str, facts: ServerFacts) -> list[Line]:
    """Return what is found at a server that answers."""
    at = f"{url} answers in {facts.ping_ms:.1f} ms"
    if facts.version == UNKNOWN:
        lines = [Line("redis", "ok", f"{at}; it does not tell its version, since it refuses INFO")]
    elif facts.is_too_old:
        return [Line("redis", "error", f"{at}, but is version {facts.version}; Redis 6.2 or newer is needed")]
    else:
        lines = [Line("redis", "ok", f"{at}, version {facts.version}")]
    if facts.may_drop_jobs:
        text = f"maxmemory-policy is {facts.policy}: Redis may throw jobs away when its memory is full; set noeviction"
        lines.append(Line("redis", "warning", text))
    elif facts.policy == UNKNOWN:
        lines.append(Line("redis", "warning", "maxmemory-policy is not told; make sure that it is noeviction"))
    return lines


# -- workers -----------------------------------------------------------------------------


def worker_lines(overview: Overview) -> list[Line]:
    """Return one line for each process that works; one may serve its queues with several workers."""
    processes: dict[tuple[str, int], list[LivingWorker]] = {}
    for worker in overview.workers:
        processes.setdefault((worker.said.host, worker.said.pid), []).append(worker)
    return [
        Line(
            "workers",
            "ok",
            f"worker {host} pid {pid} beat {age(overview.now_ms - max(each.beat_at_ms for each in workers))} ago on "
            + ", ".join(sorted({queue.name for each in workers for queue in each.said.queues})),
        )
        for (host, pid), workers in sorted(processes.items())
    ]


def known_queue_lines(overview: Overview) -> list[Line]:
    """Return a warning for each queue that holds jobs and that nobody works."""
    return [
        Line("workers", "warning", f"queue {queue_of(counts.key)} has {_jobs(counts)} and no worker")
        for counts in overview.queues
        if _waiting(counts) and not overview.serving(counts.key)
    ]


def _served(name: str, counts: QueueCounts, overview: Overview, modules: Sequence[str]) -> Line:
    workers = overview.serving(counts.key)
    if workers:
        return Line("workers", "ok", f"queue {name} has {_jobs(counts)} and {len(workers)} worker{_s(len(workers))}")
    start = f"start one: scalr-tasks worker {' '.join(modules)} -q {name}"
    return Line("workers", "error", f"queue {name} has {_jobs(counts)} and no worker; {start}")


def _waiting(counts: QueueCounts) -> int:
    return counts.ready + counts.deferred + counts.running


def _jobs(counts: QueueCounts) -> str:
    waiting = _waiting(counts)
    return f"{waiting} job{_s(waiting)}" if waiting else "no jobs"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
