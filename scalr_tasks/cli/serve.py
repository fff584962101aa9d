"""From registries to a running worker: definitions, Redis, log lines, banner, loop."""

import asyncio
import logging
import sys
from collections.abc import Sequence

import click
from redis.exceptions import RedisError

from scalr_tasks.broker.faults import broker_error
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.cli.banner import ServerFacts, banner, server_facts
from scalr_tasks.errors import BrokerUnavailableError, UnknownQueueError
from scalr_tasks.observe import logs
from scalr_tasks.registry.registry import Registry
from scalr_tasks.settings import Settings
from scalr_tasks.worker.worker import Served, Worker, served

CONNECT_TRIES = 5
CONNECT_DELAY_S = 1.0

log: logging.Logger = logging.getLogger("scalr_tasks.worker")


async def serve(registries: Sequence[Registry], queues: Sequence[str], *, burst: bool, concurrency: int | None) -> None:
    """Run a worker for some registries until it is told to stop.

    Raises:
        UnknownQueueError: no registry declares a queue that was asked for.
        BrokerUnavailableError: Redis does not answer, after five tries in a row.
    """
    chosen = choose(registries, queues, concurrency)
    settings = chosen[0].app.settings()
    undo = logs.configure(settings)
    broker = registries[0].broker()
    try:
        facts = await _reach(broker, settings)
        click.echo(banner(chosen, facts, loop=_loop_name()), err=True)
        if facts.is_too_old:
            log.warning(
                "Redis %s is too old: 6.2 or newer is needed, jobs may fail",
                facts.version,
                extra={"event": "redis.too_old"},
            )
        if facts.may_drop_jobs:
            log.warning(
                "Redis may throw jobs away when its memory is full: maxmemory-policy is %s, set it to noeviction",
                facts.policy,
                extra={"event": "redis.may_drop_jobs"},
            )
        await Worker(chosen, broker=broker, burst=burst).run()
    finally:
        for registry in registries:
            await registry.close()
        undo()


def choose(registries: Sequence[Registry], queues: Sequence[str], concurrency: int | None) -> list[Served]:
    """Return what to serve: the queues asked for in each registry that declares them, else all."""
    apps = [registry.app() for registry in registries]
    declared = {name for app in apps for name in app.queues}
    for name in queues:
        if name not in declared:
            raise UnknownQueueError(name, declared, registry=", ".join(app.name for app in apps))
    return [
        one
        for app in apps
        if (own := [name for name in (queues or app.queues) if name in app.queues])
        for one in served(app, own, concurrency=concurrency)
    ]


async def _reach(broker: RedisBroker, settings: Settings) -> ServerFacts:
    """Ask Redis for its facts; tried a few times, since containers start in any order."""
    for left in range(CONNECT_TRIES - 1, -1, -1):
        try:
            return await server_facts(broker.client)
        except (RedisError, OSError, TimeoutError) as error:
            found = broker_error(settings.redis.safe_url, error)
            if left == 0 or not isinstance(found, BrokerUnavailableError):
                raise found from error
            log.warning("%s; %d more %s", found, left, "try" if left == 1 else "tries", extra={"event": "redis.away"})
            await asyncio.sleep(CONNECT_DELAY_S)
    raise AssertionError("the last try raises")


def _loop_name() -> str:
    loop = type(asyncio.get_running_loop()).__module__.split(".")[0]
    return loop if loop != "asyncio" else f"asyncio on {sys.platform}"
