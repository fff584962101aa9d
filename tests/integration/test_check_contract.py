"""`lock`, `check --lock` and `check --queued`: what a CI job runs before a deploy."""

import json
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from scalr_tasks import Registry, Settings
from scalr_tasks.registry.call import Call
from tests.integration.conftest import Run
from tests.support.jobs import snapshot

JOBS = 10_000

OLD = """
from scalr_tasks import Context, Queue, Registry

registry = Registry("shop", queues=[Queue("default"), Queue("bulk")])


@registry.task
async def add(ctx: Context, a: int, b: int = 1) -> int:
    return a + b


@registry.task(queue="bulk")
async def double(ctx: Context, number: int) -> int:
    return number
"""


def rewrite(folder: Path, source: str) -> None:
    (folder / "shop" / "tasks.py").write_text(source)


def test_a_lock_file_is_written_and_the_same_code_passes(command: Run, folder: Path) -> None:
    rewrite(folder, OLD)
    assert command("lock", "shop.tasks").wait() == 0

    checked = command("check", "shop.tasks", "--lock")

    assert checked.wait() == 0, checked.stderr
    assert "tasks.lock.json: the tasks are what it says" in checked.stdout
    assert list(json.loads((folder / "tasks.lock.json").read_text())["tasks"]) == ["add", "double"]


def test_a_breaking_change_fails_and_a_safe_one_is_told(command: Run, folder: Path) -> None:
    rewrite(folder, OLD)
    assert command("lock", "shop.tasks").wait() == 0
    rewrite(folder, OLD.replace("number: int)", "count: int)").replace("b: int = 1", "b: int | None = 1"))

    checked = command("check", "shop.tasks", "--lock", "tasks.lock.json", "--json")

    assert checked.wait() == 1
    assert [(line["level"], line["text"]) for line in json.loads(checked.stdout)] == [
        ("ok", "safe: add: argument 'b' was widened from int to int | None"),
        ("error", "breaking: double: argument 'number' was renamed to 'count'"),
    ]


def test_a_safe_change_alone_passes(command: Run, folder: Path) -> None:
    rewrite(folder, OLD)
    assert command("lock", "shop.tasks").wait() == 0
    rewrite(folder, OLD.replace("b: int = 1", "b: int = 1, c: str = ''"))

    checked = command("check", "shop.tasks", "--lock")

    assert checked.wait() == 0
    assert "a new optional argument 'c'" in checked.stdout


def test_a_lock_file_that_is_not_there_is_wrong_usage(command: Run, folder: Path) -> None:
    checked = command("check", "shop.tasks", "--lock")

    assert checked.wait() == 2
    assert "scalr-tasks lock MODULE" in checked.stderr


async def fill(redis_url: str) -> list[str]:
    """Queue 10,000 jobs as an older version of the code did; the ids of the three that the new code cannot run."""
    async with Registry[Any, str]("old", settings=Settings(redis=redis_url)) as old:

        @old.task(ctx=False)
        async def add(a: int, b: int | str = 1) -> int: ...

        @old.task(ctx=False)
        async def forgotten() -> None: ...

        @old.task(ctx=False, name="double", version=7)
        async def newer(number: int) -> int: ...

        calls: list[Call[Any]] = [add.call(a=number) for number in range(JOBS - 3 - 100)]
        calls += [add.using(delay=3600).call(a=number) for number in range(100)]
        calls.insert(5000, add.using(job_id="text").call(a=1, b="secret"))
        calls.insert(7000, forgotten.using(job_id="forgotten", delay=60).call())
        calls.append(newer.using(job_id="newer").call(number=1))
        await old.enqueue_many(calls)
    return ["text", "forgotten", "newer"]


async def test_of_10000_queued_jobs_exactly_the_three_that_do_not_fit_are_named_and_nothing_changes(
    command: Run, folder: Path, redis_url: str, redis: Redis
) -> None:
    rewrite(folder, OLD)
    misfits = await fill(redis_url)
    before = await snapshot(redis)

    checked = command("check", "shop.tasks", "--queued", "--json")

    assert checked.wait(60) == 1, checked.stderr
    *named, total = [line["text"] for line in json.loads(checked.stdout)]
    assert sorted(named) == [
        "job forgotten of task 'forgotten' on 'default': unknown task",
        "job newer of task 'double' on 'default': newer task version",
        "job text of task 'add' on 'default': b: should be a valid integer, got str",
    ]
    assert total == "shop: 10000 queued jobs were looked at, 3 of them do not fit this code"
    assert await snapshot(redis) == before
    assert len(misfits) == len(named)
    assert "secret" not in checked.stdout


async def test_queued_jobs_that_all_fit_pass(command: Run, folder: Path, redis_url: str) -> None:
    rewrite(folder, OLD)
    async with Registry[Any, str]("old", settings=Settings(redis=redis_url)) as old:

        @old.task(ctx=False)
        async def add(a: int) -> int: ...

        await old.enqueue_many(add.call(a=number) for number in range(300))

    checked = command("check", "shop.tasks", "--queued")

    assert checked.wait() == 0, checked.stderr
    assert "shop: 300 queued jobs were looked at, 0 of them do not fit this code" in checked.stdout


async def test_a_queued_job_of_an_older_version_fits_through_its_upgrade(
    command: Run, folder: Path, redis_url: str
) -> None:
    source = OLD.replace("import Context", "import Call, Context")
    source = source.replace("@registry.task\n", "@registry.task(version=2)\n").replace("a: int,", "first: int,")
    upgrade = (
        "@add.upgrade(from_version=1)\ndef old(a: int, b: int = 1) -> Call[int]:\n    return add.call(first=a, b=b)\n"
    )
    rewrite(folder, f"{source.replace('return a + b', 'return first + b')}\n\n{upgrade}")
    async with Registry[Any, str]("old", settings=Settings(redis=redis_url)) as old:

        @old.task(ctx=False)
        async def add(a: int) -> int: ...

        job = await add.enqueue(a=41)

        checked = command("check", "shop.tasks", "--queued")
        assert checked.wait() == 0, checked.stdout + checked.stderr
        worker = command("worker", "shop.tasks", "--burst")

        assert await job.result(timeout=30) == 42
        assert worker.wait() == 0


@pytest.mark.parametrize("option", ["--lock", "--queued"])
def test_the_gates_need_a_module(command: Run, option: str) -> None:
    checked = command("check", option)

    assert checked.wait() == 2
    assert f"{option} needs a MODULE" in checked.stderr


def test_the_schema_and_the_asyncapi_document_are_written(command: Run, folder: Path) -> None:
    rewrite(folder, OLD)
    schema, asyncapi = command("tasks", "shop.tasks", "--schema"), command("tasks", "shop.tasks", "--asyncapi")

    assert (schema.wait(), asyncapi.wait()) == (0, 0)

    assert json.loads(schema.stdout)["tasks"]["double"]["arguments"]["required"] == ["number"]
    assert json.loads(asyncapi.stdout)["channels"]["bulk"]["address"] == "arq:queue:bulk"
