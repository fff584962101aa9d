"""Huey with 8 threads; results are looked for every 5 ms."""

import logging

import side
from huey import RedisHuey

huey = RedisHuey("bench", url=side.URL, results=side.KEEP_RESULTS)
logging.getLogger("huey").setLevel(logging.WARNING)


@huey.task(name="body")
def body(index):
    return side.stamp(index)


class Huey(side.Adapter):
    in_flight = False

    async def enqueue(self, index):
        return body(index)

    async def result(self, handle):
        return handle.get(blocking=True, timeout=side.WAIT_S, backoff=1, max_delay=0.005)

    def work(self):
        huey.create_consumer(workers=8, worker_type="thread", periodic=False).run()


if __name__ == "__main__":
    side.main(Huey())
