"""The fixtures work under every way to write an async test, and without one."""

import pytest

from tests.testing.runs import Project

ASYNC_TESTS = """\
import pytest
from app import greet
{mark}

async def test_recorded(tasks):
    await greet.enqueue("anna")
    tasks.assert_enqueued(greet.call("anna"), times=1)


async def test_drained(tasks):
    job = await greet.using(delay=60).enqueue("anna")
    assert (await tasks.travel(minutes=2)).succeeded == 1
    assert await job.result() == "hello anna"


async def test_inline(tasks_inline):
    job = await greet.enqueue("anna")
    assert await job.result() == "hello anna"


def test_without_a_loop(tasks_inline):
    assert greet.enqueue_sync("anna").result_sync() == "hello anna"


{fixture}
async def enqueued(tasks):
    return await greet.enqueue("anna")


async def test_an_async_fixture_shares_the_kit(tasks, enqueued):
    await tasks.drain()
    assert await enqueued.result() == "hello anna"
"""

WAYS = {
    "asyncio strict": (
        "import pytest_asyncio\npytestmark = pytest.mark.asyncio",
        "@pytest_asyncio.fixture",
        "asyncio_mode = strict",
        (),
    ),
    "asyncio auto": ("", "@pytest.fixture", "asyncio_mode = auto", ()),
    "anyio": (
        "pytestmark = pytest.mark.anyio\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'",
        "@pytest.fixture",
        "",
        ("-p", "no:asyncio"),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_fixtures_work_under(project: Project, way: str) -> None:
    mark, fixture, ini, arguments = WAYS[way]
    project.write("test_app.py", ASYNC_TESTS.format(mark=mark, fixture=fixture))

    # A sync test that is marked asyncio is only warned of.
    run = project.run(*arguments, "-W", "ignore::pytest.PytestWarning", ini=ini)

    assert run.outcomes().startswith("5 passed"), run.output


def test_sync_tests_need_no_plugin_at_all(project: Project) -> None:
    project.write(
        "test_app.py",
        """\
import asyncio
from app import greet


def test_everything(tasks):
    job = greet.enqueue_sync("anna")
    assert tasks.drain_sync().succeeded == 1
    assert job.result_sync() == "hello anna"
    assert tasks.run_one_sync(greet.call("otto")) == "hello otto"
    greet.using(delay=60).enqueue_sync("eva")
    assert tasks.travel_sync(minutes=1).succeeded == 1


def test_a_loop_of_the_test_itself(tasks):
    async def main():
        await greet.enqueue("anna")
        return await tasks.drain()

    assert asyncio.run(main()).succeeded == 1
""",
    )

    run = project.run("-p", "no:asyncio", "-p", "no:anyio")

    assert run.outcomes() == "2 passed", run.output


def test_each_test_begins_empty_also_on_several_processes(project: Project) -> None:
    project.write(
        "test_app.py",
        """\
import pytest
from app import greet


@pytest.mark.parametrize("number", range(12))
def test_only_its_own(tasks, number):
    tasks.assert_nothing_enqueued()
    greet.using(job_id="the same").enqueue_sync(str(number))
    assert tasks.only(greet).arguments.name == str(number)
""",
    )

    run = project.run("-n", "2")

    assert run.outcomes() == "12 passed", run.output


def test_the_registries_are_narrowed_by_overriding_a_fixture(project: Project) -> None:
    project.write(
        "test_app.py",
        """\
import pytest
from app import greet, registry
from scalr_tasks import Registry

other = Registry("other")


@other.task(ctx=False)
async def elsewhere() -> None: ...


@pytest.fixture
def tasks_registries():
    return [registry]


def test_covered(tasks):
    greet.enqueue_sync("anna")


def test_not_covered(tasks):
    elsewhere.enqueue_sync()
""",
    )

    run = project.run()

    assert run.outcomes() == "1 failed, 1 passed"
    assert "registry 'other' is not among those that this test covers ('app')" in run.output


def test_the_plugin_loads_nothing_heavy_where_it_is_not_used(project: Project) -> None:
    project.write(
        "test_nothing.py",
        "import sys\n\ndef test_light():\n"
        "    assert {'pydantic', 'redis', 'arq', 'cronsim', 'asyncio.runners'} & set(sys.modules) <= {'asyncio.runners'}\n",
    )

    run = project.run("-p", "no:asyncio", "-p", "no:anyio", "-p", "no:xdist")

    assert run.outcomes() == "1 passed", run.output
