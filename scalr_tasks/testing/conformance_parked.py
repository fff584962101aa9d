"""Checks of parked jobs: kept raw, taken back by who knows them, dead in the end.

Reads next: `conformance_waiting.py`.
"""

import asyncio
from dataclasses import replace

import pytest

from scalr_tasks.broker.base import ParkedJob
from scalr_tasks.envelope import read
from scalr_tasks.state import JobState
from scalr_tasks.testing.conformance_harness import (
    HOUR_MS,
    NOTHING_THERE,
    ODD_IDS,
    OTHER_QUEUE,
    QUEUE,
    QUEUED_AGAIN,
    BrokerUnderTest,
    new_job,
    park,
    repark,
    retry,
    soon,
    start,
)

DAY_MS = 24 * HOUR_MS


class ParkedChecks:
    """What becomes of a job that no code understands yet."""

    async def test_a_parked_job_is_kept_with_its_raw_bytes_and_its_place(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """It is off its queue, and was not decoded."""
        at_ms = await broker_under_test.now_ms() - HOUR_MS
        await start(broker_under_test, new_job("inv-1", at_ms=at_ms, head=b'"what":"is this"'))
        payload = await broker_under_test.payload("inv-1")
        before_ms = await broker_under_test.now_ms()

        kept = await broker_under_test.broker.park("inv-1", QUEUE, reason="unreadable", task="", version=0)

        parked = await broker_under_test.broker.parked("inv-1")
        assert kept
        assert parked is not None
        assert (parked.task, parked.version, parked.queue_key, parked.reason) == ("", 0, QUEUE, "unreadable")
        assert (parked.score, parked.payload) == (at_ms, payload)
        assert before_ms <= parked.parked_at_ms <= await broker_under_test.now_ms()
        assert await broker_under_test.payload("inv-1") is None
        assert await broker_under_test.broker.count_queued([QUEUE]) == 0

    async def test_a_job_that_is_gone_is_not_parked(self, broker_under_test: BrokerUnderTest) -> None:
        """It was aborted meanwhile."""
        kept = await broker_under_test.broker.park("inv-1", QUEUE, reason="unknown task", task="add", version=1)

        assert not kept
        assert await broker_under_test.broker.parked("inv-1") is None
        assert (await broker_under_test.broker.list_parked()).items == []

    async def test_parking_forgets_the_start_and_keeps_the_attempts(self, broker_under_test: BrokerUnderTest) -> None:
        """Its worker was not lost: it ended the attempt in order."""
        job = new_job("inv-1")
        await retry(broker_under_test, job)
        await broker_under_test.broker.begin("inv-1")
        await repark(broker_under_test, job)
        await broker_under_test.broker.requeue_parked("inv-1")

        begun = await broker_under_test.broker.begin("inv-1")

        assert (begun.attempts, begun.lost, begun.first_start) == (1, 0, False)

    async def test_the_time_of_the_first_parking_is_kept(self, broker_under_test: BrokerUnderTest) -> None:
        """Workers of two versions may hand a job to each other; it must not live for ever."""
        job = new_job("inv-1")
        await park(broker_under_test, job)
        await broker_under_test.advance(HOUR_MS)
        await broker_under_test.broker.requeue_parked("inv-1")
        await repark(broker_under_test, job)

        again = await broker_under_test.broker.parked("inv-1")

        assert again is not None
        assert await broker_under_test.now_ms() - again.parked_at_ms >= HOUR_MS

    # -- taken back ----------------------------------------------------------------------

    async def test_a_worker_takes_back_what_it_knows(self, broker_under_test: BrokerUnderTest) -> None:
        """Same id, bytes and place, so that it keeps its age."""
        at_ms = await broker_under_test.now_ms() - HOUR_MS
        job = new_job("inv-1", at_ms=at_ms)
        await park(broker_under_test, job)
        parked = await broker_under_test.broker.parked("inv-1")

        requeued = await broker_under_test.broker.unpark(QUEUE, {"other": 1, "add": 1})

        info = await broker_under_test.broker.info("inv-1", [QUEUE])
        assert requeued == ["inv-1"]
        assert (info.state, info.due_at_ms) == (JobState.QUEUED, at_ms)
        assert parked is not None
        assert await broker_under_test.payload("inv-1") == parked.payload
        assert await broker_under_test.broker.parked("inv-1") is None
        assert (await broker_under_test.broker.list_parked()).items == []

    @pytest.mark.parametrize(
        ("queue", "known"),
        [(QUEUE, {"other": 9}), (QUEUE, {"add": 1}), (OTHER_QUEUE, {"add": 2}), (QUEUE, {})],
        ids=["unknown task", "older version", "other queue", "knows nothing"],
    )
    async def test_a_worker_leaves_what_it_does_not_know(
        self, broker_under_test: BrokerUnderTest, queue: str, known: dict[str, int]
    ) -> None:
        """The job is of task `add`, version 2, of the first queue."""
        await park(broker_under_test, new_job("inv-1"), version=2)

        requeued = await broker_under_test.broker.unpark(queue, known)

        assert requeued == []
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.PARKED

    async def test_a_job_whose_version_is_not_told_is_taken_back_by_nobody(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """Any worker would park it again at once; an operator may still requeue it."""
        await park(broker_under_test, new_job("inv-1"), version=0)

        assert await broker_under_test.broker.unpark(QUEUE, {"add": 9}) == []
        assert await broker_under_test.broker.requeue_parked("inv-1") == QUEUED_AGAIN

    async def test_a_job_of_a_newer_wire_version_is_taken_back_by_who_knows_that_version(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """Its task is not told; the empty name stands for the wire."""
        await start(broker_under_test, new_job("inv-1"))
        await broker_under_test.broker.park("inv-1", QUEUE, reason="newer wire version", task="", version=2)
        await broker_under_test.finish("inv-1", QUEUE, None, 0)

        older = await broker_under_test.broker.unpark(QUEUE, {"": 1, "add": 9})
        newer = await broker_under_test.broker.unpark(QUEUE, {"": 2, "add": 9})

        assert (older, newer) == ([], ["inv-1"])

    async def test_an_older_version_is_known_too(self, broker_under_test: BrokerUnderTest) -> None:
        """A worker reads what was written before it."""
        await park(broker_under_test, new_job("inv-1"), version=2)

        assert await broker_under_test.broker.unpark(QUEUE, {"add": 3}) == ["inv-1"]

    async def test_a_job_is_not_taken_back_under_the_attempt_that_parked_it(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """That attempt still deletes the job's keys when it ends."""
        job = new_job("inv-1")
        await start(broker_under_test, job)
        await broker_under_test.broker.park("inv-1", QUEUE, reason="unknown task", task="add", version=1)

        requeued = await broker_under_test.broker.unpark(QUEUE, {"add": 1})

        assert requeued == []
        await broker_under_test.finish("inv-1", QUEUE, None, 0)
        assert await broker_under_test.broker.unpark(QUEUE, {"add": 1}) == ["inv-1"]

    async def test_an_operator_requeues_what_nobody_knows(self, broker_under_test: BrokerUnderTest) -> None:
        """Name and version do not matter then."""
        at_ms = await broker_under_test.now_ms() - HOUR_MS
        await park(broker_under_test, new_job("inv-1", at_ms=at_ms), version=9)

        answer = await broker_under_test.broker.requeue_parked("inv-1")

        assert answer == QUEUED_AGAIN
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).due_at_ms == at_ms
        assert await broker_under_test.broker.unpark(QUEUE, {"add": 9}) == []

    async def test_nothing_parked_is_not_found(self, broker_under_test: BrokerUnderTest) -> None:
        """A job on its queue is left there."""
        await broker_under_test.broker.enqueue([new_job("inv-1")])

        assert await broker_under_test.broker.requeue_parked("inv-1") == NOTHING_THERE
        assert await broker_under_test.broker.requeue_parked("never") == NOTHING_THERE

    async def test_an_operator_requeues_as_soon_as_the_attempt_that_parked_has_ended(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """Not before: that attempt would delete the job."""
        await start(broker_under_test, new_job("inv-1"))
        await broker_under_test.broker.park("inv-1", QUEUE, reason="unknown task", task="add", version=1)

        requeuing = asyncio.create_task(broker_under_test.broker.requeue_parked("inv-1"))
        for _ in range(5):
            await asyncio.sleep(0)
            assert await broker_under_test.broker.parked("inv-1") is not None
        still_waiting = not requeuing.done()
        await broker_under_test.finish("inv-1", QUEUE, None, 0)

        assert still_waiting
        assert await soon(requeuing) == QUEUED_AGAIN
        assert await broker_under_test.payload("inv-1") is not None

    # -- the end -------------------------------------------------------------------------

    async def test_what_is_parked_too_long_is_dead(self, broker_under_test: BrokerUnderTest) -> None:
        """Counted from the first parking; the bytes stay, so that it can be revived."""
        job = new_job("inv-1")
        await park(broker_under_test, job, reason="newer version")
        parked = await broker_under_test.broker.parked("inv-1")
        await broker_under_test.advance(DAY_MS + 1_000)
        await park(broker_under_test, new_job("young"))

        buried = await broker_under_test.broker.bury_overdue_parked(DAY_MS)

        dead = await broker_under_test.broker.dead("inv-1")
        assert buried == ["inv-1"]
        assert dead is not None
        assert parked is not None
        assert (dead.reason, dead.task, dead.queue, dead.queue_key) == ("parked", "add", "default", QUEUE)
        assert dead.error.type == "ParkedTooLong"
        assert dead.error.message == "no worker understood the job for 86400 s: newer version"
        assert read(dead.payload).arguments == job.arguments
        assert dead.enqueued_at_ms == read(dead.payload).enqueued_at_ms
        assert await broker_under_test.broker.parked("inv-1") is None
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.DEAD
        assert (await broker_under_test.broker.info("young", [QUEUE])).state is JobState.PARKED

    async def test_what_died_of_parking_can_be_revived(self, broker_under_test: BrokerUnderTest) -> None:
        """A worker that knows it may have come in the meantime."""
        await park(broker_under_test, new_job("inv-1"))
        await broker_under_test.advance(DAY_MS + 1_000)
        await broker_under_test.broker.bury_overdue_parked(DAY_MS)

        answer = await broker_under_test.broker.revive("inv-1")

        assert answer == QUEUED_AGAIN
        assert (await broker_under_test.broker.begin("inv-1")).first_start

    async def test_an_overdue_job_is_not_buried_under_the_attempt_that_parked_it(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """It is found again at the next look."""
        await start(broker_under_test, new_job("inv-1"), claim_ms=3 * DAY_MS)
        await broker_under_test.broker.park("inv-1", QUEUE, reason="unknown task", task="add", version=1)
        await broker_under_test.advance(DAY_MS + 1_000)

        assert await broker_under_test.broker.bury_overdue_parked(DAY_MS) == []
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.PARKED

    async def test_forgotten_parked_jobs_are_counted(self, broker_under_test: BrokerUnderTest) -> None:
        """Those that were there; no worker takes them back."""
        await park(broker_under_test, new_job("a"))
        await park(broker_under_test, new_job("b"))

        forgotten = await broker_under_test.broker.forget_parked(["a", "never", "b", "a"])

        assert forgotten == 2
        assert (await broker_under_test.broker.list_parked()).items == []
        assert await broker_under_test.broker.unpark(QUEUE, {"add": 1}) == []
        assert (await broker_under_test.broker.info("a", [QUEUE])).state is JobState.NOT_FOUND

    async def test_a_parked_job_is_not_forgotten_under_the_attempt_that_parked_it(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """The id would be free, and that attempt would delete the next job that takes it."""
        await start(broker_under_test, new_job("inv-1"))
        await broker_under_test.broker.park("inv-1", QUEUE, reason="unknown task", task="add", version=1)

        forgotten = await broker_under_test.broker.forget_parked(["inv-1"])

        assert forgotten == 0
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.PARKED

    async def test_parked_jobs_are_listed_newest_first_part_by_part(self, broker_under_test: BrokerUnderTest) -> None:
        """By their first parking; the size of each payload stands for it."""
        for job_id in ODD_IDS:
            await park(broker_under_test, new_job(job_id))
            await broker_under_test.advance(10)

        listed: list[ParkedJob] = []
        cursor = None
        while True:
            page = await broker_under_test.broker.list_parked(cursor, 4)
            listed += page.items
            cursor = page.cursor
            if cursor is None:
                break

        assert [job.job_id for job in listed] == list(reversed(ODD_IDS))
        whole = await broker_under_test.broker.parked(ODD_IDS[-1])
        assert whole is not None
        assert listed[0] == replace(whole, payload=b"")
        assert listed[0].payload_bytes == len(whole.payload) > 0
