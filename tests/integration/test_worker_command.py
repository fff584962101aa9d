"""`scalr-tasks worker` and its neighbours, as real processes on a real Redis."""

import importlib.util
import json
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from scalr_tasks import JobState, TaskFailedError
from tests.integration.conftest import Run


@pytest.fixture
async def shop(folder: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """The user's module, imported here to enqueue."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    spec = importlib.util.spec_from_file_location("shop_tasks", folder / "shop" / "tasks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "shop_tasks", module)
    spec.loader.exec_module(module)
    yield module
    await module.registry.close()


# -- running -----------------------------------------------------------------------------


async def test_a_burst_drains_all_queues_and_what_their_jobs_enqueue(shop: Any, command: Run) -> None:
    first, second = await shop.add.enqueue(1), await shop.double.enqueue(4)

    worker = command("worker", "shop.tasks", "--burst")

    assert worker.wait() == 0
    assert await first.result(timeout=1) == 2
    assert await second.result(timeout=1) == 4
    assert "✓ double" in worker.stderr
    assert worker.stderr.count("✓ add") == 2


async def test_the_module_form_of_the_command_runs_jobs_too(
    shop: Any, folder: Path, redis_url: str, command: Run
) -> None:
    from tests.integration.conftest import Command

    job = await shop.add.enqueue(1)

    worker = Command(folder, redis_url, "-m", "scalr_tasks.worker", "shop.tasks", "--burst")

    assert worker.wait() == 0
    assert await job.result(timeout=1) == 2


async def test_only_the_queues_asked_for_are_served(shop: Any, command: Run) -> None:
    on_default, on_bulk = await shop.add.enqueue(1), await shop.double.enqueue(4)

    worker = command("worker", "shop.tasks", "-q", "bulk", "--burst")
    worker.wait()

    assert await on_bulk.status() is JobState.DONE
    assert await on_default.status() is JobState.QUEUED


async def test_the_banner_tells_redis_queues_and_typed_tasks_and_no_log_line_tells_arguments(
    shop: Any, command: Run
) -> None:
    await shop.add.enqueue(123456789)

    worker = command("worker", "shop.tasks", "--burst", "--concurrency", "3", SCALR_TASKS_LOG="text")
    worker.wait()

    assert "queues   default ×3   bulk ×3" in worker.stderr
    assert "add(a: int, b: int = 1)" in worker.stderr
    assert "noeviction" in worker.stderr
    assert "123456789" not in worker.stderr
    assert worker.stdout == ""


async def test_log_lines_are_json_where_there_is_no_terminal(shop: Any, command: Run) -> None:
    job = await shop.add.enqueue(1)

    worker = command("worker", "shop.tasks", "--burst")
    worker.wait()

    lines = [json.loads(line) for line in worker.stderr.splitlines() if line.startswith("{")]
    done = next(line for line in lines if line.get("event") == "attempt.succeeded")
    assert (done["job"], done["task"], done["queue"]) == (job.job_id, "add", "default")


# -- stopping ----------------------------------------------------------------------------


async def test_sigterm_lets_running_jobs_end(shop: Any, command: Run, redis: Redis) -> None:
    job = await shop.waits.enqueue()
    worker = command("worker", "shop.tasks")
    assert await redis.blpop(["said"], timeout=20) is not None
    worker.signal()

    await redis.rpush("go on", "now")

    assert worker.wait() == 0
    assert await job.result(timeout=1) == "attempt 1"


async def test_a_second_signal_gives_running_jobs_back_at_once_without_counting_an_attempt(
    shop: Any, command: Run, redis: Redis
) -> None:
    job = await shop.waits.enqueue()
    worker = command("worker", "shop.tasks")
    assert await redis.blpop(["said"], timeout=20) is not None
    worker.signal(signal.SIGINT)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    before = await job.info()

    again = command("worker", "shop.tasks", "--burst")
    assert await redis.blpop(["said"], timeout=20) == (b"said", b"attempt 1")
    await redis.rpush("go on", "now")
    again.wait()

    assert (before.state, before.attempts) == (JobState.QUEUED, 0)
    assert await job.result(timeout=1) == "attempt 1"


# -- what can be wrong -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["shop.taks"], "shop.taks: there is no such module; did you mean 'shop.tasks'?"),
        (["shpo.tasks"], "did you mean 'shop.tasks'?"),
        (["shop"], "shop: declares no task; did you mean 'shop.tasks'?"),
        (["shop.tasks:registri"], "is no Registry; did you mean 'registry'?"),
        (["shop.tasks", "-q", "bluk"], "declares no queue 'bluk'; did you mean 'bulk'?"),
    ],
)
def test_a_wrong_module_or_queue_is_one_line_with_the_nearest_name_and_exit_2(
    command: Run, words: list[str], says: str
) -> None:
    worker = command("worker", *words)

    assert worker.wait() == 2
    assert says in worker.stderr
    assert len(worker.stderr.splitlines()) == 1


def test_a_module_that_cannot_be_imported_says_where_in_one_line(command: Run, folder: Path) -> None:
    (folder / "broken.py").write_text("import scalr_tasks\n\nraise ValueError('no config')\n")

    worker = command("worker", "broken")

    assert worker.wait() == 2
    assert "broken: cannot be imported: ValueError: no config at" in worker.stderr
    assert "broken.py:3" in worker.stderr
    assert len(worker.stderr.splitlines()) == 1


def test_several_registries_in_a_module_are_listed(command: Run, folder: Path) -> None:
    (folder / "two.py").write_text("from scalr_tasks import Registry\nfirst = Registry('a')\nsecond = Registry('b')\n")

    worker = command("worker", "two")

    assert worker.wait() == 2
    assert "holds several registries: first, second; say which: two:first" in worker.stderr


def test_redis_away_at_the_start_is_one_line_after_a_few_tries_and_exit_4(command: Run) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    worker = command("worker", "shop.tasks", redis_url=f"redis://:s3cret@127.0.0.1:{port}/0", SCALR_TASKS_LOG="text")

    assert worker.wait() == 4
    lines = worker.stderr.splitlines()
    assert lines[-1].startswith(f"BrokerUnavailableError [ST301]: redis://127.0.0.1:{port}/0 did not answer")
    assert "Traceback" not in worker.stderr
    assert "s3cret" not in worker.stderr


async def test_a_redis_that_may_drop_jobs_is_warned_of(command: Run, redis: Redis) -> None:
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        worker = command("worker", "shop.tasks", "--burst", SCALR_TASKS_LOG="text")
        worker.wait()
    finally:
        await redis.config_set("maxmemory-policy", "noeviction")

    assert "maxmemory-policy is allkeys-lru, set it to noeviction" in worker.stderr


# -- dead and parked ---------------------------------------------------------------------


async def test_a_dead_job_is_listed_retried_by_command_and_done(shop: Any, command: Run, redis: Redis) -> None:
    job = await shop.fails.enqueue()
    command("worker", "shop.tasks", "--burst").wait()
    with pytest.raises(TaskFailedError):
        await job.result(timeout=1)

    listed = command("dead", "list")
    assert listed.wait() == 0
    await redis.set("fixed", 1)
    retried = command("dead", "retry", job.job_id)
    assert retried.wait() == 0
    command("worker", "shop.tasks", "--burst").wait()

    assert job.job_id in listed.stdout
    assert "ValueError: it is broken" in listed.stdout
    assert await job.result(timeout=1) is None


def test_retrying_a_job_that_is_not_dead_exits_3(command: Run) -> None:
    retried = command("dead", "retry", "nobody")

    assert retried.wait() == 3
    assert "no job 'nobody' is dead" in retried.stderr


async def test_parked_jobs_are_listed_with_the_reason(command: Run, redis: Redis) -> None:
    await redis.set("arq:job:odd", b"\x00\xff")
    await redis.zadd("arq:queue:default", {"odd": 1})
    command("worker", "shop.tasks", "--burst").wait()

    listed = command("parked", "list", "--json")
    listed.wait()

    (row,) = json.loads(listed.stdout)
    assert (row["job"], row["reason"], row["bytes"]) == ("odd", "unreadable", 2)


def test_a_misspelled_verb_names_the_nearest(command: Run) -> None:
    wrong = command("wroker")

    assert wrong.wait() == 2
    assert "no command 'wroker'; did you mean 'worker'?" in wrong.stderr
