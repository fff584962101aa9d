"""Checks of `Broker.enqueue`: what is stored, who has an id, what a repeat does.

Reads next: `conformance_states.py`.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from scalr_tasks.broker.base import NewJob, Stored
from scalr_tasks.envelope import read, stamp
from scalr_tasks.state import JobState
from scalr_tasks.testing.conformance_harness import (
    HOUR_MS,
    ODD_IDS,
    OTHER_QUEUE,
    QUEUE,
    BrokerUnderTest,
    die,
    end,
    new_job,
    park,
    retry,
    start,
)

Stage = Callable[[BrokerUnderTest, NewJob], Awaitable[object]]


async def _queued(under: BrokerUnderTest, job: NewJob) -> None:
    await under.broker.enqueue([job])


async def _finished_unkept(under: BrokerUnderTest, job: NewJob) -> None:
    await end(under, job, keep_ms=0)


HOLDING: Final[dict[str, Stage]] = {
    "queued": _queued,
    "running": start,
    "retrying": retry,
    "parked": park,
    "done": end,
    "dead": die,
}
"""How a job comes to each state in which it has its id."""


class EnqueueChecks:
    """What `enqueue` promises."""

    async def test_a_new_job_is_created_and_queued(self, broker_under_test: BrokerUnderTest) -> None:
        """The answer names the job itself as the one that has the id."""
        job = new_job("inv-1")

        answers = await broker_under_test.broker.enqueue([job])

        assert answers == [Stored("inv-1", created=True, holder="add")]
        info = await broker_under_test.broker.info("inv-1", [QUEUE])
        assert (info.state, info.task, info.queue_key, info.attempts) == (JobState.QUEUED, "add", QUEUE, 0)
        assert info.due_at_ms == info.enqueued_at_ms

    async def test_the_stored_bytes_are_the_head_stamped_and_the_raw_arguments(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """The time is the broker's own, the rest is byte for byte what the client wrote."""
        job = new_job(arguments='{"subject":"Ä \\n"}'.encode())
        before_ms = await broker_under_test.now_ms()

        await broker_under_test.broker.enqueue([job])

        payload = await broker_under_test.payload(job.job_id)
        assert payload is not None
        enqueued_at_ms = read(payload).enqueued_at_ms
        assert before_ms <= enqueued_at_ms <= await broker_under_test.now_ms()
        assert payload == stamp(job.head, job.arguments, enqueued_at_ms=enqueued_at_ms)

    async def test_a_delay_counts_from_the_enqueue(self, broker_under_test: BrokerUnderTest) -> None:
        """By the broker's clock, not by the client's."""
        job = new_job(delay_ms=HOUR_MS)

        await broker_under_test.broker.enqueue([job])

        info = await broker_under_test.broker.info(job.job_id, [QUEUE])
        assert info.state is JobState.DEFERRED
        assert info.enqueued_at_ms is not None
        assert info.due_at_ms == info.enqueued_at_ms + HOUR_MS

    async def test_a_job_with_a_time_is_due_at_that_time(self, broker_under_test: BrokerUnderTest) -> None:
        """To the millisecond, whatever the delay says."""
        at_ms = await broker_under_test.now_ms() + HOUR_MS
        job = new_job(at_ms=at_ms, delay_ms=5)

        await broker_under_test.broker.enqueue([job])

        info = await broker_under_test.broker.info(job.job_id, [QUEUE])
        assert (info.state, info.due_at_ms) == (JobState.DEFERRED, at_ms)

    async def test_a_time_in_the_past_is_due_at_once(self, broker_under_test: BrokerUnderTest) -> None:
        """It keeps its place before younger jobs."""
        at_ms = await broker_under_test.now_ms() - HOUR_MS
        job = new_job(at_ms=at_ms)

        await broker_under_test.broker.enqueue([job])

        info = await broker_under_test.broker.info(job.job_id, [QUEUE])
        assert (info.state, info.due_at_ms) == (JobState.QUEUED, at_ms)

    async def test_expires_is_stamped_from_the_enqueue_on(self, broker_under_test: BrokerUnderTest) -> None:
        """A delay is part of that time, so it changes nothing."""
        job = new_job(expires_ms=90_000, delay_ms=60_000)

        await broker_under_test.broker.enqueue([job])

        envelope = read(await broker_under_test.payload(job.job_id) or b"")
        assert envelope.expires_at_ms == envelope.enqueued_at_ms + 90_000
        assert envelope.nonce == job.nonce

    @pytest.mark.parametrize("job_id", ODD_IDS)
    async def test_an_odd_id_is_an_id_like_any_other(self, broker_under_test: BrokerUnderTest, job_id: str) -> None:
        """Colons, blanks, signs of patterns and letters of other alphabets mean nothing to the store."""
        (stored,) = await broker_under_test.broker.enqueue([new_job(job_id)])

        assert stored.created
        assert (await broker_under_test.broker.info(job_id, [QUEUE])).state is JobState.QUEUED
        assert (await broker_under_test.broker.info(job_id + "?", [QUEUE])).state is JobState.NOT_FOUND
        assert await broker_under_test.broker.abort(job_id, [QUEUE], HOUR_MS) is JobState.ABORTED

    # -- who has the id ------------------------------------------------------------------

    @pytest.mark.parametrize("state", HOLDING)
    async def test_an_id_is_taken_in_each_state_of_its_job(
        self, broker_under_test: BrokerUnderTest, state: str
    ) -> None:
        """Dead: only while the result is kept; see below."""
        first = new_job("inv-1")
        await HOLDING[state](broker_under_test, first)
        queued = await broker_under_test.broker.count_queued([QUEUE])
        payload = await broker_under_test.payload("inv-1")

        answers = await broker_under_test.broker.enqueue([new_job("inv-1")])

        assert answers == [Stored("inv-1", created=False, holder="add")]
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state == state
        assert await broker_under_test.broker.count_queued([QUEUE]) == queued
        assert await broker_under_test.payload("inv-1") == payload

    @pytest.mark.parametrize("state", HOLDING)
    async def test_the_holder_of_an_id_is_named_by_its_task(
        self, broker_under_test: BrokerUnderTest, state: str
    ) -> None:
        """So that the caller can tell a duplicate from a conflict."""
        await HOLDING[state](broker_under_test, new_job("inv-1", task="send"))

        (stored,) = await broker_under_test.broker.enqueue([new_job("inv-1", task="add")])

        assert stored == Stored("inv-1", created=False, holder="send")

    async def test_a_holder_whose_bytes_do_not_tell_has_no_name(self, broker_under_test: BrokerUnderTest) -> None:
        """The id is taken all the same."""
        await broker_under_test.broker.enqueue([new_job("inv-1", head=b'"what":"is this"')])

        (stored,) = await broker_under_test.broker.enqueue([new_job("inv-1")])

        assert stored == Stored("inv-1", created=False, holder=None)

    async def test_an_id_is_free_again_when_the_result_is_gone(self, broker_under_test: BrokerUnderTest) -> None:
        """Its time is judged by the broker's clock."""
        await end(broker_under_test, new_job("inv-1"), keep_ms=60_000)
        await broker_under_test.advance(61_000)

        (stored,) = await broker_under_test.broker.enqueue([new_job("inv-1")])

        assert stored.created

    async def test_a_dead_record_does_not_take_the_id(self, broker_under_test: BrokerUnderTest) -> None:
        """It stays beside the new job."""
        await die(broker_under_test, new_job("inv-1"), keep_ms=60_000)
        await broker_under_test.advance(61_000)

        (stored,) = await broker_under_test.broker.enqueue([new_job("inv-1")])

        assert stored.created
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.QUEUED
        assert await broker_under_test.broker.dead("inv-1") is not None

    async def test_counts_of_an_earlier_job_are_not_those_of_the_next_one(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """A worker that died before it could conclude leaves them behind."""
        job = new_job("inv-1")
        await start(broker_under_test, job)
        await broker_under_test.broker.postpone("inv-1", counts=True)
        await broker_under_test.finish("inv-1", QUEUE, None, 0)
        await broker_under_test.broker.enqueue([new_job("inv-1")])

        begun = await broker_under_test.broker.begin("inv-1")

        assert (begun.attempts, begun.lost, begun.first_start) == (0, 0, True)

    # -- a repeat after a lost reply -----------------------------------------------------

    @pytest.mark.parametrize("state", HOLDING)
    async def test_a_repeat_of_the_same_call_is_created_again_and_stores_nothing(
        self, broker_under_test: BrokerUnderTest, state: str
    ) -> None:
        """The client lost the reply and cannot know how far the job has come."""
        job = new_job("inv-1")
        await HOLDING[state](broker_under_test, job)
        queued = await broker_under_test.broker.count_queued([QUEUE])

        answers = await broker_under_test.broker.enqueue([job])

        assert answers == [Stored("inv-1", created=True, holder="add")]
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state == state
        assert await broker_under_test.broker.count_queued([QUEUE]) == queued

    async def test_a_repeat_after_an_end_that_is_not_kept_stores_nothing(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """A fast job with `keep_result=0` would run twice without its tombstone."""
        job = new_job("inv-1")
        await _finished_unkept(broker_under_test, job)

        (stored,) = await broker_under_test.broker.enqueue([job])

        assert stored.created
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.NOT_FOUND

    async def test_a_tombstone_keeps_the_id_from_nobody_else(self, broker_under_test: BrokerUnderTest) -> None:
        """It is there for the repeat of its own call only."""
        await _finished_unkept(broker_under_test, new_job("inv-1"))

        (stored,) = await broker_under_test.broker.enqueue([new_job("inv-1")])

        assert stored.created
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.QUEUED

    async def test_a_tombstone_is_gone_after_a_minute(self, broker_under_test: BrokerUnderTest) -> None:
        """No client repeats a call for as long as that."""
        job = new_job("inv-1")
        await _finished_unkept(broker_under_test, job)
        await broker_under_test.advance(61_000)

        await broker_under_test.broker.enqueue([job])

        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.QUEUED

    async def test_a_call_without_a_nonce_is_no_repeat(self, broker_under_test: BrokerUnderTest) -> None:
        """Two empty nonces are not the same call."""
        first, second = (NewJob("inv-1", "add", QUEUE, b'"f":"add"', b"{}", nonce="") for _ in range(2))

        answers = await broker_under_test.broker.enqueue([first])
        answers += await broker_under_test.broker.enqueue([second])

        assert [stored.created for stored in answers] == [True, False]

    # -- batches -------------------------------------------------------------------------

    async def test_a_batch_is_answered_in_its_order(self, broker_under_test: BrokerUnderTest) -> None:
        """Over several queues, with an id that is taken in the middle."""
        await broker_under_test.broker.enqueue([new_job("b", task="send")])
        batch = [new_job("a"), new_job("b"), new_job("c", queue_key=OTHER_QUEUE)]

        answers = await broker_under_test.broker.enqueue(batch)

        assert answers == [Stored("a", True, "add"), Stored("b", False, "send"), Stored("c", True, "add")]
        assert (await broker_under_test.broker.info("c", [OTHER_QUEUE])).queue_key == OTHER_QUEUE
        assert await broker_under_test.broker.count_queued([QUEUE]) == 2

    async def test_an_id_twice_in_a_batch_is_stored_once(self, broker_under_test: BrokerUnderTest) -> None:
        """The first call has it."""
        first, second = new_job("inv-1", arguments=b"[1]"), new_job("inv-1", arguments=b"[2]")

        answers = await broker_under_test.broker.enqueue([first, second, first])

        assert [stored.created for stored in answers] == [True, False, True]
        assert read(await broker_under_test.payload("inv-1") or b"").arguments == b"[1]"
        assert await broker_under_test.broker.count_queued([QUEUE]) == 1

    async def test_an_empty_batch_has_an_empty_answer(self, broker_under_test: BrokerUnderTest) -> None:
        """Nothing is asked, nothing is wrong."""
        assert await broker_under_test.broker.enqueue([]) == []

    async def test_a_batch_may_be_larger_than_one_script_takes(self, broker_under_test: BrokerUnderTest) -> None:
        """However a broker splits it, each job has its answer."""
        jobs = [new_job(f"inv-{number}") for number in range(2_500)]

        answers = await broker_under_test.broker.enqueue(jobs)

        assert answers == [Stored(job.job_id, True, "add") for job in jobs]
        assert await broker_under_test.broker.count_queued([QUEUE]) == 2_500
