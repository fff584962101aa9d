"""The checks that every `LeaseBroker` must pass: subclass `LeaseConformance`, give it your store.

    class TestMyLeases(LeaseConformance):
        @pytest.fixture
        async def leases_under_test(self) -> LeasesUnderTest: ...

Each check is a sentence that holds for `RedisLeases` and `MemoryLeases` alike.

Reads next: `conformance_harness.py` for the jobs; `broker/leases.py` for what is checked.
"""

from dataclasses import replace
from typing import Any, Final, Protocol

from scalr_tasks.broker.base import Broker
from scalr_tasks.broker.leases import (
    Again,
    Aside,
    Back,
    Claimed,
    Ended,
    Holding,
    LeaseBroker,
    Started,
    Step,
    Stepped,
    Tick,
    tick_nonce,
)
from scalr_tasks.envelope import write_head, write_result
from scalr_tasks.state import JobState
from scalr_tasks.testing.conformance_harness import HOUR_MS, KEEP_MS, QUEUE, dead_of, new_job, record_of

LEASE_MS: Final = 15_000
"""Lease of the checks."""


class LeasesUnderTest(Protocol):
    """One empty store, fresh for each test: as a `Broker`, as a `LeaseBroker`, and its time."""

    @property
    def broker(self) -> Broker:
        """The store, as callers see it."""
        ...

    @property
    def leases(self) -> LeaseBroker:
        """The same store, as an engine sees it."""
        ...

    async def now_ms(self) -> int:
        """Return the time that the store goes by, epoch ms."""
        ...

    async def advance(self, ms: int) -> None:
        """Let `ms` pass for everything that is stored, at once and without waiting."""
        ...

    async def claim(self, job_id: str, claim_ms: int = LEASE_MS) -> None:
        """Claim a due job as a plain arq worker does."""
        ...


def step(by: str = "w1:1", to_start: int = 10, to_hold: int = 0, **fields: Any) -> Step:
    """Return a request of the worker whose name is before the colon of its token."""
    worker = by.partition(":")[0]
    return Step(
        worker=worker,
        queue_key=QUEUE,
        token=by,
        lease_ms=LEASE_MS,
        to_start=to_start,
        to_hold=to_hold,
        **fields,
    )


async def take(under: LeasesUnderTest, job_id: str = "inv-1", by: str = "w1:1", **fields: Any) -> Claimed:
    """Enqueue a job, and claim it."""
    await under.broker.enqueue([new_job(job_id, **fields)])
    (claimed,) = (await under.leases.step(step(by))).claimed
    return claimed


def done(job_id: str = "inv-1", by: str = "w1:1") -> Ended:
    """Return that a job is done."""
    return Ended(job_id, by, write_result(record_of(new_job(job_id))), KEEP_MS, "")


async def tell(under: LeasesUnderTest, *others: Any, by: str = "w1:2") -> Stepped:
    """Tell what became of jobs, and claim nothing."""
    return await under.leases.step(step(by, to_start=0, others=others))


