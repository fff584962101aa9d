"""Several arq workers in one process, as an app may embed them: one stop for all, one lifespan."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from arq.worker import create_worker

from scalr_tasks import Context, Queue, Registry
from scalr_tasks.settings import Settings


@pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")  # arq's own call of redis-py
async def test_several_arq_workers_in_one_process_share_one_lifespan(redis_url: str) -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[str]:
        seen.append("entered")
        yield "shared"
        seen.append("left")

    registry = Registry[str](
        "embedded",
        queues=[Queue("default", poll_delay=0.02), Queue("bulk", poll_delay=0.02)],
        lifespan=lifespan,
        settings=Settings(redis=redis_url),
    )

    @registry.task
    async def here(ctx: Context[str]) -> str:
        return f"{ctx.queue} {ctx.state}"

    workers = [create_worker(settings, handle_signals=False) for settings in registry.compile().values()]
    running = [asyncio.create_task(worker.async_run()) for worker in workers]
    jobs = [await here.enqueue(), await here.using(queue="bulk").enqueue()]

    results = [await job.result(timeout=10) for job in jobs]
    await asyncio.gather(*(worker.close() for worker in workers))
    await asyncio.gather(*running, return_exceptions=True)
    await registry.close()

    assert results == ["default shared", "bulk shared"]
    assert seen == ["entered", "left"]
