"""What an engine asks of the memory broker."""

import pytest

from scalr_tasks.broker.memory import MemoryBroker
from scalr_tasks.broker.memory_engine import Due
from scalr_tasks.state import JobState
from scalr_tasks.testing.conformance_harness import OTHER_QUEUE, QUEUE, new_job, record_of
from tests.support.hand_clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def broker(clock: HandClock) -> MemoryBroker:
    return MemoryBroker(clock)


async def test_due_jobs_come_first_due_first_and_else_in_the_order_of_their_enqueue(
    broker: MemoryBroker, clock: HandClock
) -> None:
    now_ms = clock.now_ms()
    await broker.enqueue([new_job("z"), new_job("a"), new_job("old", at_ms=now_ms - 5), new_job("late", delay_ms=1)])

    due = await broker.due([QUEUE])

    assert due == [Due("old", QUEUE, now_ms - 5), Due("z", QUEUE, now_ms), Due("a", QUEUE, now_ms)]


async def test_what_will_be_due_can_be_asked_for(broker: MemoryBroker, clock: HandClock) -> None:
    await broker.enqueue([new_job("late", delay_ms=60_000), new_job("later", delay_ms=60_001)])

    due = await broker.due([QUEUE], clock.now_ms() + 60_000)

    assert [one.job_id for one in due] == ["late"]


async def test_only_the_queues_asked_about_are_looked_at(broker: MemoryBroker) -> None:
    await broker.enqueue([new_job("inv-1"), new_job("inv-2", queue_key=OTHER_QUEUE)])

    assert [one.job_id for one in await broker.due([OTHER_QUEUE])] == ["inv-2"]


async def test_a_claimed_job_is_not_due_until_its_claim_lapses(broker: MemoryBroker, clock: HandClock) -> None:
    await broker.enqueue([new_job("inv-1")])
    await broker.claim("inv-1", 1_000)

    during = await broker.due([QUEUE])
    clock.move(1_000)

    assert during == []
    assert [one.job_id for one in await broker.due([QUEUE])] == ["inv-1"]


async def test_a_claim_answers_with_the_bytes_of_the_job(broker: MemoryBroker) -> None:
    await broker.enqueue([new_job("inv-1")])

    claimed = await broker.claim("inv-1", 1_000)

    assert claimed == await broker.payload("inv-1")
    assert claimed is not None


@pytest.mark.parametrize("job_id", ["claimed", "deferred", "never"])
async def test_what_is_claimed_or_not_due_or_not_there_cannot_be_claimed(broker: MemoryBroker, job_id: str) -> None:
    await broker.enqueue([new_job("claimed"), new_job("deferred", delay_ms=1)])
    await broker.claim("claimed", 1_000)

    assert await broker.claim(job_id, 1_000) is None


async def test_a_job_given_back_is_due_as_before(broker: MemoryBroker, clock: HandClock) -> None:
    await broker.enqueue([new_job("inv-1")])
    await broker.claim("inv-1", 1_000)

    await broker.drop_claim("inv-1")

    assert await broker.due([QUEUE]) == [Due("inv-1", QUEUE, clock.now_ms())]


async def test_a_job_given_back_for_later_is_due_then(broker: MemoryBroker, clock: HandClock) -> None:
    await broker.enqueue([new_job("inv-1")])
    await broker.claim("inv-1", 1_000)

    await broker.drop_claim("inv-1", clock.now_ms() + 500)

    assert await broker.due([QUEUE]) == []
    assert (await broker.info("inv-1", [QUEUE])).due_at_ms == clock.now_ms() + 500


async def test_a_result_that_is_not_to_be_kept_is_not_kept(broker: MemoryBroker) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])

    await broker.finish("inv-1", record_of(job), 0)

    assert (await broker.info("inv-1", [QUEUE])).state is JobState.NOT_FOUND
