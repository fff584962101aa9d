"""What a worker says when it starts: itself, its Redis, its queues, its tasks."""

import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from scalr_tasks.cli.output import span
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.registry.declaration import Declaration
from scalr_tasks.worker.worker import Served

UNKNOWN: Final = "?"
KEEPS_ALL: Final = "noeviction"
"""The only `maxmemory-policy` under which Redis never throws a job away."""

OLDEST_SERVER: Final = (6, 2)
"""Oldest Redis whose commands the scripts may use."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server says of itself; `?` where it may not be asked."""

    version: str
    policy: str
    ping_ms: float

    @property
    def is_too_old(self) -> bool:
        """Whether the server tells a version below 6.2."""
        numbers = re.match(r"(\d+)\.(\d+)", self.version)
        return numbers is not None and (int(numbers[1]), int(numbers[2])) < OLDEST_SERVER

    @property
    def may_drop_jobs(self) -> bool:
        """Whether the server deletes keys when its memory is full."""
        return self.policy not in {KEEPS_ALL, UNKNOWN}


async def server_facts(client: Redis) -> ServerFacts:
    """Ask the server; a server that forbids INFO (managed ones do) is no reason not to start."""
    started_s = SYSTEM_CLOCK.monotonic_s()
    await client.ping()
    ping_ms = (SYSTEM_CLOCK.monotonic_s() - started_s) * 1000
    try:
        info = cast("dict[str, object]", await client.info())
    except ResponseError:
        info = {}
    return ServerFacts(str(info.get("redis_version", UNKNOWN)), str(info.get("maxmemory_policy", UNKNOWN)), ping_ms)


def banner(queues: Iterable[Served], facts: ServerFacts, *, loop: str) -> str:
    """Return the lines of the banner."""
    served = list(queues)
    url = served[0].app.settings().redis.safe_url
    lines = [
        f"scalr-tasks {_version()} · pid {os.getpid()} · python {platform.python_version()} · {loop}",
        f"redis    {url} · {facts.version} · {facts.policy} · ping {facts.ping_ms:.1f} ms",
        f"queues   {'   '.join(f'{one.queue.name} ×{one.queue.concurrency}' for one in served)}",
    ]
    declarations = {declaration.name: declaration for one in served for declaration in one.app.declarations.values()}
    ordinary = [one for one in declarations.values() if one.schedule is None]
    cron = [one for one in declarations.values() if one.schedule is not None]
    lines += _section("tasks", [_task(one) for one in ordinary])
    lines += _section("cron", [_cron(one) for one in cron])
    lines.append("Ctrl-C stops in order, a second one stops now")
    return "\n".join(lines)


def _section(title: str, rows: list[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [f"{title:<8} {lines[0]}", *(f"{'':<8} {line}" for line in lines[1:])]


def _task(one: Declaration) -> tuple[str, ...]:
    policy = one.policy
    return (
        f"{one.name}{one.arguments.text}",
        one.queue,
        f"retries {policy.retries}",
        f"timeout {span(policy.timeout_ms)}",
    )


def _cron(one: Declaration) -> tuple[str, ...]:
    assert one.schedule is not None
    now = datetime.fromtimestamp(SYSTEM_CLOCK.now_ms() / 1000, UTC)
    wait_ms = round((one.schedule.after(now) - now).total_seconds() * 1000)
    return (one.name, one.queue, f"{one.schedule.cron} {one.schedule.timezone}", f"next in {span(wait_ms)}")


def _version() -> str:
    try:
        return version("scalr-tasks")
    except PackageNotFoundError:  # a checkout on the path
        return "(not installed)"
