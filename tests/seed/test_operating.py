"""Rows U5 to U9, D1 to D4 and F1 to F4 of the page: two processes, looking at them, and what goes wrong."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from scalr_tasks import BrokerRefusedError, Context, JobState, Registry, Settings, SettingsError, TaskFailedError
from scalr_tasks.address import RedisAddress
from scalr_tasks.testing.server import RedisServer
from tests.architecture.source import ROOT
from tests.seed.conftest import Run
from tests.support.servers import OWN
from tests.support.until import until

EXAMPLE = ROOT / "examples" / "invoices"

SEND = """
import asyncio

import scalr_tasks
from src.worker import send_invoice_email


async def main() -> None:
    job = await send_invoice_email.enqueue(invoice_id=5)
    print(job.job_id)
    await scalr_tasks.close()


asyncio.run(main())
"""


# -- two processes -----------------------------------------------------------------------


async def test_u5_two_processes_of_one_source_differ_in_their_command_only(
    app: Any, folder: Path, run: Run, engine: list[str]
) -> None:
    (folder / "src" / "send.py").write_text(SEND)
    backend = run("src.send")
    assert backend.wait() == 0

    worker = run(*engine, "--burst")

    assert worker.wait() == 0
    assert await app.registry.job(backend.output.strip()).result(timeout=1) == "invoice 5 is sent"


@pytest.mark.parametrize(
    "words", [["scalr_tasks.worker"], ["scalr_tasks", "worker"], ["scalr_tasks.cli", "worker"]], ids=" ".join
)
async def test_u6_every_spelling_of_the_worker_takes_the_module(app: Any, run: Run, words: list[str]) -> None:
    job = await app.send_invoice_email.enqueue(invoice_id=1)

    worker = run(*words, "src.worker", "--burst")

    assert worker.wait() == 0
    assert await job.status() is JobState.DONE


def test_u6_without_a_module_the_command_says_so(run: Run) -> None:
    worker = run("scalr_tasks.worker")

    assert worker.wait() == 2
    assert "MODULE" in worker.output
    assert "Traceback" not in worker.output


async def test_u7_both_processes_read_redis_url(app: Any, run: Run, engine: list[str], redis_url: str) -> None:
    job = await app.send_invoice_email.enqueue(invoice_id=1)

    worker = run(*engine, "--burst", REDIS_URL=redis_url.removesuffix("0"))

    assert worker.wait() == 0
    assert await job.status() is JobState.DONE


def test_u7_a_password_is_decoded_and_an_unknown_option_is_an_error() -> None:
    address = RedisAddress.parse("rediss://:p%40ss@scalr-redis:6379/0")
    assert address.password is not None

    with pytest.raises(SettingsError, match="unknown option"):
        RedisAddress.parse("redis://scalr-redis:6379/0?max_conections=5")

    assert address.password.get_secret_value() == "p@ss"
    assert "p@ss" not in repr(address)


def test_u8_a_compose_file_brings_up_both() -> None:
    services = yaml.safe_load((EXAMPLE / "docker-compose.yml").read_text("utf-8"))["services"]
    makefile = (EXAMPLE / "Makefile").read_text("utf-8")

    assert services["worker"]["command"] == ["scalr-tasks", "worker", "app.tasks"]
    assert services["worker"]["image"] == services["backend"]["image"]
    assert re.search(r"^up:.*\n\t@docker compose up ", makefile, re.MULTILINE)


def test_u9_the_worker_tells_the_version_of_redis_when_it_starts(run: Run, engine: list[str]) -> None:
    worker = run(*engine, "--burst", SCALR_TASKS_LOG="text")
    worker.wait()

    assert re.search(r"redis_version=\d+\.\d+\.\d+ |redis    redis://\S+ · \d+\.\d+\.\d+ · noeviction", worker.output)


# -- looking at them ---------------------------------------------------------------------


async def test_d1_the_depth_of_a_queue_can_be_seen(app: Any, run: Run, redis: Redis) -> None:
    for number in range(3):
        await app.send_invoice_email.enqueue(invoice_id=number)

    queues = run("scalr_tasks", "queues", "src.worker", "--json")

    assert queues.wait() == 0
    shown = json.dumps(queues.json)
    assert re.search(r'"ready": 3\b', shown), shown
    assert await redis.zcard("arq:queue:default") == 3
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await redis.llen("arq:queue:default")  # what the old page told: it cannot be, a queue is a sorted set


async def test_d2_a_job_can_be_read_in_redis_and_inspected_after_its_end(
    app: Any, run: Run, engine: list[str], redis: Redis
) -> None:
    job = await app.send_invoice_email.enqueue(invoice_id=41)
    head, arguments = (await redis.get(f"arq:job:{job.job_id}")).decode().split("\n")
    run(*engine, "--burst").wait()

    inspected = run("scalr_tasks", "inspect", job.job_id, "--json")

    assert (json.loads(head)["f"], json.loads(arguments)) == ("send_invoice_email", {"invoice_id": 41})
    assert inspected.wait() == 0
    assert inspected.json["state"] == "done"


async def test_d3_the_check_takes_a_module_and_sees_a_killed_worker_within_15_seconds(
    app: Any, run: Run, redis: Redis
) -> None:
    worker = run("scalr_tasks.worker", "src.worker")

    def passes() -> bool:
        return run("scalr_tasks", "check", "src.worker").wait() == 0

    await until(passes, within_s=30)
    worker.signal(signal.SIGKILL)

    await until(lambda: not passes(), within_s=15)


async def test_d3_arqs_own_check_works_on_the_settings_class(run: Run) -> None:
    assert run("arq", "--check", "src.worker.WorkerSettings").wait() == 1
    run("arq", "src.worker.WorkerSettings")

    def passes() -> bool:
        return run("arq", "--check", "src.worker.WorkerSettings").wait() == 0

    await until(passes, within_s=30)


async def test_d4_log_lines_are_json_that_a_log_store_can_read(app: Any, run: Run) -> None:
    job = await app.send_invoice_email.enqueue(invoice_id=1)

    worker = run("scalr_tasks.worker", "src.worker", "-q", "default", "--burst", SCALR_TASKS_LOG="json")
    worker.wait()

    lines = [json.loads(line) for line in worker.output.splitlines() if line.startswith("{")]
    (done,) = [line for line in lines if line.get("event") == "attempt.succeeded"]
    assert (done["job"], done["task"], done["queue"]) == (job.job_id, "send_invoice_email", "default")


# -- what goes wrong ---------------------------------------------------------------------


async def test_f1_a_worker_that_does_not_run_is_told_by_the_check_and_an_empty_list_by_the_worker(
    app: Any, folder: Path, run: Run
) -> None:
    await app.send_invoice_email.enqueue(invoice_id=1)
    (folder / "src" / "empty.py").write_text("tasks = []\n")

    check, worker = run("scalr_tasks", "check", "src.worker"), run("scalr_tasks.worker", "src.empty")

    assert (check.wait(), worker.wait()) == (1, 2)
    assert "queue default has 1 job and no worker; start one: scalr-tasks worker src.worker -q default" in check.output
    assert "src.empty: its list of tasks is empty; put @task over a function in it" in worker.output


async def test_f2_a_job_that_failed_for_good_is_kept_inspected_and_retried(
    app: Any, run: Run, engine: list[str], redis: Redis
) -> None:
    job = await app.fails.using(retries=0).enqueue()
    run(*engine)
    with pytest.raises(TaskFailedError, match="the mail server said no"):
        await job.result(timeout=30)

    listed = run("scalr_tasks", "dead", "list", "--json")
    listed.wait()
    await redis.set("fixed", 1)
    retried = run("scalr_tasks", "dead", "retry", job.job_id)

    assert job.job_id in listed.output
    assert "the mail server said no" in listed.output
    assert retried.wait() == 0
    assert await job.result(timeout=30) is None


@pytest.fixture
def full_redis() -> Iterator[RedisServer]:
    """A server of its own that takes nothing more, and keeps what it has."""
    with RedisServer(["--maxmemory", "1", "--maxmemory-policy", "noeviction"], environ=OWN) as server:
        yield server


@pytest.fixture
def dropping_redis() -> Iterator[RedisServer]:
    """A server of its own that throws keys away when it is full."""
    with RedisServer(["--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"], environ=OWN) as server:
        yield server


async def test_f3_a_full_redis_refuses_the_enqueue_and_says_what_to_do(full_redis: RedisServer) -> None:
    async with Registry("full", settings=Settings(redis=full_redis.url)) as registry:

        @registry.task
        async def send(ctx: Context) -> None: ...

        with pytest.raises(BrokerRefusedError, match="raise maxmemory, or let workers drain the queues"):
            await send.enqueue()


async def test_f3_a_policy_that_may_drop_jobs_is_warned_of_and_no_job_has_a_ttl(
    app: Any, run: Run, redis: Redis, dropping_redis: RedisServer
) -> None:
    job = await app.send_invoice_email.enqueue(invoice_id=1)

    check = run("scalr_tasks", "check", REDIS_URL=dropping_redis.url)

    check.wait()
    assert "warn" in check.output
    assert "volatile-lru" in check.output
    assert "noeviction" in check.output
    assert await redis.pttl(f"arq:job:{job.job_id}") == -1  # so that a volatile-* policy cannot take it


async def test_f4_slow_jobs_of_one_queue_do_not_block_another_in_the_same_worker(
    app: Any, run: Run, redis: Redis
) -> None:
    slow = [await app.waits_on_bulk.enqueue() for _ in range(3)]
    run("scalr_tasks.worker", "src.worker")
    assert await redis.blpop(["said"], timeout=30) is not None

    quick = await app.send_invoice_email.enqueue(invoice_id=1)

    assert await quick.result(timeout=30) == "invoice 1 is sent"
    states = [await job.status() for job in slow]
    assert sorted(states) == [JobState.QUEUED, JobState.QUEUED, JobState.RUNNING]