class LeaseConformance:
    """Every check of leases; pytest collects it under the name of your subclass."""

    async def test_due_jobs_are_claimed_first_due_first_and_no_more_than_asked_for(
        self, leases_under_test: LeasesUnderTest
    ) -> None:
        """With their bytes and the time that they were due."""
        now_ms = await leases_under_test.now_ms()
        jobs = [new_job(f"inv-{age}", at_ms=now_ms - age) for age in (10, 30, 20)]
        await leases_under_test.broker.enqueue([*jobs, new_job("later", delay_ms=HOUR_MS)])

        stepped = await leases_under_test.leases.step(step(to_start=2))

        assert [(one.job_id, one.score) for one in stepped.claimed] == [
            ("inv-30", now_ms - 30),
            ("inv-20", now_ms - 20),
        ]
        assert stepped.claimed[0].payload.endswith(b"\n" + jobs[0].arguments)
        assert [(one.attempts, one.lost, one.is_first, one.abort_asked_ms) for one in stepped.claimed] == [
            (0, 0, True, 0)
        ] * 2

    async def test_a_claimed_job_is_running_and_nobody_else_gets_it(self, leases_under_test: LeasesUnderTest) -> None:
        """Until its lease is over."""
        await take(leases_under_test)

        other = await leases_under_test.leases.step(step("w2:1"))

        assert other.claimed == []
        assert (await leases_under_test.broker.info("inv-1", [QUEUE])).state is JobState.RUNNING

    async def test_the_time_of_the_next_job_is_told_where_nothing_is_due(
        self, leases_under_test: LeasesUnderTest
    ) -> None:
        """So that a worker need not ask again before."""
        await leases_under_test.broker.enqueue([new_job("later", delay_ms=HOUR_MS)])

        stepped = await leases_under_test.leases.step(step())

        assert stepped.next_due_ms is not None
        assert abs(stepped.next_due_ms - stepped.now_ms - HOUR_MS) < 5_000

    async def test_jobs_that_plain_workers_run_are_stepped_over_and_counted(
        self, leases_under_test: LeasesUnderTest
    ) -> None:
        """They hold up nobody."""
        now_ms = await leases_under_test.now_ms()
        await leases_under_test.broker.enqueue([new_job(f"held-{n}", at_ms=now_ms - 100 + n) for n in range(5)])
        for n in range(5):
            await leases_under_test.claim(f"held-{n}")
        await leases_under_test.broker.enqueue([new_job("free")])

        stepped = await leases_under_test.leases.step(step(to_start=1))

        assert [one.job_id for one in stepped.claimed] == ["free"]
        assert stepped.held == 5

    async def test_a_lost_workers_job_is_claimed_again_with_its_start_counted_as_lost(
        self, leases_under_test: LeasesUnderTest
    ) -> None:
        """It is no first start any more, and no attempt counts."""
        await take(leases_under_test)
        await leases_under_test.advance(LEASE_MS + 1)

        (again,) = (await leases_under_test.leases.step(step("w2:1"))).claimed

        assert (again.job_id, again.attempts, again.lost, again.is_first) == ("inv-1", 0, 1, False)

    async def test_a_lease_of_an_earlier_job_of_the_id_is_none_of_the_later_one(
        self, leases_under_test: LeasesUnderTest
    ) -> None:
        """Its start is not counted as lost, and the worker that was lost ends nothing."""
        await take(leases_under_test)
        await leases_under_test.advance(LEASE_MS + 1)
        await leases_under_test.broker.abort("inv-1", [QUEUE], 0)
        await leases_under_test.broker.enqueue([new_job("inv-1")])

        late = await tell(leases_under_test, Again("inv-1", "w1:1", HOUR_MS, counts=True))

        (later,) = (await leases_under_test.leases.step(step("w2:1"))).claimed
        assert late.lost == ["inv-1"]
        assert (later.job_id, later.attempts, later.lost, later.is_first) == ("inv-1", 0, 0, True)

    async def test_a_job_that_was_only_held_by_a_lost_worker_was_not_started(
        self, leases_under_test: LeasesUnderTest
    ) -> None:
        """The first time: the second time it may be what kills the workers."""
        await leases_under_test.broker.enqueue([new_job("inv-1")])
        await leases_under_test.leases.step(step(to_start=0, to_hold=1))
        await leases_under_test.advance(LEASE_MS + 1)
        (second,) = (await leases_under_test.leases.step(step("w2:1", to_start=0, to_hold=1))).claimed
        await leases_under_test.advance(LEASE_MS + 1)

        (third,) = (await leases_under_test.leases.step(step("w3:1"))).claimed

        assert (second.lost, second.is_first) == (0, True)
        assert (third.lost, third.is_first) == (1, False)

    async def test_a_held_job_whose_body_has_begun_counts_as_started(self, leases_under_test: LeasesUnderTest) -> None:
        """Its lease is renewed by that too."""
        await leases_under_test.broker.enqueue([new_job("inv-1")])
        await leases_under_test.leases.step(step(to_start=0, to_hold=1))
        await leases_under_test.advance(LEASE_MS - 1_000)
        await tell(leases_under_test, Started("inv-1", "w1:1"))
        await leases_under_test.advance(LEASE_MS - 1_000)
        nobody = (await leases_under_test.leases.step(step("w2:1"))).claimed
        await leases_under_test.advance(2_000)

        (again,) = (await leases_under_test.leases.step(step("w2:2"))).claimed

        assert nobody == []
        assert again.lost == 1

    async def test_a_done_job_leaves_its_result_and_the_queue(self, leases_under_test: LeasesUnderTest) -> None:
        """In the same act in which further jobs are claimed."""
        await take(leases_under_test)
        await leases_under_test.broker.enqueue([new_job("inv-2")])

        stepped = await leases_under_test.leases.step(step("w1:2", ended=[done()]))

        info = await leases_under_test.broker.info("inv-1", [QUEUE])
        assert (info.state, info.result and info.result.body) == (JobState.DONE, b"3")
        assert [one.job_id for one in stepped.claimed] == ["inv-2"]
        assert await leases_under_test.broker.count_queued([QUEUE]) == 1

    async def test_a_dead_job_is_kept_with_its_bytes(self, leases_under_test: LeasesUnderTest) -> None:
        """And can be retried."""
        claimed = await take(leases_under_test)
        ended = done()._replace(dead=dead_of(new_job("inv-1")))

        await leases_under_test.leases.step(step("w1:2", ended=[ended]))

        dead = await leases_under_test.broker.dead("inv-1")
        assert dead is not None
        assert (dead.reason, dead.attempts, dead.payload) == ("failed", 5, claimed.payload)

    async def test_an_end_without_a_result_is_remembered_for_its_own_call(
        self, leases_under_test: LeasesUnderTest
    ) -> None:
        """A repeat of the enqueue stores nothing; another one does."""
        job = new_job("inv-1")
        await leases_under_test.broker.enqueue([job])
        await leases_under_test.leases.step(step())
        await leases_under_test.leases.step(step("w1:2", ended=[Ended("inv-1", "w1:1", b"", 0, job.nonce)]))

        await leases_under_test.broker.enqueue([job])

        assert await leases_under_test.broker.count_queued([QUEUE]) == 0

    async def test_a_retry_is_due_after_its_delay_and_its_attempt_counts(
        self, leases_under_test: LeasesUnderTest
    ) -> None:
        """From the end of the attempt, and not from the end of the lease."""
        await take(leases_under_test)

        await tell(leases_under_test, Again("inv-1", "w1:1", 5_000, counts=True))

        info = await leases_under_test.broker.info("inv-1", [QUEUE])
        await leases_under_test.advance(5_001)
        (again,) = (await leases_under_test.leases.step(step("w1:3"))).claimed
        assert (info.state, info.attempts) == (JobState.RETRYING, 1)
        assert (again.attempts, again.lost, again.is_first) == (1, 0, False)

    async def test_a_snooze_counts_no_attempt(self, leases_under_test: LeasesUnderTest) -> None:
        """It is due after its delay as well."""
        await take(leases_under_test)

        await tell(leases_under_test, Again("inv-1", "w1:1", 0, counts=False))

        (again,) = (await leases_under_test.leases.step(step("w1:3"))).claimed
        assert (again.attempts, again.lost, again.is_first) == (0, 0, False)

    async def test_a_job_that_is_given_back_has_its_old_place_and_no_start(
        self, leases_under_test: LeasesUnderTest
    ) -> None:
        """One that was only held may still expire."""
        started, held = await take(leases_under_test), await take(leases_under_test, "inv-2", "w1:2")

        await tell(
            leases_under_test,
            Back("inv-1", "w1:1", started.score, started=True),
            Back("inv-2", "w1:2", held.score, started=False),
            by="w1:3",
        )

        again = {one.job_id: one for one in (await leases_under_test.leases.step(step("w2:1"))).claimed}
        assert (again["inv-1"].score, again["inv-1"].lost, again["inv-1"].is_first) == (started.score, 0, False)
        assert (again["inv-2"].score, again["inv-2"].lost, again["inv-2"].is_first) == (held.score, 0, True)

    async def test_a_job_that_is_set_aside_is_parked_at_its_old_place(self, leases_under_test: LeasesUnderTest) -> None:
        """With its bytes."""
        claimed = await take(leases_under_test)

        await tell(leases_under_test, Aside("inv-1", "w1:1", claimed.score, "unknown task", "add", 2))

        parked = await leases_under_test.broker.parked("inv-1")
        assert parked is not None
        assert (parked.reason, parked.task, parked.version, parked.score, parked.payload) == (
            "unknown task",
            "add",
            2,
            claimed.score,
            claimed.payload,
        )

    async def test_who_lost_a_lease_to_another_changes_nothing(self, leases_under_test: LeasesUnderTest) -> None:
        """Whatever it says, it is told that the job is lost."""
        await take(leases_under_test)
        await leases_under_test.advance(LEASE_MS + 1)
        await leases_under_test.leases.step(step("w2:1"))

        ended = await leases_under_test.leases.step(step("w1:2", to_start=0, ended=[done()]))
        other = await tell(leases_under_test, Again("inv-1", "w1:1", 0, counts=True), by="w1:3")
        renewed = await leases_under_test.leases.renew(QUEUE, [Holding("inv-1", "w1:1", started=True)], LEASE_MS)

        info = await leases_under_test.broker.info("inv-1", [QUEUE])
        assert (ended.lost, other.lost, renewed) == (["inv-1"], ["inv-1"], ["inv-1"])
        assert (info.state, info.attempts) == (JobState.RUNNING, 0)

    async def test_a_lease_that_lapsed_and_nobody_took_may_still_end(self, leases_under_test: LeasesUnderTest) -> None:
        """The work is done, so it need not be done again."""
        await take(leases_under_test)
        await leases_under_test.advance(LEASE_MS + 1)

        stepped = await leases_under_test.leases.step(step("w1:2", to_start=0, ended=[done()]))

        assert stepped.lost == []
        assert (await leases_under_test.broker.info("inv-1", [QUEUE])).state is JobState.DONE

    async def test_a_renewed_lease_holds_as_long_again(self, leases_under_test: LeasesUnderTest) -> None:
        """From the moment of the renewal."""
        await take(leases_under_test)
        await leases_under_test.advance(LEASE_MS - 1_000)

        lost = await leases_under_test.leases.renew(QUEUE, [Holding("inv-1", "w1:1", started=True)], LEASE_MS)

        await leases_under_test.advance(LEASE_MS - 1_000)
        assert lost == []
        assert (await leases_under_test.leases.step(step("w2:1"))).claimed == []

    async def test_a_request_that_comes_again_is_answered_as_the_first_time(
        self, leases_under_test: LeasesUnderTest
    ) -> None:
        """It claims no second batch, and loses no outcome."""
        await take(leases_under_test)
        await leases_under_test.broker.enqueue([new_job("inv-2"), new_job("inv-3")])
        request = step("w1:2", to_start=1, ended=[done()])

        first = await leases_under_test.leases.step(request)
        second = await leases_under_test.leases.step(request)

        assert (second.claimed, second.lost) == (first.claimed, [])
        assert len(first.claimed) == 1

    async def test_the_end_of_a_running_job_that_is_asked_for_is_told_its_worker(
        self, leases_under_test: LeasesUnderTest
    ) -> None:
        """With the next request."""
        await take(leases_under_test)
        await leases_under_test.broker.abort("inv-1", [QUEUE], KEEP_MS)

        stepped = await leases_under_test.leases.step(step("w1:2"))

        assert list(stepped.abort_asked) == ["inv-1"]

    async def test_a_tick_becomes_a_job_once(self, leases_under_test: LeasesUnderTest) -> None:
        """Also for a second worker, and never after a later tick."""
        tick = Tick("report", QUEUE, 2_000, write_head("report", tick_nonce(2_000)), b"{}")

        answers = [await leases_under_test.leases.tick(one) for one in (tick, tick, replace(tick, tick_ms=1_000))]

        assert answers == [True, False, False]
        assert await leases_under_test.leases.last_tick(QUEUE, "report") == 2_000
        assert (await leases_under_test.broker.info("report:2000", [QUEUE])).state is JobState.QUEUED

    async def test_a_tick_that_may_not_overlap_is_left_out_while_the_one_before_has_not_ended(
        self, leases_under_test: LeasesUnderTest
    ) -> None:
        """The next one after its end is a job again."""
        first, second, third = [
            Tick("report", QUEUE, ms, write_head("report", tick_nonce(ms)), b"{}", may_overlap=False)
            for ms in (1_000, 2_000, 3_000)
        ]
        await leases_under_test.leases.tick(first)
        while_queued = await leases_under_test.leases.tick(second)
        await leases_under_test.leases.step(step())
        await leases_under_test.leases.step(step("w1:2", ended=[done("report:1000")]))

        assert (while_queued, await leases_under_test.leases.tick(third)) == (False, True)
