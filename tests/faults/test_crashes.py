"""Workers that are killed, block or die of a job; plain arq workers on the same queue."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from redis.asyncio import Redis

from scalr_tasks import JobState
from scalr_tasks.clock import SYSTEM_CLOCK
from tests.support.until import until

ROOT = Path(__file__).resolve().parents[2]
LEASE_S = 2.0


class Process:
    """One worker process; what it says goes to a file, since nobody reads a pipe meanwhile."""

    def __init__(self, words: list[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, *words], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=file
            )
        self.pid = self._process.pid

    def send(self, signum: signal.Signals) -> None:
        self._process.send_signal(signum)

    def wait(self) -> int:
        """Wait for its end; its exit status."""
        return self._process.wait(timeout=30)

    def kill(self) -> None:
        """Kill it, and wait until its pid is free."""
        self._process.kill()
        self._process.wait()


Start = Callable[..., Process]


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Start a worker of ours, or (with `plain=True`) one of plain arq."""
    started: list[Process] = []

    def start_one(*, plain: bool = False, **environment: str) -> Process:
        words = (
            ["-m", "arq", "tests.faults.shop.DefaultSettings"] if plain else ["-m", "tests.faults.shop", str(LEASE_S)]
        )
        env = dict(os.environ, REDIS_URL=redis_url, PYTHONPATH=str(ROOT), **environment)
        started.append(Process(words, env, tmp_path / f"worker-{len(started)}.log"))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()


@pytest.fixture
async def shop(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModuleType]:
    monkeypatch.setenv("REDIS_URL", redis_url)
    sys.modules.pop("tests.faults.shop", None)
    from tests.faults import shop

    yield shop
    await shop.registry.close()


async def said(redis: Redis) -> str:
    answer = await redis.blpop(["said"], timeout=20)
    assert answer is not None
    return answer[1].decode()


async def test_a_killed_workers_job_runs_again_within_a_lease_as_the_same_attempt(
    shop: ModuleType, start: Start, redis: Redis
) -> None:
    job = await shop.waits.enqueue()
    first = start()
    assert await said(redis) == str(first.pid)
    second = start()

    first.kill()

    assert await said(redis) == str(second.pid)
    await redis.rpush("go on", 1)
    assert await job.result(timeout=5) == 1


async def test_a_job_that_kills_its_workers_is_dead_after_three(shop: ModuleType, start: Start, redis: Redis) -> None:
    job = await shop.kills.enqueue()
    for _ in range(3):
        assert start().wait() == 9

    start()

    async def is_dead() -> bool:
        return await job.status() is JobState.DEAD

    await until(is_dead, within_s=20)
    dead = await shop.registry.broker().dead(job.job_id)
    assert dead is not None
    assert dead.reason == "worker_lost"


async def test_a_body_that_blocks_the_loop_past_its_timeout_ends_the_process_with_its_stack(
    shop: ModuleType, start: Start, redis: Redis
) -> None:
    await shop.blocks.enqueue()
    worker = start(SCALR_TASKS_STUCK_GRACE="0.3", SCALR_TASKS_LOG="text")
    assert await said(redis) == "blocks"

    assert worker.wait() == 70
    assert "in blocks" in worker.log.read_text("utf-8")


@pytest.mark.parametrize("task", ["waits", "never_leaves"])
async def test_a_second_signal_ends_the_process_within_two_seconds_whatever_its_bodies_do(
    shop: ModuleType, start: Start, redis: Redis, task: str
) -> None:
    job = await getattr(shop, task).enqueue()
    worker = start()
    assert await said(redis) == str(worker.pid)
    asked_s = SYSTEM_CLOCK.monotonic_s()
    worker.send(signal.SIGTERM)
    worker.send(signal.SIGINT)

    status = worker.wait()

    assert status == 0
    assert SYSTEM_CLOCK.monotonic_s() - asked_s < 2
    info = await job.info()
    assert (info.state, info.attempts) == (JobState.QUEUED, 0)


async def test_a_worker_that_stood_still_past_its_lease_changes_nothing(
    shop: ModuleType, start: Start, redis: Redis
) -> None:
    job = await shop.waits.enqueue()
    first = start()
    assert await said(redis) == str(first.pid)
    first.send(signal.SIGSTOP)
    second = start()
    assert await said(redis) == str(second.pid)
    await redis.rpush("go on", "second", "first")

    first.send(signal.SIGCONT)

    assert await job.result(timeout=10) == 1
    assert await redis.zcard("arq:queue:default") == 0


@pytest.mark.parametrize("plain", [0, 2])
async def test_random_kills_lose_no_job_and_overlap_none(
    shop: ModuleType, start: Start, redis: Redis, plain: int
) -> None:
    count, kills, rng = 1_500, 6, random.Random(7)
    jobs = await shop.registry.enqueue_many(shop.counts.call(number=number) for number in range(count))
    ours = [start(), start()]
    for _ in range(plain):
        start(plain=True)
    for number in range(kills):
        goal = count * (number + 1) // (kills + 2)

        async def so_many_ended(goal: int = goal) -> bool:
            return int(await redis.get("ended") or 0) >= goal

        await until(so_many_ended, within_s=60)
        victim = rng.randrange(2)
        ours[victim].kill()
        ours[victim] = start()

    async def is_drained() -> bool:
        return await redis.zcard("arq:queue:default") == 0

    await until(is_drained, within_s=60)
    results = [await job.result(timeout=1) for job in jobs]
    assert results == list(range(count))
    assert await redis.get("overlaps") is None


async def test_a_mixed_fleet_runs_each_job_of_both_clients_exactly_once(
    shop: ModuleType, start: Start, redis: Redis
) -> None:
    for plain in (False, True, False, True):
        start(plain=plain)
    pool = await shop.registry.arq_pool()
    ours = await shop.registry.enqueue_many(shop.counts.call(number=number) for number in range(500))
    theirs = [await pool.enqueue_job("counts", number) for number in range(500)]

    results = [await job.result(timeout=60) for job in ours]
    plain_results = [await job.result(timeout=60, poll_delay=0.05) for job in theirs]

    assert results == plain_results == list(range(500))
    assert await redis.get("overlaps") is None
    ran = await redis.mget(await redis.keys("ran:*"))
    assert sorted(ran) == [b"1"] * 1_000
    assert [key for key in await redis.keys("arq:*") if key.split(b":")[1] in {b"job", b"in-progress", b"retry"}] == []
    await pool.aclose()
