"""streaQ; needs Redis 7."""

import side
from streaq import Worker

worker = Worker(
    redis_url=side.URL,
    concurrency=side.CONCURRENCY,
    anyio_kwargs={"use_uvloop": side.loop_factory() is not None},
)


@worker.task(ttl=side.KEEP_S if side.KEEP_RESULTS else 0, silent=True)
async def body(index: int) -> float:
    return side.stamp(index)


class Streaq(side.Adapter):
    bulk = True

    async def open(self):
        await worker.__aenter__()

    async def close(self):
        await worker.__aexit__(None, None, None)

    async def enqueue(self, index):
        return await body.enqueue(index)

    async def enqueue_many(self, indexes):
        await worker.enqueue_many([body.enqueue(index) for index in indexes])

    async def result(self, handle):
        return await handle.result(side.WAIT_S)

    def work(self):
        worker.run_sync()


if __name__ == "__main__":
    side.main(Streaq())
