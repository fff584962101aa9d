"""RQ with its SimpleWorker, which runs one job at a time without a fork."""

import logging

import side
from redis import Redis
from rq import Queue, SimpleWorker

TTL_S = side.KEEP_S if side.KEEP_RESULTS else 0


def body(index):
    return side.stamp(index)


class Rq(side.Adapter):
    in_flight = False
    bulk = True

    async def open(self):
        import with_rq  # noqa: PLC0415  a worker must be able to import the function

        self.queue = Queue(connection=Redis.from_url(side.URL))
        self.body = with_rq.body

    async def enqueue(self, index):
        return self.queue.enqueue(self.body, index, result_ttl=TTL_S)

    async def enqueue_many(self, indexes):
        self.queue.enqueue_many([Queue.prepare_data(self.body, (index,), result_ttl=TTL_S) for index in indexes])

    async def result(self, handle):
        return handle.latest_result(timeout=int(side.WAIT_S)).return_value

    def work(self):
        connection = Redis.from_url(side.URL)
        SimpleWorker([Queue(connection=connection)], connection=connection).work(logging_level=logging.WARNING)


if __name__ == "__main__":
    side.main(Rq())
