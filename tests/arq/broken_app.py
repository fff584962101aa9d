"""An app whose lifespan cannot be entered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scalr_tasks import Context, Registry


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    raise OSError("no database")
    yield


registry = Registry("broken", lifespan=lifespan)


@registry.task
async def nothing(ctx: Context) -> None: ...


DefaultSettings = registry.worker_settings("default")
