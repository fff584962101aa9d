"""A worker process for the fault suite: `python -m tests.faults.shop LEASE_S`.

Its tasks tell what happens by counting in Redis, so that what a killed
process did is still known.
"""

import asyncio
import os
import sys
from typing import Any

from scalr_tasks import Context, Queue, Registry
from scalr_tasks.observe import logs
from scalr_tasks.worker.worker import Worker, served

registry: Registry[Any, str] = Registry("faults", queues=[Queue("default", concurrency=8, poll_delay=0.05)])
task = registry.task


@task(retries=0)
async def counts(ctx: Context, number: int) -> int:
    """Count starts and ends; tell where another process that still lives is in the same job."""
    other = await ctx.redis.set(f"in:{ctx.job_id}", os.getpid(), get=True)
    if other is not None and is_alive(int(other)):
        await ctx.redis.incr("overlaps")
    await ctx.redis.incr(f"ran:{ctx.job_id}")
    await asyncio.sleep(0.002)
    await ctx.redis.delete(f"in:{ctx.job_id}")
    await ctx.redis.incr("ended")
    return number


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@task
async def waits(ctx: Context) -> int:
    """Say which process runs it, and wait to be told."""
    await ctx.redis.rpush("said", str(os.getpid()))
    await ctx.redis.blpop(["go on"], timeout=60)
    return ctx.attempt


@task
async def kills(ctx: Context) -> None:
    """End the process at once, before anything could be sent."""
    os._exit(9)


@task
async def never_leaves(ctx: Context) -> None:
    """Ignore every cancellation."""
    await ctx.redis.rpush("said", str(os.getpid()))
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


@task(timeout=0.2)
async def blocks(ctx: Context) -> None:
    """Never give the event loop back."""
    await ctx.redis.rpush("said", "blocks")
    while True:
        pass


async def main(lease_s: float) -> None:
    undo = logs.configure(registry.app().settings())
    await Worker(served(registry.app()), broker=registry.broker(), lease_s=lease_s).run()
    await registry.close()
    undo()


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(float(sys.argv[1])))

DefaultSettings = registry.worker_settings("default")
