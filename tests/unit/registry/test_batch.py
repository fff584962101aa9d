"""`batch.py`: many calls, few round trips, and what was sent when something fails."""

import asyncio
from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from scalr_tasks import (
    BatchError,
    Call,
    Context,
    InvalidArgumentsError,
    JobIdConflictError,
    MixedRegistriesError,
    Registry,
    RunningLoopError,
    Settings,
    enqueue_many,
    enqueue_many_sync,
)
from scalr_tasks.registry import batch
from scalr_tasks.registry.task import AsyncTask


@pytest.fixture
def send(registry: Registry) -> AsyncTask[[int], None]:
    @registry.task
    async def send(ctx: Context, invoice_id: int) -> None: ...

    return send


async def test_a_generator_is_sent_a_thousand_at_a_time(
    send: AsyncTask[[int], None], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send.using(delay=60).enqueue(0)  # loads the script
    before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]

    jobs = await enqueue_many(send.call(number) for number in range(2_500))

    after = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert await redis.zcard("arq:queue:default") == 2_501
    assert await redis.exists(f"arq:job:{jobs[1_234].job_id}")
    assert after - before == 3


async def test_jobs_come_back_in_order(send: AsyncTask[[int], None]) -> None:
    calls = [send.call(number) for number in range(10)]

    jobs = await enqueue_many(calls)

    assert [job.job_id for job in jobs] == [call.job_id for call in calls]


async def test_no_calls_are_no_jobs(registry: Registry) -> None:
    assert await registry.enqueue_many([]) == []


async def test_large_arguments_make_smaller_chunks(
    send: AsyncTask[[int], None], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "CHUNK_BYTES", 40)
    taken: list[int] = []

    def calls() -> Iterator[Call[None]]:
        for number in range(9):
            taken.append(number)
            yield send.call(number)

    jobs = await enqueue_many(calls())

    assert len(jobs) == len(set(jobs)) == await redis.zcard("arq:queue:default") == 9


async def test_calls_of_two_registries_are_refused_before_anything_is_sent(
    send: AsyncTask[[int], None], redis: Redis, redis_url: str
) -> None:
    async with Registry("other", settings=Settings(redis=redis_url)) as other:

        @other.task
        async def render(ctx: Context) -> None: ...

        with pytest.raises(MixedRegistriesError, match=r"several registries \(app, other\)"):
            await enqueue_many([send.call(1), render.call()])

    assert await redis.keys("*") == []


async def test_a_bad_call_in_the_first_chunk_is_raised_and_nothing_is_sent(
    send: AsyncTask[[int], None], redis: Redis
) -> None:
    with pytest.raises(InvalidArgumentsError):
        await enqueue_many(send.call(number) for number in [1, 2, "3"])  # type: ignore[arg-type]  # what is tested

    assert await redis.keys("*") == []


async def test_a_failure_in_a_later_chunk_tells_what_was_sent(
    send: AsyncTask[[int], None], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "CHUNK_JOBS", 2)
    calls = [send.call(number) for number in range(3)]

    def then_fail() -> Iterator[Call[None]]:
        yield from calls
        raise ValueError("the list ends here")

    with pytest.raises(BatchError, match="2 jobs were sent and at least 1 were not: the list ends here") as caught:
        await enqueue_many(then_fail())

    assert caught.value.sent_job_ids == tuple(call.job_id for call in calls[:2])
    assert isinstance(caught.value.__cause__, ValueError)


async def test_the_same_calls_may_be_sent_again_after_a_failure(
    send: AsyncTask[[int], None], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "CHUNK_JOBS", 2)
    calls = [send.call(number) for number in range(5)]

    def then_fail() -> Iterator[Call[None]]:
        yield from calls[:4]
        raise ValueError("interrupted")

    with pytest.raises(BatchError):
        await enqueue_many(then_fail())

    jobs = await enqueue_many(calls)

    assert len(jobs) == await redis.zcard("arq:queue:default") == 5
    assert not any(job.duplicate for job in jobs)


async def test_a_conflict_is_told_with_the_jobs_beside_it(registry: Registry, send: AsyncTask[[int], None]) -> None:
    @registry.task
    async def render(ctx: Context) -> None: ...

    await render.using(job_id="taken").enqueue()
    first, last = send.call(1), send.call(3)

    with pytest.raises(BatchError) as caught:
        await enqueue_many([first, send.using(job_id="taken").call(2), last])

    assert caught.value.sent_job_ids == (first.job_id, last.job_id)
    assert caught.value.unsent == 1
    assert isinstance(caught.value.__cause__, JobIdConflictError)


async def test_a_conflict_alone_is_raised_as_it_is(registry: Registry, send: AsyncTask[[int], None]) -> None:
    @registry.task
    async def render(ctx: Context) -> None: ...

    await render.using(job_id="taken").enqueue()

    with pytest.raises(JobIdConflictError):
        await enqueue_many([send.using(job_id="taken").call(2)])


def test_without_an_event_loop_they_are_sent_too(threads_registry: Registry) -> None:
    @threads_registry.task
    async def send(ctx: Context, invoice_id: int) -> None: ...

    jobs = enqueue_many_sync(send.call(number) for number in range(1_001))

    assert len(jobs) == 1_001
    asyncio.run(threads_registry.close())


async def test_the_blocking_twin_is_refused_in_an_event_loop(send: AsyncTask[[int], None]) -> None:
    with pytest.raises(RunningLoopError, match=r"enqueue_many_sync would block .*; await enqueue_many\(\.\.\.\)"):
        enqueue_many_sync([send.call(1)])
