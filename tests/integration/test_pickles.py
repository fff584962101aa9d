"""Jobs that plain arq pickled before the move: run where the registry says `read_pickle=True`, else parked."""

import os
import pickle
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from arq.connections import ArqRedis, RedisSettings, create_pool
from redis.asyncio import Redis

from scalr_tasks import JobState, Registry, Settings
from tests.integration.conftest import Command, Run

TASKS = """
from datetime import date

from scalr_tasks import Context, Queue, Registry

registry = Registry("old", queues=[Queue("default", key="arq:queue", poll_delay=0.05)], read_pickle={read})


@registry.task(retries=0)
async def add(ctx: Context, a: int, b: int = 1) -> int:
    return a + b


@registry.task
async def report(ctx: Context, day: date) -> str:
    return day.isoformat()


DefaultSettings = registry.worker_settings()
"""


@pytest.fixture
async def plain(redis_url: str) -> Any:
    """A plain arq client, as the old backend had it."""
    pool = await create_pool(RedisSettings.from_dsn(redis_url))
    yield pool
    await pool.aclose()


@pytest.fixture
async def registry(redis_url: str) -> Any:
    """Reads how jobs ended; it declares nothing."""
    async with Registry("look", settings=Settings(redis=redis_url)) as registry:
        yield registry


def write_app(folder: Path, *, read: bool) -> None:
    (folder / "old.py").write_text(TASKS.format(read=read))


async def test_a_pickled_job_is_validated_and_run_where_the_registry_says_so(
    folder: Path, command: Run, plain: ArqRedis, registry: Registry
) -> None:
    write_app(folder, read=True)
    job = await plain.enqueue_job("add", "20", b=22)
    assert job is not None

    worker = command("worker", "old", "--burst")

    assert worker.wait() == 0
    assert await registry.job(job.job_id).status() is JobState.DONE
    assert await registry.broker().client.get(f"arq:result:{job.job_id}") is not None
    info = await registry.job(job.job_id).info()
    assert info.result is not None
    assert info.result.body == b"42"


async def test_the_compiled_class_reads_it_under_plain_arq_too(
    folder: Path, redis_url: str, plain: ArqRedis, registry: Registry
) -> None:
    write_app(folder, read=True)
    job = await plain.enqueue_job("report", day=date(2026, 11, 1))
    assert job is not None

    worker = Command(folder, redis_url, "-m", "arq", "old.DefaultSettings", "--burst")

    assert worker.wait() == 0
    info = await registry.job(job.job_id).info()
    assert info.result is not None
    assert info.result.body == b'"2026-11-01"'


async def test_without_it_a_pickled_job_is_parked_with_its_bytes(
    folder: Path, command: Run, plain: ArqRedis, registry: Registry, redis: Redis
) -> None:
    write_app(folder, read=False)
    job = await plain.enqueue_job("add", 1)
    assert job is not None
    payload = await redis.get(f"arq:job:{job.job_id}")

    command("worker", "old", "--burst").wait()

    parked = await registry.broker().parked(job.job_id)
    assert parked is not None
    assert (parked.reason, parked.payload) == ("pickle", payload)


async def test_a_pickled_job_that_does_not_fit_is_dead_with_its_bytes_and_may_be_retried(
    folder: Path, command: Run, plain: ArqRedis, registry: Registry
) -> None:
    write_app(folder, read=True)
    job = await plain.enqueue_job("add", "not a number")
    assert job is not None
    command("worker", "old", "--burst").wait()
    dead = await registry.broker().dead(job.job_id)

    back = await registry.broker().revive(job.job_id)

    assert dead is not None
    assert (dead.reason, dead.task) == ("invalid_arguments", "add")
    assert "not a number" not in dead.error.message
    assert pickle.loads(dead.payload)["a"] == ("not a number",)
    assert back.done


async def test_a_pickled_job_of_a_task_that_is_gone_is_parked_by_its_name(
    folder: Path, command: Run, plain: ArqRedis, registry: Registry
) -> None:
    write_app(folder, read=True)
    job = await plain.enqueue_job("gone", 1)
    assert job is not None

    command("worker", "old", "--burst").wait()

    parked = await registry.broker().parked(job.job_id)
    assert parked is not None
    assert (parked.reason, parked.task) == ("unknown task", "gone")


async def test_a_bomb_is_parked_and_the_worker_lives(
    folder: Path, command: Run, plain: ArqRedis, registry: Registry, redis: Redis
) -> None:
    write_app(folder, read=True)
    proof = folder / "gone-off"

    class Bomb:
        def __reduce__(self) -> Any:
            return os.system, (f"touch '{proof}'",)

    await redis.set("arq:job:bomb", pickle.dumps({"t": None, "f": "add", "a": (Bomb(),), "k": {}, "et": 1}))
    await redis.zadd("arq:queue", {"bomb": 1})
    following = await plain.enqueue_job("add", 1)
    assert following is not None

    assert command("worker", "old", "--burst").wait() == 0

    assert not proof.exists()
    assert await registry.job("bomb").status() is JobState.PARKED
    assert await registry.job(following.job_id).status() is JobState.DONE
