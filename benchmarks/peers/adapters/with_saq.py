"""SAQ; results are awaited with `apply` and a poll of 5 ms (its own default is 0.5 s)."""

import asyncio

import side
from saq import Queue, Worker

TTL_S = side.KEEP_S if side.KEEP_RESULTS else -1


async def body(ctx, *, index):
    return side.stamp(index)


class Saq(side.Adapter):
    async def open(self):
        self.queue = Queue.from_url(side.URL)
        await self.queue.connect()

    async def close(self):
        await self.queue.disconnect()

    async def enqueue(self, index):
        return await self.queue.enqueue("body", index=index, ttl=TTL_S)

    async def result(self, handle):
        while not handle.completed:
            await asyncio.sleep(0.005)
            await handle.refresh()
        return handle.result

    def work(self):
        async def run():
            queue = Queue.from_url(side.URL)
            await queue.connect()
            await Worker(queue, functions=[body], concurrency=side.CONCURRENCY).start()

        with asyncio.Runner(loop_factory=side.loop_factory()) as runner:
            runner.run(run())


if __name__ == "__main__":
    side.main(Saq())
