"""What every adapter shares: the stamp that a job leaves, and the questions to a client.

Standard library only, because it runs in each peer's own virtual environment. The body of a job writes the time into a
file that the harness has mapped too: slot `index` of an array of doubles. That costs no system call and no command of
Redis, so it weighs the same in every library. Times are those of the machine's monotonic clock, which processes share.
"""

import asyncio
import json
import mmap
import os
import random
import sys
import time
from pathlib import Path

URL = os.environ["BENCH_URL"]
KEEP_RESULTS = os.environ.get("BENCH_RESULTS", "1") == "1"
CONCURRENCY = int(os.environ.get("BENCH_CONCURRENCY", "32"))
KEEP_S = 3600
WAIT_S = 5.0
"""How long a job may take before the question counts it as lost."""

_file = Path(os.environ["BENCH_STAMPS"]).open("r+b")  # noqa: SIM115  it lives as long as the process
STAMPS = memoryview(mmap.mmap(_file.fileno(), 0)).cast("d")


def stamp(index):
    """The body of every job: note when it ran."""
    now = STAMPS[index] = time.monotonic()
    return now


class Adapter:
    """One library. Those without an event loop block in these methods."""

    in_flight = True
    """Whether many enqueues may be on their way at once."""
    bulk = False
    """Whether there is one call for many jobs."""

    async def open(self):
        """Connect the client."""

    async def close(self):
        """Close the client."""

    async def enqueue(self, index):
        """Send one job; return what `result` needs."""
        raise NotImplementedError

    async def enqueue_many(self, indexes):
        """Send many jobs in one call."""
        raise NotImplementedError

    async def result(self, handle):
        """Wait for the result of a job."""
        raise NotImplementedError

    def work(self):
        """Be a worker until the process is ended."""
        raise NotImplementedError


async def one(adapter, jobs):
    started, cpu = time.monotonic(), time.process_time()
    for index in range(jobs):
        await adapter.enqueue(index)
    return _rate(jobs, started, cpu)


async def inflight(adapter, jobs):
    if not adapter.in_flight:
        return None
    started, cpu = time.monotonic(), time.process_time()
    for first in range(0, jobs, 100):
        await asyncio.gather(*(adapter.enqueue(index) for index in range(first, first + 100)))
    return _rate(jobs, started, cpu)


async def bulk(adapter, jobs):
    if not adapter.bulk:
        return None
    started, cpu = time.monotonic(), time.process_time()
    for first in range(0, jobs, 1000):
        await adapter.enqueue_many(range(first, first + 1000))
    return _rate(jobs, started, cpu)


def _rate(jobs, started, cpu):
    took, used = time.monotonic() - started, time.process_time() - cpu
    return {"per_s": jobs / took, "client_cpu_us": used / jobs * 1e6}


async def fill(adapter, jobs):
    """Put jobs on the queue, as fast as the client can."""
    if adapter.bulk:
        for first in range(0, jobs, 1000):
            await adapter.enqueue_many(range(first, min(first + 1000, jobs)))
    elif adapter.in_flight:
        for first in range(0, jobs, 100):
            await asyncio.gather(*(adapter.enqueue(index) for index in range(first, min(first + 100, jobs))))
    else:
        for index in range(jobs):
            await adapter.enqueue(index)
    return {"jobs": jobs}


async def pickup(adapter, jobs, seconds, gap_s):
    """From the call of enqueue to the start of the body, of a worker that has nothing else to do."""
    late, lost, until = [], 0, time.monotonic() + seconds
    for index in range(jobs):
        await asyncio.sleep(random.uniform(0.005, gap_s))
        if time.monotonic() > until:
            break
        sent = time.monotonic()
        await adapter.enqueue(index)
        while not STAMPS[index] and time.monotonic() < sent + WAIT_S:
            await asyncio.sleep(0.001)
        if STAMPS[index]:
            late.append((STAMPS[index] - sent) * 1000)
        else:
            lost += 1
    return {"ms": late, "lost": lost}


async def roundtrip(adapter, jobs, seconds, gap_s):
    """From the call of enqueue to its result, and from the end of the body to its result."""
    whole, back, lost, until = [], [], 0, time.monotonic() + seconds
    for index in range(jobs):
        await asyncio.sleep(random.uniform(0.005, gap_s))
        if time.monotonic() > until:
            break
        sent = time.monotonic()
        handle = await adapter.enqueue(index)
        try:
            async with asyncio.timeout(WAIT_S):
                await adapter.result(handle)
        except Exception:  # noqa: BLE001  each library has its own kind of "not in time"
            lost += 1
            continue
        now = time.monotonic()
        whole.append((now - sent) * 1000)
        back.append((now - STAMPS[index]) * 1000)
    return {"ms": whole, "back_ms": back, "lost": lost}


QUESTIONS = {question.__name__: question for question in (one, inflight, bulk, fill, pickup, roundtrip)}


async def _ask(adapter, question, options):
    await adapter.open()
    try:
        if question in {"one", "inflight", "bulk"}:
            await adapter.enqueue(0)  # connected and warm
        return await QUESTIONS[question](adapter, **options)
    finally:
        await adapter.close()


def loop_factory():
    """uvloop for every library, where it is installed."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return None
    return uvloop.new_event_loop


def main(adapter):
    """`work`, or `ask QUESTION OPTIONS`: the answer is the last line, as JSON."""
    if sys.argv[1] == "work":
        adapter.work()
        return
    question, options = sys.argv[2], json.loads(sys.argv[3])
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        answer = runner.run(_ask(adapter, question, options))
    print(json.dumps(answer), flush=True)
    os._exit(0)  # a client's threads must not keep the harness waiting
