"""Signs of life of a plain `arq` worker: heartbeat, socket, and `arq --check`."""

import signal
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from scalr_tasks.broker.health import Health
from scalr_tasks.registry.pulse import Pulse, ask
from tests.arq.conftest import Said, StartArq
from tests.support.until import until


@pytest.fixture(autouse=True)
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SCALR_TASKS_SOCKET_DIR", str(tmp_path))
    return tmp_path


async def test_a_plain_arq_worker_beats_answers_and_takes_both_signs_away_when_it_stops(
    app: Any, arq_cli: StartArq, said: Said, redis: Redis, redis_url: str, sockets: Path
) -> None:
    health = Health(redis, url=redis_url)
    job = await app.runs_until_told.enqueue()
    arq = arq_cli()
    await said.until("runs_until_told")
    await until(lambda: _says_that_it_runs_one(health), within_s=10)  # with its second beat
    (worker,) = (await health.overview()).workers
    pulses = ask(sockets)

    await redis.rpush("go on", "now")
    arq.stop()

    (queue,) = worker.said.queues
    assert worker.said.pid == arq.process.pid
    assert (queue.name, queue.slots, queue.key) == ("default", 10, "arq:queue:default")
    assert queue.jobs == (job.job_id,)
    assert pulses == [Pulse(arq.process.pid, answers=True)]
    assert (await health.overview()).workers == ()
    assert list(sockets.iterdir()) == []
    assert await job.result(timeout=1) == "attempt 1"


async def test_arqs_own_check_passes_while_a_worker_lives_and_fails_seconds_after_it_was_killed(
    app: Any, arq_cli: StartArq, said: Said, redis: Redis
) -> None:
    await app.runs_until_told.enqueue()
    arq = arq_cli()
    await said.until("runs_until_told")

    living = arq_cli("tests.arq.app.DefaultSettings", "--check").wait()
    arq.stop(signal.SIGKILL)
    await until(lambda: _gone(redis, "arq:queue:default:health-check"), within_s=8)
    killed = arq_cli("tests.arq.app.DefaultSettings", "--check").wait()

    assert (living, killed) == (0, 1)


async def _says_that_it_runs_one(health: Health) -> bool:
    return any(queue.running == 1 for worker in (await health.overview()).workers for queue in worker.said.queues)


async def _gone(redis: Redis, key: str) -> bool:
    return not await redis.exists(key)
