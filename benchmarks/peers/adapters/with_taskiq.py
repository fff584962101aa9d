"""taskiq over a Redis list, or over a stream where `BENCH_STREAM` is set; results are looked for every 5 ms."""

import os
import sys
from pathlib import Path

import side
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker

# Its consumer group begins at the end of the stream unless told otherwise; the jobs of a drain are there before it.
broker = RedisStreamBroker(side.URL, consumer_id="0") if os.environ.get("BENCH_STREAM") else ListQueueBroker(side.URL)
if side.KEEP_RESULTS:
    broker = broker.with_result_backend(RedisAsyncResultBackend(side.URL, result_ex_time=side.KEEP_S))


@broker.task(task_name="body")
async def body(index: int) -> float:
    return side.stamp(index)


class Taskiq(side.Adapter):
    async def open(self):
        await broker.startup()

    async def close(self):
        await broker.shutdown()

    async def enqueue(self, index):
        return await body.kiq(index)

    async def result(self, handle):
        return await handle.wait_result(check_interval=0.005, timeout=side.WAIT_S)

    def work(self):
        command = Path(sys.executable).parent / "taskiq"
        options = ["--workers", "1", "--max-async-tasks", str(side.CONCURRENCY), "--log-level", "WARNING"]
        os.execv(command, [str(command), "worker", "with_taskiq:broker", *options])


if __name__ == "__main__":
    side.main(Taskiq())
