"""What the test kit costs: an inline job beside Celery's eager mode, and the plugin at the start of pytest.

    python benchmarks/testkit.py [--celery PYTHON]

Celery runs in a virtual environment of its own: the interpreter that is given,
else one that is made in the cache folder of this user. The goals: at
most 100 µs a job, less than 30 ms at the start. Times are of the processor, and
the least of several rounds: what else this machine does is not our cost.
"""

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from scalr_tasks import Context, Registry
from scalr_tasks.testing.kit import TaskKit

JOBS = 1_000
ROUNDS = 7
STARTS = 11
MOST_US = 100
MOST_MS = 30

CELERY = f"""
import time
from celery import Celery
app = Celery("bench", broker="memory://", backend="cache+memory://")
app.conf.update(task_always_eager=True, task_eager_propagates=True, task_store_eager_result=False)

@app.task
def add(a: int, b: int) -> int:
    return a + b

def one_round():
    begun = time.process_time()
    for number in range({JOBS}):
        add.delay(number, 1).get()
    return (time.process_time() - begun) / {JOBS} * 1e6

one_round()
print(min(one_round() for _ in range({ROUNDS})))
"""

registry = Registry("bench")


@registry.task
async def add(ctx: Context, a: int, b: int) -> int:
    return a + b


async def inline_round() -> float:
    """Microseconds a job: enqueued, run, its result read back."""
    with TaskKit([registry]) as tasks, tasks.inline():
        begun = time.process_time()
        for number in range(JOBS):
            job = await add.enqueue(number, 1)
            await job.result()
        return (time.process_time() - begun) / JOBS * 1e6


async def body_round() -> float:
    """Microseconds a direct call: what the body itself costs."""
    begun = time.process_time()
    for number in range(JOBS):
        await add(number, 1)
    return (time.process_time() - begun) / JOBS * 1e6


def inline_us() -> float:
    asyncio.run(inline_round())
    return min(asyncio.run(inline_round()) for _ in range(ROUNDS))


def body_us() -> float:
    return min(asyncio.run(body_round()) for _ in range(ROUNDS))


def celery_python(given: str | None) -> str | None:
    """The interpreter that has Celery; None where it cannot be installed."""
    if given:
        return given
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "scalr-tasks-bench-celery"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    done = subprocess.run([python, "-m", "pip", "install", "-q", "celery"], capture_output=True, text=True, check=False)
    return str(python) if done.returncode == 0 else None


def celery_us(python: str) -> float:
    done = subprocess.run([python, "-c", CELERY], capture_output=True, text=True, check=True)
    return float(done.stdout)


def pytest_ms(folder: str, *arguments: str) -> float:
    """Milliseconds of a pytest run that collects nothing."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, folder]
    begun = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, capture_output=True, check=False)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime) * 1e3


def plugin_ms() -> float:
    """What the plugin adds to a pytest start: runs with and without it, by turns, the least of each."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = [(pytest_ms(folder), pytest_ms(folder, "-p", "no:scalr_tasks")) for _ in range(STARTS)]
    return min(with_it for with_it, _ in pairs) - min(without for _, without in pairs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--celery", metavar="PYTHON", help="an interpreter that has Celery")
    python = celery_python(parser.parse_args().celery)

    ours, body = inline_us(), body_us()
    theirs = celery_us(python) if python else None
    beyond = ours - body
    added = plugin_ms()

    print(f"{'what':<46} {'measured':>10} {'goal':>8}")
    print(f"{'inline job beyond its body':<46} {beyond:>7.1f} µs {MOST_US:>5} µs")
    if theirs is None:
        print("Celery could not be installed here, so there is no ratio to its eager mode")
    else:
        print(f"{'eager task of Celery, body included':<46} {theirs:>7.1f} µs")
        print(f"{'ours to Celery’s, bodies included':<46} {ours / theirs:>8.2f} ×")
    print(f"{'the plugin at the start of pytest':<46} {added:>7.1f} ms {MOST_MS:>5} ms")
    return 0 if beyond <= MOST_US and added < MOST_MS else 1


if __name__ == "__main__":
    sys.exit(main())
