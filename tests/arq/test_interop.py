"""Plain arq clients beside us: they write what we read, and read what we write, with the registry's codec."""

import asyncio
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import Job as ArqJob
from arq.jobs import JobStatus, SerializationError
from redis.asyncio import Redis

from scalr_tasks import InvalidArgumentsError, JobExpiredError, TaskFailedError, UnknownTaskError
from tests.arq.conftest import Said, StartArq


@pytest.fixture
async def pool(app: Any) -> Any:
    pool = await app.registry.arq_pool()
    yield pool
    await pool.aclose()


async def test_a_plain_client_with_our_codec_enqueues_positional_arguments_by_signature(
    app: Any, pool: ArqRedis, arq_cli: StartArq, redis: Redis
) -> None:
    job = await pool.enqueue_job("add", 1, b=2)
    assert job is not None
    payload = await redis.get(f"arq:job:{job.job_id}")

    arq_cli("tests.arq.app.DefaultSettings", "--burst").wait()

    assert payload.endswith(b'\n{"a":1,"b":2}')
    assert await job.result(timeout=1, poll_delay=0.01) == 3
    assert await app.add.job(job.job_id).result(timeout=1) == 3


async def test_a_plain_client_is_refused_a_misspelled_name_and_a_wrong_argument(pool: ArqRedis, redis: Redis) -> None:
    with pytest.raises(SerializationError) as misspelled:
        await pool.enqueue_job("ad", 1)
    with pytest.raises(SerializationError) as wrong:
        await pool.enqueue_job("add", "one")

    assert isinstance(misspelled.value.__cause__, UnknownTaskError)
    assert isinstance(wrong.value.__cause__, InvalidArgumentsError)
    assert not await redis.keys("arq:*")


async def test_a_plain_client_reads_how_our_jobs_ended(app: Any, pool: ArqRedis, arq_cli: StartArq) -> None:
    dead = await app.gives_up.enqueue()
    expired = await app.add.using(delay=0.1, expires=0.01).enqueue(1)
    done = await app.add.enqueue(1)

    arq_cli("tests.arq.app.DefaultSettings", "--burst").wait()

    def plain(job: Any) -> ArqJob:
        return ArqJob(job.job_id, pool, _queue_name="arq:queue:default", _deserializer=pool.job_deserializer)

    assert await plain(done).result(timeout=1) == 2
    assert await plain(done).status() is JobStatus.complete
    with pytest.raises(TaskFailedError, match="the customer is gone"):
        await plain(dead).result(timeout=1)
    with pytest.raises(JobExpiredError):
        await plain(expired).result(timeout=1)
    assert {result.function for result in await pool.all_job_results()} == {"add", "gives_up"}


async def test_a_plain_client_aborts_a_running_job(app: Any, pool: ArqRedis, arq_cli: StartArq, said: Said) -> None:
    job = await app.runs_until_told.enqueue()
    arq = arq_cli()
    await said.until("runs_until_told")

    plain = ArqJob(job.job_id, pool, _queue_name="arq:queue:default", _deserializer=pool.job_deserializer)
    aborted = await plain.abort(timeout=10, poll_delay=0.05)
    arq.stop()

    assert aborted
    with pytest.raises(asyncio.CancelledError):
        await plain.result(timeout=1)


async def test_a_plain_client_lists_our_waiting_jobs_and_their_repr_hides_values(app: Any, pool: ArqRedis) -> None:
    await app.add.enqueue(123456789)

    (definition,) = await pool.queued_jobs(queue_name="arq:queue:default")

    assert definition.function == "add"
    assert definition.kwargs == {"a": 123456789}
    assert "123456789" not in repr(definition)


async def test_arqs_own_log_lines_show_no_argument_and_no_result(app: Any, arq_cli: StartArq) -> None:
    await app.add.enqueue(123456788)

    arq = arq_cli("tests.arq.app.DefaultSettings", "--burst")
    arq.wait()

    assert ":add(…)" in arq.output
    assert "123456788" not in arq.output
    assert "123456789" not in arq.output


async def test_a_failing_lifespan_stops_the_arq_worker(arq_cli: StartArq) -> None:
    arq = arq_cli("tests.arq.broken_app.DefaultSettings")

    assert arq.wait() != 0
    assert "no database" in arq.output


async def test_a_redis_password_is_not_in_the_repr_of_the_compiled_settings() -> None:
    from scalr_tasks.registry.compile import arq_redis_settings
    from scalr_tasks.settings import Settings

    settings = arq_redis_settings(Settings(redis="redis://user:s3cret@host:7000/3"))

    assert settings.password == "s3cret"
    assert "s3cret" not in repr(settings)
