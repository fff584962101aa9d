"""Checks of `Broker.wait_ended`: every end is told, at once, to everybody who waits.

What does not come is waited for in real time, a tenth of a second; what comes
must come long before a broker's own look from time to time.
"""

import asyncio

import pytest

from scalr_tasks.envelope import ResultRecord
from scalr_tasks.state import JobState
from scalr_tasks.testing.conformance_harness import (
    HOUR_MS,
    KEEP_MS,
    QUEUE,
    BrokerUnderTest,
    dead_of,
    die,
    end,
    new_job,
    park,
    record_of,
    soon,
    start,
)

NOT_YET_S = 0.1


async def _waiting(under: BrokerUnderTest, job_id: str) -> "asyncio.Task[ResultRecord | None]":
    """Start to wait for a job, and return once that has been heard by the store."""
    waiter = asyncio.create_task(under.broker.wait_ended(job_id, None))
    with pytest.raises(TimeoutError):
        await under.broker.wait_ended(job_id, NOT_YET_S)
    assert not waiter.done()
    return waiter


class WaitChecks:
    """Who is told of a job's end, and when."""

    async def test_an_end_that_is_kept_is_told_at_once(self, broker_under_test: BrokerUnderTest) -> None:
        """With no time to wait, too."""
        job = new_job("inv-1")
        await end(broker_under_test, job)

        assert await broker_under_test.broker.wait_ended("inv-1", 0) == record_of(job)

    async def test_a_dead_job_has_ended(self, broker_under_test: BrokerUnderTest) -> None:
        """Told from its record where the result is gone."""
        await die(broker_under_test, new_job("inv-1"), keep_ms=60_000)
        await broker_under_test.advance(61_000)

        record = await broker_under_test.broker.wait_ended("inv-1", 0)

        assert record is not None
        assert (record.kind, record.task) == ("failed", "add")

    async def test_there_is_nothing_to_wait_for_where_nothing_is(self, broker_under_test: BrokerUnderTest) -> None:
        """None at once, however long one would have waited."""
        assert await soon(broker_under_test.broker.wait_ended("inv-1", None)) is None

    async def test_a_job_that_does_not_end_is_a_timeout(self, broker_under_test: BrokerUnderTest) -> None:
        """Real seconds, for a clock that stands still too."""
        await broker_under_test.broker.enqueue([new_job("inv-1")])

        with pytest.raises(TimeoutError):
            await soon(broker_under_test.broker.wait_ended("inv-1", NOT_YET_S))

    async def test_a_timeout_of_zero_looks_once(self, broker_under_test: BrokerUnderTest) -> None:
        """And does not wait."""
        await broker_under_test.broker.enqueue([new_job("inv-1")])

        with pytest.raises(TimeoutError):
            await soon(broker_under_test.broker.wait_ended("inv-1", 0))

    @pytest.mark.parametrize("kind", ["done", "failed", "aborted", "expired"])
    async def test_an_end_is_told_to_everybody_who_waits(self, broker_under_test: BrokerUnderTest, kind: str) -> None:
        """When the engine concludes the job."""
        job = new_job("inv-1")
        await start(broker_under_test, job)
        waiters = [await _waiting(broker_under_test, "inv-1") for _ in range(2)]

        await broker_under_test.finish("inv-1", QUEUE, record_of(job, kind), KEEP_MS)
        await broker_under_test.broker.conclude("inv-1")

        assert await soon(asyncio.gather(*waiters)) == [record_of(job, kind)] * 2

    async def test_the_end_of_one_job_is_not_that_of_another(self, broker_under_test: BrokerUnderTest) -> None:
        """Ids with the same beginning are different ids."""
        job = new_job("inv-1")
        await start(broker_under_test, job)
        await broker_under_test.broker.enqueue([new_job("inv-1:2")])
        first, other = await _waiting(broker_under_test, "inv-1"), await _waiting(broker_under_test, "inv-1:2")

        await broker_under_test.finish("inv-1", QUEUE, record_of(job), KEEP_MS)
        await broker_under_test.broker.conclude("inv-1")

        assert await soon(first) == record_of(job)
        assert not other.done()
        other.cancel()
        await asyncio.wait({other})

    async def test_an_end_that_is_not_kept_is_told_as_nothing(self, broker_under_test: BrokerUnderTest) -> None:
        """Nobody waits for ever for a job with `keep_result=0`."""
        await start(broker_under_test, new_job("inv-1"))
        waiter = await _waiting(broker_under_test, "inv-1")

        await broker_under_test.finish("inv-1", QUEUE, None, 0)
        await broker_under_test.broker.conclude("inv-1")

        assert await soon(waiter) is None

    async def test_an_abort_is_told(self, broker_under_test: BrokerUnderTest) -> None:
        """Of a job that waits; a running one's end is told by its engine."""
        await broker_under_test.broker.enqueue([new_job("inv-1", delay_ms=HOUR_MS)])
        waiter = await _waiting(broker_under_test, "inv-1")

        await broker_under_test.broker.abort("inv-1", [QUEUE], KEEP_MS)

        record = await soon(waiter)
        assert record is not None
        assert record.kind == "aborted"

    async def test_a_death_is_told(self, broker_under_test: BrokerUnderTest) -> None:
        """With `keep_result=0` it is told from the record."""
        job = new_job("inv-1")
        await start(broker_under_test, job)
        waiter = await _waiting(broker_under_test, "inv-1")

        await broker_under_test.broker.bury(dead_of(job))
        await broker_under_test.finish("inv-1", QUEUE, None, 0)
        await broker_under_test.broker.conclude("inv-1")

        record = await soon(waiter)
        assert record is not None
        assert (record.kind, record.reason) == ("failed", "failed")

    async def test_a_parked_job_is_waited_for(self, broker_under_test: BrokerUnderTest) -> None:
        """It is taken back, runs, and its end is told to who has waited all the time."""
        job = new_job("inv-1")
        await park(broker_under_test, job)
        waiter = await _waiting(broker_under_test, "inv-1")

        await broker_under_test.broker.unpark(QUEUE, {"add": 1})
        await broker_under_test.claim("inv-1")
        await broker_under_test.finish("inv-1", QUEUE, record_of(job), KEEP_MS)
        await broker_under_test.broker.conclude("inv-1")

        assert await soon(waiter) == record_of(job)

    async def test_the_end_of_a_job_that_is_parked_too_long_is_told(self, broker_under_test: BrokerUnderTest) -> None:
        """As a death."""
        await park(broker_under_test, new_job("inv-1"))
        waiter = await _waiting(broker_under_test, "inv-1")
        await broker_under_test.advance(25 * HOUR_MS)

        await broker_under_test.broker.bury_overdue_parked(24 * HOUR_MS)

        record = await soon(waiter)
        assert record is not None
        assert (record.kind, record.reason) == ("failed", "parked")

    async def test_who_waits_for_a_parked_job_that_is_forgotten_is_told(
        self, broker_under_test: BrokerUnderTest
    ) -> None:
        """There is nothing to wait for any more."""
        await park(broker_under_test, new_job("inv-1"))
        waiter = await _waiting(broker_under_test, "inv-1")

        await broker_under_test.broker.forget_parked(["inv-1"])

        assert await soon(waiter) is None
        assert (await broker_under_test.broker.info("inv-1", [QUEUE])).state is JobState.NOT_FOUND
