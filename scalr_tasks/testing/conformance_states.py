"""Checks of a job's life: what `info` tells, what `abort` does, how attempts are counted.

Reads next: `conformance_ends.py`.
"""

import pytest

from scalr_tasks.envelope import Overrides
from scalr_tasks.state import JobState
from scalr_tasks.testing.conformance_enqueue import HOLDING
from scalr_tasks.testing.conformance_harness import (
    HOUR_MS,
    KEEP_MS,
    LOST,
    OTHER_QUEUE,
    QUEUE,
    BrokerUnderTest,
    die,
    end,
    new_job,
    park,
    record_of,
    repark,
    retry,
    start,
)

ENDS = {"done": "done", "failed": "dead", "aborted": "aborted", "expired": "expired"}
WAITING = {name: HOLDING[name] for name in ("queued", "retrying", "parked")}


class InfoChecks:
    """What `info` and `count_queued` tell."""

    async def test_an_id_that_never_was_is_not_found(self, broker_under_test: BrokerUnderTest) -> None:
        """With nothing else to tell."""
        info = await broker_under_test.broker.info("inv-1", [QUEUE])

        assert info.state is JobState.NOT_FOUND
        assert (info.task, info.queue_key, info.due_at_ms, info.enqueued_at_ms) == (None, None, None, None)
        assert (info.attempts, info.result) == (0, None)

    async def test_a_deferred_job_is_queued_when_its_time_comes(self, broker_under_test: BrokerUnderTest) -> None:
        """No one has to move it."""
        await broker_under_test.broker.enqueue([new_job("inv-1", delay_ms=HOUR_MS)])
        before = await broker_under_test.broker.info("inv-1", [QUEUE])

        await broker_under_test.advance(HOUR_MS + 1_000)

        after = await broker_under_test.broker.info("inv-1", [QUEUE])
        assert (before.state, after.state) == (JobState.DEFERRED, JobState.QUEUED)

    async def test_a_claimed_job_is_running(self, broker_under_test: BrokerUnderTest) -> None:
        """It stays on its queue meanwhile."""
        await start(broker_under_test, new_job("inv-1"))

        info = await broker_under_test.broker.info("inv-1", [QUEUE])

        assert (info.state, info.queue_key) == (JobState.RUNNING, QUEUE)

    async def test_a_job_whose_claim_lapsed_is_queued_again(self, broker_under_test: BrokerUnderTest) -> None:
        """Its worker died."""
        await start(broker_under_test, new_job("inv-1"), claim_ms=10_000)

        await broker_under_test.advance(11_000)

        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.QUEUED

    async def test_a_claim_that_is_held_lasts_longer(self, broker_under_test: BrokerUnderTest) -> None:
        """From the moment of `hold` on."""
        await start(broker_under_test, new_job("inv-1"), claim_ms=10_000)

        await broker_under_test.broker.hold("inv-1", 60_000)

        await broker_under_test.advance(30_000)
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.RUNNING

    async def test_a_claim_that_lapsed_is_not_taken_again(self, broker_under_test: BrokerUnderTest) -> None:
        """Another worker may have the job."""
        await start(broker_under_test, new_job("inv-1"), claim_ms=10_000)
        await broker_under_test.advance(11_000)

        await broker_under_test.broker.hold("inv-1", 60_000)

        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.QUEUED

    async def test_a_started_job_that_waits_is_retrying(self, broker_under_test: BrokerUnderTest) -> None:
        """With its counted attempts, until its time comes."""
        await retry(broker_under_test, new_job("inv-1"), delay_ms=HOUR_MS)
        before = await broker_under_test.broker.info("inv-1", [QUEUE])

        await broker_under_test.advance(HOUR_MS + 1_000)

        after = await broker_under_test.broker.info("inv-1", [QUEUE])
        assert (before.state, before.attempts) == (JobState.RETRYING, 1)
        assert (after.state, after.attempts) == (JobState.QUEUED, 1)

    async def test_a_job_of_a_queue_not_asked_about_is_queued_without_a_place(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """It is somewhere; when it is due is not known."""
        await broker_under_test.broker.enqueue([new_job("inv-1", delay_ms=HOUR_MS)])

        info = await broker_under_test.broker.info("inv-1", [OTHER_QUEUE])

        assert (info.state, info.task) == (JobState.QUEUED, "add")
        assert (info.queue_key, info.due_at_ms) == (None, None)

    @pytest.mark.parametrize(("kind", "state"), ENDS.items())
    async def test_a_kept_result_tells_how_the_job_ended(
        self, broker_under_test: BrokerUnderTest, kind: str, state: str
    ) -> None:
        """The record comes back field by field."""
        job = new_job("inv-1")
        record = record_of(job, kind, attempt=3, enqueued_at_ms=11, started_at_ms=12, finished_at_ms=13)
        await start(broker_under_test, job)

        await broker_under_test.finish("inv-1", QUEUE, record, KEEP_MS)

        info = await broker_under_test.broker.info("inv-1", [QUEUE])
        assert info.state == state
        assert info.result == record
        assert (info.task, info.attempts, info.enqueued_at_ms) == ("add", 3, 11)

    async def test_a_result_is_gone_when_its_time_is_over(self, broker_under_test: BrokerUnderTest) -> None:
        """And with it all that was known of the job."""
        await end(broker_under_test, new_job("inv-1"), keep_ms=60_000)
        before = await broker_under_test.broker.info("inv-1", [QUEUE])

        await broker_under_test.advance(61_000)

        after = await broker_under_test.broker.info("inv-1", [QUEUE])
        assert (before.state, after.state) == (JobState.DONE, JobState.NOT_FOUND)
        assert after.result is None

    async def test_a_dead_job_is_told_from_its_record_when_its_result_is_gone(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """Its error is not lost with the result."""
        await die(broker_under_test, new_job("inv-1"), keep_ms=60_000)

        await broker_under_test.advance(61_000)

        info = await broker_under_test.broker.info("inv-1", [QUEUE])
        assert (info.state, info.task, info.attempts) == (JobState.DEAD, "add", 5)
        assert info.result is not None
        assert (info.result.kind, info.result.reason, info.result.error) == ("failed", "failed", LOST)

    async def test_a_parked_job_is_told_with_its_queue(self, broker_under_test: BrokerUnderTest) -> None:
        """Whichever queues are asked about."""
        await park(broker_under_test, new_job("inv-1"))

        info = await broker_under_test.broker.info("inv-1", [])

        assert (info.state, info.task, info.queue_key) == (JobState.PARKED, "add", QUEUE)
        assert info.enqueued_at_ms is not None

    async def test_a_job_whose_bytes_do_not_tell_its_task_is_there_all_the_same(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """Its state and place do not come from its bytes."""
        await broker_under_test.broker.enqueue([new_job("inv-1", head=b'"what":"is this"')])

        info = await broker_under_test.broker.info("inv-1", [QUEUE])

        assert (info.state, info.queue_key, info.task) == (JobState.QUEUED, QUEUE, None)

    async def test_all_jobs_on_a_queue_are_counted(self, broker_under_test: BrokerUnderTest) -> None:
        """Waiting, deferred, running and retrying ones; not those that ended or are parked, nor another queue's."""
        await broker_under_test.broker.enqueue([new_job(), new_job(delay_ms=HOUR_MS), new_job(queue_key=OTHER_QUEUE)])
        await start(broker_under_test, new_job())
        await retry(broker_under_test, new_job())
        await end(broker_under_test, new_job())
        await park(broker_under_test, new_job())

        assert await broker_under_test.broker.count_queued([QUEUE]) == 4
        assert await broker_under_test.broker.count_queued([QUEUE, OTHER_QUEUE]) == 5
        assert await broker_under_test.broker.count_queued([]) == 0


class AbortChecks:
    """What `abort` does in each state."""

    @pytest.mark.parametrize("state", WAITING)
    async def test_a_waiting_job_is_aborted_at_once(self, broker_under_test: BrokerUnderTest, state: str) -> None:
        """Its end is kept as a result of its own kind, and nothing of it is left."""
        job = new_job("inv-1")
        await WAITING[state](broker_under_test, job)

        answer = await broker_under_test.broker.abort("inv-1", [QUEUE], KEEP_MS)

        info = await broker_under_test.broker.info("inv-1", [QUEUE])
        assert (answer, info.state) == (JobState.ABORTED, JobState.ABORTED)
        assert info.result is not None
        assert (info.result.kind, info.result.task, info.result.nonce) == ("aborted", "add", job.nonce)
        assert (info.result.queue, info.result.error.type) == (QUEUE, "JobAbortedError")
        assert await broker_under_test.broker.count_queued([QUEUE]) == 0
        assert await broker_under_test.broker.parked("inv-1") is None

    async def test_a_deferred_job_is_aborted_at_once(self, broker_under_test: BrokerUnderTest) -> None:
        """Before its time, too."""
        await broker_under_test.broker.enqueue([new_job("inv-1", delay_ms=HOUR_MS)])

        answer = await broker_under_test.broker.abort("inv-1", [QUEUE], KEEP_MS)

        assert answer is JobState.ABORTED
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.ABORTED
        assert await broker_under_test.broker.count_queued([QUEUE]) == 0

    async def test_an_aborted_job_is_kept_as_long_as_was_said(self, broker_under_test: BrokerUnderTest) -> None:
        """By the caller, where the job itself says nothing."""
        await broker_under_test.broker.enqueue([new_job("inv-1")])
        await broker_under_test.broker.abort("inv-1", [QUEUE], 60_000)

        await broker_under_test.advance(61_000)

        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.NOT_FOUND

    async def test_what_the_job_says_of_its_result_wins(self, broker_under_test: BrokerUnderTest) -> None:
        """`using(keep_result=0)` leaves a tombstone only."""
        job = new_job("inv-1", overrides=Overrides(keep_result_ms=0))
        await broker_under_test.broker.enqueue([job])

        answer = await broker_under_test.broker.abort("inv-1", [QUEUE], KEEP_MS)

        assert answer is JobState.ABORTED
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.NOT_FOUND
        assert [stored.created for stored in await broker_under_test.broker.enqueue([job])] == [True]
        assert await broker_under_test.broker.count_queued([QUEUE]) == 0

    async def test_the_end_of_a_running_job_is_asked_for(self, broker_under_test: BrokerUnderTest) -> None:
        """The worker will see it; until then the job runs."""
        await start(broker_under_test, new_job("inv-1"))

        answer = await broker_under_test.broker.abort("inv-1", [QUEUE], KEEP_MS)

        assert answer is JobState.RUNNING
        assert await broker_under_test.abort_asked("inv-1")
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.RUNNING

    async def test_an_abort_that_was_asked_for_ends_with_its_job(self, broker_under_test: BrokerUnderTest) -> None:
        """The next job of that id is not struck by it."""
        job = new_job("inv-1")
        await start(broker_under_test, job)
        await broker_under_test.broker.abort("inv-1", [QUEUE], KEEP_MS)

        await broker_under_test.finish("inv-1", QUEUE, record_of(job, "aborted"), KEEP_MS)

        assert not await broker_under_test.abort_asked("inv-1")

    @pytest.mark.parametrize(("kind", "state"), ENDS.items())
    async def test_a_job_that_ended_stays_as_it_is(
        self, broker_under_test: BrokerUnderTest, kind: str, state: str
    ) -> None:
        """The answer is its state."""
        await end(broker_under_test, new_job("inv-1"), kind)
        before = await broker_under_test.broker.info("inv-1", [QUEUE])

        answer = await broker_under_test.broker.abort("inv-1", [QUEUE], KEEP_MS)

        assert answer == state
        assert await broker_under_test.broker.info("inv-1", [QUEUE]) == before

    async def test_a_job_in_a_queue_that_was_not_named_is_left_alone(self, broker_under_test: BrokerUnderTest) -> None:
        """Without its bytes, its entry there would be a job that nobody can run."""
        await broker_under_test.broker.enqueue([new_job("inv-1")])

        answer = await broker_under_test.broker.abort("inv-1", [OTHER_QUEUE], KEEP_MS)

        assert answer is JobState.QUEUED
        assert await broker_under_test.payload("inv-1") is not None

    async def test_an_abort_of_nothing_says_so(self, broker_under_test: BrokerUnderTest) -> None:
        """And leaves nothing behind that a later job would meet."""
        answer = await broker_under_test.broker.abort("inv-1", [QUEUE], KEEP_MS)

        assert answer is JobState.NOT_FOUND
        assert not await broker_under_test.abort_asked("inv-1")

    async def test_a_parked_job_is_not_aborted_under_the_attempt_that_parked_it(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """That attempt deletes the job's keys when it ends: a new job of the id would vanish with them."""
        job = new_job("inv-1")
        await start(broker_under_test, job)
        await broker_under_test.broker.park("inv-1", QUEUE, reason="unknown task", task="add", version=1)

        answer = await broker_under_test.broker.abort("inv-1", [QUEUE], KEEP_MS)

        assert answer is JobState.RUNNING
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.PARKED

    async def test_the_counts_of_an_aborted_job_are_forgotten(self, broker_under_test: BrokerUnderTest) -> None:
        """A new job of that id starts from nothing."""
        await retry(broker_under_test, new_job("inv-1"))
        await broker_under_test.broker.abort("inv-1", [QUEUE], 0)
        await broker_under_test.broker.enqueue([new_job("inv-1")])

        begun = await broker_under_test.broker.begin("inv-1")

        assert (begun.attempts, begun.lost, begun.first_start) == (0, 0, True)


class AttemptChecks:
    """How `begin`, `postpone` and `conclude` count."""

    async def test_the_first_start_of_a_job_is_told(self, broker_under_test: BrokerUnderTest) -> None:
        """With the time of the broker's clock."""
        await broker_under_test.broker.enqueue([new_job("inv-1")])
        before_ms = await broker_under_test.now_ms()

        begun = await broker_under_test.broker.begin("inv-1")

        assert (begun.attempts, begun.lost, begun.first_start) == (0, 0, True)
        assert before_ms <= begun.now_ms <= await broker_under_test.now_ms()

    async def test_a_start_that_never_ended_is_a_lost_worker(self, broker_under_test: BrokerUnderTest) -> None:
        """Counted apart from the attempts, and never again a first start."""
        await start(broker_under_test, new_job("inv-1"))
        await broker_under_test.broker.begin("inv-1")

        begun = await broker_under_test.broker.begin("inv-1")

        assert (begun.attempts, begun.lost, begun.first_start) == (0, 2, False)

    @pytest.mark.parametrize(("counts", "attempts"), [(True, 1), (False, 0)])
    async def test_a_postponed_attempt_counts_where_it_is_said_to(
        self, broker_under_test: BrokerUnderTest, counts: bool, attempts: int
    ) -> None:
        """It ended in order, so its worker was not lost; nor were those before it."""
        await start(broker_under_test, new_job("inv-1"))
        await broker_under_test.broker.begin("inv-1")

        await broker_under_test.broker.postpone("inv-1", counts=counts)

        begun = await broker_under_test.broker.begin("inv-1")
        assert (begun.attempts, begun.lost, begun.first_start) == (attempts, 0, False)

    async def test_attempts_add_up(self, broker_under_test: BrokerUnderTest) -> None:
        """`info` tells them."""
        await start(broker_under_test, new_job("inv-1"))

        for _ in range(3):
            await broker_under_test.broker.postpone("inv-1", counts=True)

        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).attempts == 3

    async def test_a_job_that_was_removed_while_it_ran_leaves_no_counts(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """Nobody else would ever delete them."""
        await start(broker_under_test, new_job("inv-1"))
        await broker_under_test.finish("inv-1", QUEUE, None, 0)

        await broker_under_test.broker.postpone("inv-1", counts=True)

        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).attempts == 0
        assert (await broker_under_test.broker.begin("inv-1")).first_start

    async def test_counts_are_kept_where_the_job_has_not_ended(self, broker_under_test: BrokerUnderTest) -> None:
        """Arq calls the same hook for a job that it gives back."""
        await start(broker_under_test, new_job("inv-1"))
        await broker_under_test.broker.postpone("inv-1", counts=True)

        over = await broker_under_test.broker.conclude("inv-1")

        assert not over
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).attempts == 1

    async def test_counts_are_forgotten_where_the_job_has_ended(self, broker_under_test: BrokerUnderTest) -> None:
        """They are there between the first start and the end only."""
        await retry(broker_under_test, new_job("inv-1"))
        await broker_under_test.finish("inv-1", QUEUE, None, 0)

        over = await broker_under_test.broker.conclude("inv-1")

        assert over
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).attempts == 0

    async def test_a_parked_job_has_not_ended(self, broker_under_test: BrokerUnderTest) -> None:
        """Its counts stay, and with them the time of its first parking."""
        job = new_job("inv-1")
        await retry(broker_under_test, job)
        await repark(broker_under_test, job)

        over = await broker_under_test.broker.conclude("inv-1")

        assert not over
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).attempts == 1
