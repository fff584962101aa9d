"""The fixtures for integration tests: a real Redis, a real worker."""

from redis import Redis

from scalr_tasks.testing.server import URL_VARIABLE, RedisServer
from tests.testing.runs import Project

TESTS = """\
import pytest
from app import greet, registry
from redis import Redis


async def test_a_job_runs(worker):
    async with worker(registry):
        job = await greet.enqueue("anna")
        assert await job.result(timeout=20) == "hello anna"


@pytest.mark.parametrize("number", [1, 2])
async def test_each_test_has_an_empty_database(redis_url, number):
    assert Redis.from_url(redis_url).dbsize() == 0
    job = await greet.using(job_id="the same").enqueue("anna")
    assert not job.duplicate


def test_blocking_calls_go_there_too(redis_url):
    assert str(greet.enqueue_sync("anna").status_sync()) == "queued"


async def test_the_kit_still_stays_in_memory(redis_url, tasks):
    await greet.enqueue("anna")
    assert Redis.from_url(redis_url).dbsize() == 0
    tasks.assert_enqueued(greet)


async def test_a_worker_without_a_registry(worker):
    with pytest.raises(ValueError, match="without a registry"):
        async with worker():
            pass
"""
INI = "asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function"


def test_a_real_redis_and_a_real_worker_are_a_parameter_away(project: Project) -> None:
    project.write("test_app.py", TESTS)

    run = project.run(ini=INI + "\nfilterwarnings =\n    error\n    ignore::ResourceWarning")

    assert run.outcomes() == "6 passed", run.output


def test_a_database_that_is_not_empty_is_left_alone(project: Project) -> None:
    project.write("test_app.py", "def test_it(redis_url): ...\n")
    with RedisServer(environ={}) as server, Redis.from_url(server.url) as client:
        client.set("precious", "1")

        run = project.run(ini=INI, environ={URL_VARIABLE: server.url})

        assert "the database for the tests is not empty" in run.output
        assert client.get("precious") == b"1"
