"""Checks of dead jobs: kept, listed, put back, forgotten.

Reads next: `conformance_parked.py`.
"""

import asyncio
from dataclasses import replace

import pytest

from scalr_tasks.broker.base import DeadJob, PutBack
from scalr_tasks.envelope import read
from scalr_tasks.errors import OptionError
from scalr_tasks.state import JobState
from scalr_tasks.testing.conformance_enqueue import HOLDING
from scalr_tasks.testing.conformance_harness import (
    HOUR_MS,
    KEEP_MS,
    NOTHING_THERE,
    ODD_IDS,
    QUEUE,
    QUEUED_AGAIN,
    BrokerUnderTest,
    dead_of,
    die,
    end,
    new_job,
    record_of,
    soon,
    start,
)

DEAD_DAYS = 30


class DeadChecks:
    """What becomes of a job that failed for good."""

    async def test_a_buried_job_is_kept_whole(self, broker_under_test: BrokerUnderTest) -> None:
        """With the broker's own time, and the bytes that the job has on its queue."""
        job = new_job("inv-1")
        await start(broker_under_test, job)
        payload = await broker_under_test.payload("inv-1")
        before_ms = await broker_under_test.now_ms()

        await broker_under_test.broker.bury(dead_of(job))

        dead = await broker_under_test.broker.dead("inv-1")
        assert dead is not None
        assert before_ms <= dead.died_at_ms <= await broker_under_test.now_ms()
        assert payload is not None
        assert dead == replace(dead_of(job), died_at_ms=dead.died_at_ms, payload=payload, payload_bytes=len(payload))

    async def test_bytes_that_the_engine_gives_are_kept_instead(self, broker_under_test: BrokerUnderTest) -> None:
        """It may have taken the job off its queue already."""
        await broker_under_test.broker.bury(dead_of(new_job("inv-1"), payload=b"{}\n[1]"))

        dead = await broker_under_test.broker.dead("inv-1")

        assert dead is not None
        assert dead.payload == b"{}\n[1]"

    async def test_a_job_that_did_not_die_has_no_record(self, broker_under_test: BrokerUnderTest) -> None:
        """None, and no error."""
        await end(broker_under_test, new_job("inv-1"))

        assert await broker_under_test.broker.dead("inv-1") is None

    async def test_dead_jobs_are_forgotten_after_thirty_days(self, broker_under_test: BrokerUnderTest) -> None:
        """By whoever looks after the parked jobs."""
        await die(broker_under_test, new_job("old"))
        await broker_under_test.advance((DEAD_DAYS - 1) * 24 * HOUR_MS)
        await die(broker_under_test, new_job("young"))
        await broker_under_test.advance(25 * HOUR_MS)

        await broker_under_test.broker.bury_overdue_parked(24 * HOUR_MS)

        assert await broker_under_test.broker.dead("old") is None
        assert await broker_under_test.broker.dead("young") is not None
        assert [job.job_id for job in (await broker_under_test.broker.list_dead()).items] == ["young"]

    async def test_forgotten_dead_jobs_are_counted(self, broker_under_test: BrokerUnderTest) -> None:
        """Those that were there."""
        await die(broker_under_test, new_job("a"))
        await die(broker_under_test, new_job("b"))

        forgotten = await broker_under_test.broker.forget_dead(["a", "never", "b"])

        assert forgotten == 2
        assert (await broker_under_test.broker.list_dead()).items == []
        assert await broker_under_test.broker.revive("a") == NOTHING_THERE

    # -- listing -------------------------------------------------------------------------

    async def test_dead_jobs_are_listed_newest_first_part_by_part(self, broker_under_test: BrokerUnderTest) -> None:
        """Each part goes on where the last one ended; the size of each payload stands for it."""
        for job_id in ODD_IDS:
            await die(broker_under_test, new_job(job_id))
            await broker_under_test.advance(10)

        listed: list[DeadJob] = []
        cursor = None
        while True:
            page = await broker_under_test.broker.list_dead(cursor, 4)
            listed += page.items
            cursor = page.cursor
            if cursor is None:
                break

        assert [job.job_id for job in listed] == list(reversed(ODD_IDS))
        whole = await broker_under_test.broker.dead(ODD_IDS[-1])
        assert whole is not None
        assert listed[0] == replace(whole, payload=b"")
        assert listed[0].payload_bytes == len(whole.payload) > 0

    async def test_jobs_that_died_in_one_millisecond_are_listed_once_each(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """A cursor by time alone would skip some or show them twice."""
        jobs = [new_job(f"inv-{number}") for number in range(20)]
        await asyncio.gather(*(broker_under_test.broker.bury(dead_of(job, payload=b"x")) for job in jobs))

        listed: list[str] = []
        page = await broker_under_test.broker.list_dead(None, 3)
        listed += [job.job_id for job in page.items]
        while page.cursor is not None:
            page = await broker_under_test.broker.list_dead(page.cursor, 3)
            listed += [job.job_id for job in page.items]

        assert len(listed) == 20
        assert set(listed) == {job.job_id for job in jobs}

    async def test_a_listing_goes_on_where_its_last_job_is_gone(self, broker_under_test: BrokerUnderTest) -> None:
        """Whoever retries what he lists takes it away under the cursor."""
        for job_id in ("a", "b", "c", "d"):
            await die(broker_under_test, new_job(job_id))
            await broker_under_test.advance(10)
        first = await broker_under_test.broker.list_dead(None, 2)
        await broker_under_test.broker.forget_dead([job.job_id for job in first.items])

        second = await broker_under_test.broker.list_dead(first.cursor, 2)

        assert [job.job_id for job in first.items] == ["d", "c"]
        assert [job.job_id for job in second.items] == ["b", "a"]

    async def test_nothing_dead_is_an_empty_page(self, broker_under_test: BrokerUnderTest) -> None:
        """The only one."""
        page = await broker_under_test.broker.list_dead()

        assert (list(page.items), page.cursor) == ([], None)

    @pytest.mark.parametrize("cursor", ["", "inv-1", "x:inv-1", "-1:inv-1"])
    async def test_a_cursor_of_nobody_is_refused(self, broker_under_test: BrokerUnderTest, cursor: str) -> None:
        """Rather than an empty page, which would look like the end."""
        with pytest.raises(OptionError):
            await broker_under_test.broker.list_dead(cursor)

    # -- putting back --------------------------------------------------------------------

    async def test_a_revived_job_is_queued_as_it_was_enqueued(self, broker_under_test: BrokerUnderTest) -> None:
        """Same id and bytes, no counted attempts; the old result is gone and so is the record."""
        job = new_job("inv-1")
        await start(broker_under_test, job)
        payload = await broker_under_test.payload("inv-1")
        await broker_under_test.broker.postpone("inv-1", counts=True)
        await broker_under_test.broker.bury(dead_of(job))
        await broker_under_test.finish("inv-1", QUEUE, record_of(job, "failed"), KEEP_MS)

        answer = await broker_under_test.broker.revive("inv-1")

        info = await broker_under_test.broker.info("inv-1", [QUEUE])
        begun = await broker_under_test.broker.begin("inv-1")
        assert answer == QUEUED_AGAIN
        assert (info.state, info.queue_key, info.attempts) == (JobState.QUEUED, QUEUE, 0)
        assert (begun.attempts, begun.lost, begun.first_start) == (0, 0, True)
        assert await broker_under_test.payload("inv-1") == payload
        assert await broker_under_test.broker.dead("inv-1") is None
        assert (await broker_under_test.broker.list_dead()).items == []

    async def test_the_old_result_does_not_come_back_after_a_revival(self, broker_under_test: BrokerUnderTest) -> None:
        """Once the job is off its queue again there is nothing of its first life."""
        await die(broker_under_test, new_job("inv-1"))

        await broker_under_test.broker.revive("inv-1")

        await broker_under_test.claim("inv-1")
        await broker_under_test.finish("inv-1", QUEUE, None, 0)
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.NOT_FOUND

    async def test_the_tombstone_of_its_death_is_gone_after_a_revival(self, broker_under_test: BrokerUnderTest) -> None:
        """It told of an end that is undone; the next end leaves its own, or none."""
        job = new_job("inv-1")
        await start(broker_under_test, job)
        await broker_under_test.broker.bury(dead_of(job))
        await broker_under_test.broker.entomb("inv-1", job.nonce)
        await broker_under_test.finish("inv-1", QUEUE, None, 0)
        await broker_under_test.broker.revive("inv-1")
        await broker_under_test.finish("inv-1", QUEUE, None, 0)

        await broker_under_test.broker.enqueue([job])

        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.QUEUED

    async def test_a_revived_job_may_die_again(self, broker_under_test: BrokerUnderTest) -> None:
        """And be revived again."""
        job = new_job("inv-1")
        await die(broker_under_test, job)
        await broker_under_test.broker.revive("inv-1")
        await broker_under_test.claim("inv-1")
        await broker_under_test.broker.bury(dead_of(job))
        await broker_under_test.finish("inv-1", QUEUE, record_of(job, "failed"), KEEP_MS)

        assert await broker_under_test.broker.revive("inv-1") == QUEUED_AGAIN

    async def test_a_revived_job_has_as_long_again_to_be_started(self, broker_under_test: BrokerUnderTest) -> None:
        """Its own deadline was that of the call that failed; it would be expired at once."""
        job = new_job("inv-1", expires_ms=60_000)
        await die(broker_under_test, job)
        await broker_under_test.advance(HOUR_MS)
        before_ms = await broker_under_test.now_ms()

        await broker_under_test.broker.revive("inv-1")

        envelope = read(await broker_under_test.payload("inv-1") or b"")
        assert envelope.expires_at_ms is not None
        assert before_ms <= envelope.expires_at_ms - 60_000 <= await broker_under_test.now_ms()
        assert (envelope.nonce, envelope.arguments) == (job.nonce, job.arguments)

    async def test_a_job_that_is_revived_twice_has_no_longer_the_second_time(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """Its age begins anew with its deadline."""
        job = new_job("inv-1", expires_ms=60_000)
        await die(broker_under_test, job)
        await broker_under_test.advance(HOUR_MS)
        await broker_under_test.broker.revive("inv-1")
        await broker_under_test.claim("inv-1")
        await broker_under_test.broker.bury(dead_of(job))
        await broker_under_test.finish("inv-1", QUEUE, record_of(job, "failed"), KEEP_MS)
        await broker_under_test.advance(HOUR_MS)

        await broker_under_test.broker.revive("inv-1")

        envelope = read(await broker_under_test.payload("inv-1") or b"")
        assert envelope.expires_at_ms == envelope.enqueued_at_ms + 60_000

    async def test_nothing_dead_is_not_found(self, broker_under_test: BrokerUnderTest) -> None:
        """A job that did not die is not touched."""
        await end(broker_under_test, new_job("inv-1"))

        assert await broker_under_test.broker.revive("inv-1") == NOTHING_THERE
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.DONE

    @pytest.mark.parametrize("state", ["queued", "parked", "done"])
    async def test_a_dead_job_stays_dead_where_another_one_has_its_id(
        self, broker_under_test: BrokerUnderTest, state: str
    ) -> None:
        """The answer is the other job's state, and neither changes."""
        await die(broker_under_test, new_job("inv-1"), keep_ms=0)
        other = new_job("inv-1", arguments=b"[2]")
        await HOLDING[state](broker_under_test, other)
        payload = await broker_under_test.payload("inv-1")

        answer = await broker_under_test.broker.revive("inv-1")

        assert answer == PutBack(done=False, state=JobState(state))
        assert await broker_under_test.payload("inv-1") == payload
        assert await broker_under_test.broker.dead("inv-1") is not None

    async def test_a_job_is_not_revived_under_the_attempt_that_it_died_of(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """That attempt would delete it; it comes back as soon as the attempt has ended."""
        job = new_job("inv-1")
        await start(broker_under_test, job)
        await broker_under_test.broker.bury(dead_of(job))

        reviving = asyncio.create_task(broker_under_test.broker.revive("inv-1"))
        for _ in range(5):
            await asyncio.sleep(0)
            assert await broker_under_test.broker.dead("inv-1") is not None
        still_waiting = not reviving.done()
        await broker_under_test.finish("inv-1", QUEUE, record_of(job, "failed"), KEEP_MS)

        assert still_waiting
        assert await soon(reviving) == QUEUED_AGAIN
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.QUEUED
