"""The memory broker beyond the conformance suite: its clock, how it waits."""

import asyncio

import pytest

from scalr_tasks.broker.base import Broker, PutBack
from scalr_tasks.broker.memory import MemoryBroker
from scalr_tasks.state import JobState
from scalr_tasks.testing.conformance_harness import KEEP_MS, QUEUE, dead_of, new_job, record_of, soon
from tests.support.hand_clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def broker(clock: HandClock) -> MemoryBroker:
    return MemoryBroker(clock)


def test_it_satisfies_the_protocol() -> None:
    broker: Broker = MemoryBroker()

    assert broker is not None


# -- time --------------------------------------------------------------------------------


async def test_nothing_changes_while_the_clock_stands_still(broker: MemoryBroker) -> None:
    await broker.enqueue([new_job("inv-1", delay_ms=1)])

    with pytest.raises(TimeoutError):
        await broker.wait_ended("inv-1", 0.01)

    assert (await broker.info("inv-1", [QUEUE])).state is JobState.DEFERRED


async def test_a_job_is_due_at_its_millisecond(broker: MemoryBroker, clock: HandClock) -> None:
    await broker.enqueue([new_job("inv-1", delay_ms=60_000)])

    clock.move(59_999)
    before = (await broker.info("inv-1", [QUEUE])).state
    clock.move(1)

    assert before is JobState.DEFERRED
    assert (await broker.info("inv-1", [QUEUE])).state is JobState.QUEUED


async def test_a_result_is_gone_when_it_was_kept_as_long_as_was_said(broker: MemoryBroker, clock: HandClock) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    await broker.finish("inv-1", record_of(job), KEEP_MS)

    clock.move(KEEP_MS - 1)
    before = (await broker.info("inv-1", [QUEUE])).state
    clock.move(1)

    assert before is JobState.DONE
    assert (await broker.info("inv-1", [QUEUE])).state is JobState.NOT_FOUND


# -- waiting -----------------------------------------------------------------------------


async def test_a_revival_answers_that_the_job_runs_where_its_last_attempt_does_not_end(clock: HandClock) -> None:
    broker = MemoryBroker(clock, dying_s=0.01)
    job = new_job("inv-1")
    await broker.enqueue([job])
    await broker.claim("inv-1", 60_000)
    await broker.bury(dead_of(job))

    answer = await broker.revive("inv-1")

    assert answer == PutBack(done=False, state=JobState.RUNNING)
    assert await broker.dead("inv-1") is not None


async def test_a_claim_that_lapses_by_the_clock_is_seen_by_who_waits(broker: MemoryBroker, clock: HandClock) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    await broker.claim("inv-1", 60_000)
    await broker.park("inv-1", QUEUE, reason="unknown task", task="add", version=1)
    requeuing = asyncio.create_task(broker.requeue_parked("inv-1"))
    await asyncio.sleep(0)

    clock.move(60_000)

    assert await soon(requeuing) == PutBack(done=True, state=JobState.QUEUED)


async def test_who_stopped_waiting_leaves_nothing_behind(broker: MemoryBroker) -> None:
    await broker.enqueue([new_job("inv-1")])

    with pytest.raises(TimeoutError):
        await broker.wait_ended("inv-1", 0.01)

    assert broker._watchers._events == {}


def test_one_event_loop_after_another_may_use_it() -> None:
    broker, job = MemoryBroker(HandClock()), new_job("inv-1")

    async def wait_while_another_finishes() -> object:
        await broker.enqueue([job])
        waiter = asyncio.create_task(broker.wait_ended("inv-1", 5))
        await asyncio.sleep(0)
        await broker.finish("inv-1", record_of(job), 1_000)
        return await waiter

    first = asyncio.run(wait_while_another_finishes())
    second = asyncio.run(broker.wait_ended("inv-1", 0))

    assert first == second == record_of(job)


async def test_closing_forgets_nothing(broker: MemoryBroker) -> None:
    await broker.enqueue([new_job("inv-1")])

    await broker.close()

    assert (await broker.info("inv-1", [QUEUE])).state is JobState.QUEUED
