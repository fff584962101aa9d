"""`scalr-tasks check` against real workers, and workers that are gone."""

import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from scalr_tasks.broker.health import Health
from scalr_tasks.clock import SYSTEM_CLOCK
from tests.integration.conftest import Command, Run
from tests.support.until import until

SERVED = {"arq:queue:default", "arq:queue:bulk"}


@pytest.fixture(autouse=True)
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "s"
    monkeypatch.setenv("SCALR_TASKS_SOCKET_DIR", str(folder))
    return folder


@pytest.fixture
def seen(redis: Redis, redis_url: str) -> Callable[[], Awaitable[set[str]]]:
    """The keys of the queues that living workers serve."""
    health = Health(redis, url=redis_url)

    async def served() -> set[str]:
        return {queue.key for worker in (await health.overview()).workers for queue in worker.said.queues}

    return served


@pytest.fixture
async def worker(command: Run, seen: Callable[[], Awaitable[set[str]]]) -> Command:
    """A worker of both queues that has said so."""
    started = command("worker", "shop.tasks")

    async def is_seen() -> bool:
        assert started.process.poll() is None, started.process.communicate()
        return await seen() == SERVED

    await until(is_seen, within_s=20)
    return started


async def test_a_queue_of_the_module_that_no_worker_serves_is_an_error_even_an_empty_one(command: Run) -> None:
    check = command("check", "shop.tasks")

    assert check.wait() == 1
    assert "ok   shop: 4 tasks on default, bulk" in check.stdout
    start = "no worker; start one: scalr-tasks worker shop.tasks -q"
    assert f"FAIL queue default has no jobs and {start} default" in check.stdout
    assert f"FAIL queue bulk has no jobs and {start} bulk" in check.stdout


async def test_a_worker_of_every_queue_makes_the_check_pass(worker: Command, command: Run) -> None:
    check = command("check", "shop.tasks")

    assert check.wait() == 0
    assert [line[:5] for line in check.stdout.splitlines()] == ["ok   "] * 5
    assert f"pid {worker.process.pid} beat" in check.stdout
    assert "queue default has no jobs and 1 worker" in check.stdout


async def test_a_kill_of_the_only_worker_makes_the_check_fail_within_15_seconds(
    worker: Command, command: Run, seen: Callable[[], Awaitable[set[str]]]
) -> None:
    worker.signal(signal.SIGKILL)
    worker.wait()
    killed_s = SYSTEM_CLOCK.monotonic_s()
    await until(lambda: _is_empty(seen), within_s=13)

    check = command("check", "shop.tasks")

    assert check.wait() == 1
    assert SYSTEM_CLOCK.monotonic_s() - killed_s < 15
    assert check.stdout.count("FAIL") == 2


async def test_a_worker_that_stops_in_order_is_gone_at_once(
    worker: Command, seen: Callable[[], Awaitable[set[str]]], sockets: Path
) -> None:
    worker.signal()

    assert worker.wait() == 0
    assert await seen() == set()
    assert list(sockets.iterdir()) == []


async def test_an_error_of_a_declaration_does_not_keep_redis_and_workers_from_being_looked_at(
    command: Run, folder: Path
) -> None:
    (folder / "broken.py").write_text(
        "from scalr_tasks import Context, Registry\nregistry = Registry('b')\n\n"
        "@registry.task(retries=-1)\nasync def wrong(ctx: Context) -> None: ...\n\n"
        "@registry.task\nasync def right(ctx: Context) -> None: ...\n"
    )

    check = command("check", "broken", "--json")

    assert check.wait() == 1
    lines = json.loads(check.stdout)
    assert [(line["part"], line["level"]) for line in lines] == [
        ("definitions", "error"),
        ("redis", "ok"),
        ("workers", "error"),
    ]


async def test_redis_away_is_one_failure_and_exit_1(command: Run) -> None:
    check = command("check", redis_url="redis://:s3cret@127.0.0.1:1/0")

    assert check.wait() == 1
    assert check.stdout.startswith("FAIL [ST301] redis://127.0.0.1:1/0 did not answer")
    assert len(check.stdout.splitlines()) == 1
    assert "s3cret" not in check.stdout + check.stderr


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://cache:6379/0", "REDIS_URL"),
        ("redis://cache:6379/0?ssl_cert=x", "REDIS_URL"),
    ],
)
async def test_a_wrong_url_is_one_line_and_exit_2(command: Run, url: str, says: str) -> None:
    check = command("check", redis_url=url)

    assert check.wait() == 2
    assert check.stderr.startswith("SettingsError [ST303]: ")
    assert says in check.stderr
    assert len(check.stderr.splitlines()) == 1


async def test_a_policy_that_may_drop_jobs_is_a_warning_and_leaves_exit_0(command: Run, redis: Redis) -> None:
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        check = command("check")
        status = check.wait()
    finally:
        await redis.config_set("maxmemory-policy", "noeviction")

    assert status == 0
    assert "warn maxmemory-policy is allkeys-lru" in check.stdout


async def test_a_server_that_refuses_info_is_no_error(command: Run, redis: Redis, redis_url: str) -> None:
    await redis.acl_setuser(
        "app", enabled=True, passwords=["+p%@ss"], keys=["*"], channels=["*"], commands=["+@all", "-info"]
    )
    try:
        check = command("check", redis_url=redis_url.replace("redis://", "redis://app:p%25%40ss@"))
        status = check.wait()
    finally:
        await redis.acl_deluser("app")

    assert status == 0
    assert "it does not tell its version, since it refuses INFO" in check.stdout


# -- --self ------------------------------------------------------------------------------


async def test_self_passes_while_a_worker_of_this_folder_answers(worker: Command, command: Run) -> None:
    check = command("check", "--self", redis_url="redis://127.0.0.1:1/0")

    assert check.wait() == 0
    assert check.stdout == f"ok   worker pid {worker.process.pid} answers\n"


async def test_self_fails_where_the_event_loop_does_not_turn(worker: Command, command: Run) -> None:
    worker.signal(signal.SIGSTOP)

    check = command("check", "--self")

    assert check.wait() == 1
    assert f"FAIL worker pid {worker.process.pid} did not answer for 2 s" in check.stdout


async def test_self_fails_and_clears_up_where_the_only_worker_was_killed(
    worker: Command, command: Run, sockets: Path
) -> None:
    worker.signal(signal.SIGKILL)
    worker.wait()
    left_behind = [path.name for path in sockets.iterdir()]

    check = command("check", "--self")

    assert check.wait() == 1
    assert f"FAIL no worker has a socket in {sockets}" in check.stdout
    assert left_behind == [f"{worker.process.pid}.sock"]
    assert list(sockets.iterdir()) == []


async def _is_empty(seen: Callable[[], Awaitable[set[str]]]) -> bool:
    return not await seen()
