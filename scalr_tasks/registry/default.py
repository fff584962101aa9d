"""The spellings without a registry: `@task`, `@declare`, `enqueue`, over the `default_registry`; and `close` for all.

Reads next: `registry.py`.
"""

from typing import Any, Final

from scalr_tasks.jobs.job import Job
from scalr_tasks.registry.registry import all_registries, default_registry

task: Final = default_registry.task
"""`Registry.task` of the default registry."""

declare: Final = default_registry.declare
"""`Registry.declare` of the default registry."""


async def enqueue(name: str, /, *args: Any, **kwargs: Any) -> Job[Any]:
    """Enqueue a task of the default registry by its name; checked at run time, and by the mypy plugin before.

        job = await enqueue("send_invoice_email", invoice_id=1)

    Raises:
        UnknownTaskError: no task of that name is declared; with the nearest name.
        InvalidArgumentsError: an argument is missing, unknown or of the wrong type.
        BrokerUnavailableError: Redis did not answer in time.
    """
    return await default_registry.enqueue(name, *args, **kwargs)


async def close() -> None:
    """Close the connections of every registry for this event loop, and those of threads.

    await scalr_tasks.close()
    """
    for registry in all_registries():
        await registry.close()
