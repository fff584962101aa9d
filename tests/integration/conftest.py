"""Runs our own commands as processes, in a folder with a user's modules."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

TASKS = """
from scalr_tasks import Context, Queue, Registry

registry = Registry("shop", queues=[Queue("default", poll_delay=0.05), Queue("bulk", concurrency=2, poll_delay=0.05)])


@registry.task
async def add(ctx: Context, a: int, b: int = 1) -> int:
    return a + b


@registry.task(queue="bulk")
async def double(ctx: Context, number: int) -> int:
    job = await add.enqueue(number, b=number)
    return number


@registry.task
async def waits(ctx: Context) -> str:
    await ctx.redis.rpush("said", f"attempt {ctx.attempt}")
    await ctx.redis.blpop(["go on"], timeout=60)
    return f"attempt {ctx.attempt}"


@registry.task(retries=0)
async def fails(ctx: Context) -> None:
    if not await ctx.redis.exists("fixed"):
        raise ValueError("it is broken")
"""


class Command:
    """One process of ours."""

    def __init__(self, folder: Path, redis_url: str, *words: str, **environment: str) -> None:
        env = dict(os.environ, REDIS_URL=redis_url, PYTHONPATH=str(ROOT), PYTHONUNBUFFERED="1", **environment)
        self.process = subprocess.Popen(
            [sys.executable, *words], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.stdout = self.stderr = ""

    def wait(self, timeout_s: float = 30) -> int:
        """Wait for its end; its exit status."""
        self.stdout, self.stderr = self.process.communicate(timeout=timeout_s)
        return self.process.returncode

    def signal(self, signum: int = signal.SIGTERM) -> None:
        self.process.send_signal(signum)


Run = Callable[..., Command]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a package `shop` whose `shop.tasks` declares tasks."""
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "tasks.py").write_text(TASKS)
    return tmp_path


@pytest.fixture
def command(folder: Path, redis_url: str) -> Iterator[Run]:
    """Start `scalr-tasks WORDS` in `folder`; what still runs after the test is killed."""
    started: list[Command] = []

    def start(*words: str, **environment: str) -> Command:
        url = environment.pop("redis_url", redis_url)
        started.append(Command(folder, url, "-m", "scalr_tasks", *words, **environment))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()
