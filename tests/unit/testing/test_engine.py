"""`testing/engine.py`: an attempt ends as it does on a worker, also where it cannot begin."""

from typing import Any

import pytest

from scalr_tasks import Backoff, BrokerUnavailableError, Context, JobState, Registry, TaskFailedError, current_context
from scalr_tasks.broker.base import NewJob
from scalr_tasks.envelope import new_nonce, write_head
from scalr_tasks.testing.kit import TaskKit
from tests.unit.testing.shop import sell, shop, weigh


async def store(task: str, arguments: bytes, *, version: int = 1) -> None:
    """Store a job as other code than ours would have written it."""
    nonce = new_nonce()
    head = write_head(task, nonce, task_version=version)
    await shop.brokers.broker().enqueue([NewJob("a", task, "arq:queue:default", head, arguments, nonce)])


async def test_arguments_that_do_not_fit_this_code_make_the_job_dead(tasks: TaskKit) -> None:
    await store("sell", b'{"itme":"tea"}')

    assert (await tasks.drain()).dead == 1
    assert tasks.assert_dead(sell, reason="invalid_arguments").number == 1
    with pytest.raises(TaskFailedError, match="itme"):
        await sell.job("a").result()


async def test_a_job_of_newer_code_is_parked(tasks: TaskKit) -> None:
    await store("sell", b'{"item":"tea"}', version=2)

    assert (await tasks.drain()).parked == 1
    assert await sell.job("a").status() is JobState.PARKED
    assert tasks.timeline() == ["+0 s sell attempt 1: parked (newer task version)"]


async def test_a_job_of_an_unknown_task_is_parked(tasks: TaskKit) -> None:
    await store("sel", b"{}")

    await tasks.drain()

    assert tasks.attempts()[0].reason == "unknown task"


async def test_the_context_tells_what_a_worker_would_tell(tasks_inline: TaskKit) -> None:
    seen: dict[str, Any] = {}

    @shop.task(name="look_at_the_context", timeout=60)
    async def look_at_the_context(ctx: Context[Any]) -> None:
        assert current_context() is ctx
        seen.update(
            job_id=ctx.job_id,
            task=ctx.task,
            queue=ctx.queue,
            attempt=ctx.attempt,
            left_s=(ctx.deadline - ctx.enqueued_at).total_seconds(),
        )

    await look_at_the_context.using(job_id="a", queue="bulk").enqueue()

    assert seen == {"job_id": "a", "task": "look_at_the_context", "queue": "bulk", "attempt": 1, "left_s": 60}


async def test_a_body_that_takes_too_long_is_cut_off_in_real_time(tasks: TaskKit) -> None:
    import asyncio

    @shop.task(name="take_too_long", ctx=False, retries=0)
    async def take_too_long() -> None:
        await asyncio.Event().wait()

    job = await take_too_long.using(timeout=0.01).enqueue()
    await tasks.drain()

    with pytest.raises(TaskFailedError, match=r"TimeoutError: took longer than its timeout of 0\.01 s"):
        await job.result()


async def test_a_sync_body_runs_in_a_thread(tasks_inline: TaskKit) -> None:
    import threading

    seen: list[threading.Thread] = []

    @shop.task(name="look_at_the_thread", ctx=False)
    def look_at_the_thread() -> None:
        seen.append(threading.current_thread())

    await look_at_the_thread.enqueue()

    assert seen[0] is not threading.current_thread()


async def test_an_enqueue_of_a_body_is_refused_while_redis_is_down(tasks: TaskKit) -> None:
    refused: list[BaseException] = []

    @shop.task(name="enqueue_in_the_dark", ctx=False)
    async def enqueue_in_the_dark() -> None:
        tasks.redis_down(seconds=5)
        try:
            await weigh.enqueue(1)
        except BrokerUnavailableError as error:
            refused.append(error)

    await enqueue_in_the_dark.enqueue()
    await tasks.drain()

    assert len(refused) == 1


async def test_a_job_that_keeps_no_result_leaves_none(tasks_inline: TaskKit) -> None:
    job = await sell.using(keep_result=0).enqueue("tea")

    assert await job.status() is JobState.NOT_FOUND


async def test_a_cron_task_that_may_not_overlap_skips_its_tick() -> None:
    made = Registry("made")

    @made.task(ctx=False, cron="0 * * * *", overlap="skip", backoff=Backoff(first=5400, max=5400), retries=1)
    async def hourly() -> None:
        raise ValueError("not done")

    with TaskKit([made]) as tasks:
        tasks.clock.set("2026-06-01T00:30Z")
        await tasks.travel(hours=3)

        assert [line.split(" hourly")[0] for line in tasks.timeline()] == ["+1800 s", "+7200 s", "+9000 s"]
