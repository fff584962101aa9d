"""The app of the old page, written with scalr_tasks, and both engines to run it."""

import gc
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.architecture.source import ROOT

WORKER = '''
"""The tasks of the app, as a user of the page writes them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scalr_tasks import Backoff, Context, Queue, Registry


@asynccontextmanager
async def lifespan() -> AsyncIterator[dict[str, str]]:
    yield {"greeting": "hello"}
    print("caches are cleared", flush=True)


registry = Registry[dict[str, str]](
    "page",
    queues=[
        Queue("default", poll_delay=0.05),
        Queue("bulk", concurrency=1, poll_delay=0.05),
        Queue("clock", poll_delay=0.05),
    ],
    lifespan=lifespan,
)


@registry.task
async def send_invoice_email(ctx: Context[dict[str, str]], invoice_id: int) -> str:
    return f"invoice {invoice_id} is sent"


@registry.task
def render(ctx: Context[dict[str, str]], invoice_id: int) -> str:
    return f"invoice {invoice_id} is rendered"


@registry.task
async def tells_context(ctx: Context[dict[str, str]]) -> list[str]:
    await ctx["redis"].set("through ctx", 1)
    items = [ctx["job_id"], str(ctx["job_try"]), str(ctx["enqueue_time"] == ctx.enqueued_at), str(ctx["score"] > 0)]
    return [*items, ctx["greeting"], str(round((ctx.deadline - ctx.enqueued_at).total_seconds()))]


@registry.task
async def tells_how_many_run(ctx: Context[dict[str, str]]) -> int:
    running = int(await ctx["redis"].incr("running"))
    await ctx["redis"].rpush("said", str(running))
    await ctx["redis"].blpop(["go on"], timeout=60)
    await ctx["redis"].decr("running")
    return running


@registry.task
async def waits(ctx: Context[dict[str, str]]) -> str:
    await ctx.redis.rpush("said", f"attempt {ctx.attempt}")
    await ctx.redis.blpop(["go on"], timeout=60)
    return f"attempt {ctx.attempt}"


@registry.task(queue="bulk")
async def waits_on_bulk(ctx: Context[dict[str, str]]) -> None:
    await ctx.redis.rpush("said", "bulk runs")
    await ctx.redis.blpop(["go on"], timeout=60)


@registry.task(timeout=0.2, retries=1, backoff=0)
async def takes_too_long(ctx: Context[dict[str, str]]) -> None:
    await ctx.redis.rpush("said", f"attempt {ctx.attempt}")
    await asyncio.Event().wait()


@registry.task(backoff=Backoff(first=0.1, factor=2, jitter=0))
async def fails(ctx: Context[dict[str, str]]) -> None:
    await ctx.redis.rpush("at", str(asyncio.get_running_loop().time()))
    if not await ctx.redis.exists("fixed"):
        raise ValueError("the mail server said no")


@registry.task(queue="clock", cron="* * * * * *")
async def ticks(ctx: Context[dict[str, str]]) -> None:
    await ctx.redis.rpush("said", "tick")


@registry.task(queue="clock", cron="0 3 * * *", timezone="Europe/Vienna")
async def cleanup_stale_invoices(ctx: Context[dict[str, str]]) -> None: ...


WorkerSettings = registry.worker_settings()
BulkSettings = registry.worker_settings("bulk")
ClockSettings = registry.worker_settings("clock")
'''


class Process:
    """One command of the page, run in the app's folder; its lines are in `lines` once it has ended."""

    def __init__(self, folder: Path, words: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.pid = self._process.pid
        self.output = ""

    def wait(self, timeout_s: float = 60) -> int:
        """Wait for its end; its exit status."""
        if self._process.stdout is not None and not self._process.stdout.closed:
            self.output, _ = self._process.communicate(timeout=timeout_s)
        return self._process.returncode

    def signal(self, signum: int = signal.SIGTERM) -> None:
        self._process.send_signal(signum)

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.wait()

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.output)


Run = Callable[..., Process]

ENGINES = {
    "plain arq": ["arq", "src.worker.WorkerSettings"],
    "our worker": ["scalr_tasks.worker", "src.worker", "-q", "default"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An app's folder with `src/worker.py`."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "__init__.py").touch()
    (tmp_path / "src" / "worker.py").write_text(WORKER, "utf-8")
    return tmp_path


@pytest.fixture
def run(folder: Path, redis_url: str) -> Iterator[Run]:
    """Run `python -m WORDS` in the app's folder; what still runs after the test is killed."""
    started: list[Process] = []

    def start(*words: str, **variables: str) -> Process:
        environment = dict(os.environ, REDIS_URL=redis_url, PYTHONPATH=str(ROOT), PYTHONUNBUFFERED="1")
        environment |= {"SCALR_TASKS_SOCKET_DIR": str(folder / "s"), **variables}
        started.append(Process(folder, list(words), environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
async def app(folder: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModuleType]:
    """`src.worker`, imported here too, as a backend imports it."""
    gc.collect()  # the bridge looks in every registry of the process: those of earlier tests must be gone
    monkeypatch.setenv("REDIS_URL", redis_url)
    spec = importlib.util.spec_from_file_location("seed_worker", folder / "src" / "worker.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "seed_worker", module)
    spec.loader.exec_module(module)
    yield module
    await module.registry.close()


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> list[str]:
    """Words that start each engine on the default queue."""
    return ENGINES[request.param]
