"""Celery with 8 threads, without gossip, mingle and heartbeat."""

import side
from celery import Celery

app = Celery("bench", broker=side.URL, backend=side.URL)
app.conf.update(
    result_expires=side.KEEP_S,
    task_ignore_result=not side.KEEP_RESULTS,
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=4,
)


@app.task(name="body")
def body(index):
    return side.stamp(index)


class CeleryAdapter(side.Adapter):
    in_flight = False

    async def enqueue(self, index):
        return body.delay(index)

    async def result(self, handle):
        return handle.get(timeout=side.WAIT_S)

    def work(self):
        app.worker_main(
            [
                "worker",
                "--pool=threads",
                "--concurrency=8",
                "--loglevel=WARNING",
                "--without-gossip",
                "--without-mingle",
                "--without-heartbeat",
            ]
        )


if __name__ == "__main__":
    side.main(CeleryAdapter())
