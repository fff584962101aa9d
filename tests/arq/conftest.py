"""Runs the real `arq` CLI on the compiled classes of `app.py`."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from redis.asyncio import Redis

ROOT = Path(__file__).resolve().parents[2]


class Arq:
    """One `arq` process."""

    def __init__(self, settings: str, *arguments: str, redis_url: str) -> None:
        environment = dict(os.environ, REDIS_URL=redis_url, PYTHONPATH=str(ROOT), PYTHONUNBUFFERED="1")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "arq", settings, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = ""

    def wait(self, timeout_s: float = 30) -> int:
        """Wait for the end of the process; its exit status. What it wrote is in `output`."""
        self.output, _ = self.process.communicate(timeout=timeout_s)
        return self.process.returncode

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Send a signal and wait."""
        if self.process.poll() is None:
            self.process.send_signal(signum)
        return self.wait()


StartArq = Callable[..., Arq]


@pytest.fixture
def arq_cli(redis_url: str) -> Iterator[StartArq]:
    """Start `arq tests.arq.app.<class>`, stopped after the test."""
    started: list[Arq] = []

    def start(settings: str = "tests.arq.app.DefaultSettings", *arguments: str) -> Arq:
        started.append(Arq(settings, *arguments, redis_url=redis_url))
        return started[-1]

    yield start
    for arq in started:
        if arq.process.poll() is None:
            arq.process.kill()
            arq.process.communicate()


@pytest.fixture
async def app(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModuleType]:
    """The app of the tests, bound to this test's Redis."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    from tests.arq import app

    yield app
    await app.registry.close()


class Said:
    """Waits for the words that the tasks tell."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self.words: list[str] = []

    async def next(self, timeout_s: float = 15) -> str:
        """Wait for the next word."""
        answer = await self._client.blpop(["said"], timeout=timeout_s)
        assert answer is not None, f"nothing was said in {timeout_s} s after {self.words}"
        self.words.append(answer[1].decode())
        return self.words[-1]

    async def until(self, word: str) -> None:
        """Wait for `word`."""
        while not (await self.next()).startswith(word):
            pass

    async def rest(self) -> list[str]:
        """Return what has been said and not been read."""
        return [word.decode() for word in await self._client.lrange("said", 0, -1)]


@pytest.fixture
def said(redis: Redis) -> Said:
    return Said(redis)
