"""Dramatiq with 8 threads, in one process as all others; its own default is 8 threads in each of several processes."""

import signal

import dramatiq
import side
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

broker = RedisBroker(url=side.URL)
if side.KEEP_RESULTS:
    broker.add_middleware(
        Results(backend=RedisBackend(url=side.URL), result_ttl=side.KEEP_S * 1000, store_results=True)
    )
dramatiq.set_broker(broker)


@dramatiq.actor(actor_name="body")
def body(index):
    return side.stamp(index)


class Dramatiq(side.Adapter):
    in_flight = False

    async def enqueue(self, index):
        return body.send(index)

    async def result(self, handle):
        return handle.get_result(block=True, timeout=int(side.WAIT_S * 1000))

    def work(self):
        dramatiq.Worker(broker, worker_threads=8).start()
        signal.pause()


if __name__ == "__main__":
    side.main(Dramatiq())
