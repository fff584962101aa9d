"""arq; `BENCH_POLL` is how often its worker and its clients look, in seconds."""

import asyncio
import os

import side
from arq import create_pool, func, run_worker
from arq.connections import RedisSettings

POLL_S = float(os.environ.get("BENCH_POLL", "0.5"))


async def body(ctx, index):
    return side.stamp(index)


class WorkerSettings:
    functions = (func(body, keep_result=side.KEEP_S if side.KEEP_RESULTS else 0),)
    redis_settings = RedisSettings.from_dsn(side.URL)
    max_jobs = side.CONCURRENCY
    poll_delay = POLL_S


class Arq(side.Adapter):
    async def open(self):
        self.pool = await create_pool(RedisSettings.from_dsn(side.URL))

    async def close(self):
        await self.pool.aclose()

    async def enqueue(self, index):
        return await self.pool.enqueue_job("body", index)

    async def result(self, handle):
        return await handle.result(poll_delay=POLL_S)

    def work(self):
        asyncio.set_event_loop((side.loop_factory() or asyncio.new_event_loop)())
        run_worker(WorkerSettings)


if __name__ == "__main__":
    side.main(Arq())
