"""scalr_tasks: `scalr-tasks worker` on this module, and the client as an app uses it."""

import os
import sys

import side

from scalr_tasks import Context, Queue, Registry, enqueue_many
from scalr_tasks.settings import Settings

registry = Registry(
    "bench",
    queues=[Queue("default", concurrency=side.CONCURRENCY)],
    settings=Settings(redis=side.URL, log_level="warning"),
)


@registry.task(keep_result=side.KEEP_S if side.KEEP_RESULTS else 0)
async def body(ctx: Context, index: int) -> float:
    return side.stamp(index)


class Ours(side.Adapter):
    bulk = True

    async def close(self):
        await registry.close()

    async def enqueue(self, index):
        return await body.enqueue(index=index)

    async def enqueue_many(self, indexes):
        await enqueue_many(body.call(index=index) for index in indexes)

    async def result(self, handle):
        return await handle.result()

    def work(self):
        os.execv(sys.executable, [sys.executable, "-m", "scalr_tasks", "worker", "ours"])


if __name__ == "__main__":
    side.main(Ours())
