"""`testing/kit.py`: running what was enqueued, moving time, breaking things."""

import asyncio
import contextvars
from datetime import UTC, datetime, timedelta

import pytest

from scalr_tasks import BrokerUnavailableError, GiveUp, JobAbortedError, JobExpiredError, JobState, TaskFailedError
from scalr_tasks.errors import KitError
from scalr_tasks.testing.kit import TaskKit
from tests.unit.testing.shop import (
    DeclinedError,
    around,
    charge,
    close_the_till,
    elsewhere,
    look,
    order,
    order_and_wait,
    repeat,
    sell,
    shop,
    steer,
    tills,
    weigh,
)

# -- drain -------------------------------------------------------------------------------


async def test_a_drain_runs_what_is_due_and_what_that_enqueues(tasks: TaskKit) -> None:
    job = await order.enqueue(["tea", "milk"])

    drained = await tasks.drain()

    assert (drained.succeeded, drained.attempts) == (3, 3)
    assert await job.result() == 2


async def test_a_drain_leaves_deferred_jobs_and_retries_whose_delay_is_not_over(tasks: TaskKit) -> None:
    later = await sell.using(delay=60).enqueue("tea")
    failing = await charge.enqueue(5)

    drained = await tasks.drain()

    assert (drained.succeeded, drained.retried, drained.dead) == (0, 1, 0)
    assert await later.status() is JobState.DEFERRED
    assert await failing.status() is JobState.RETRYING


async def test_a_drain_of_one_queue_leaves_the_others(tasks: TaskKit) -> None:
    await sell.enqueue("tea")
    await weigh.enqueue(500)

    assert (await tasks.drain(queue="bulk")).succeeded == 1
    assert [one.task for one in tasks.attempts()] == ["weigh"]


async def test_a_drain_of_an_unknown_queue_is_refused(tasks: TaskKit) -> None:
    with pytest.raises(KitError, match="there is no queue 'bluk'; known: bulk, default"):
        await tasks.drain(queue="bluk")


async def test_what_a_task_raises_in_a_drain_stays_in_its_job(tasks: TaskKit) -> None:
    job = await charge.using(retries=0).enqueue(5)

    assert (await tasks.drain()).dead == 1
    with pytest.raises(TaskFailedError, match="DeclinedError: no cover"):
        await job.result()


async def test_a_task_that_enqueues_itself_for_ever_is_told_of(tasks: TaskKit) -> None:
    await repeat.enqueue()

    with pytest.raises(KitError, match="more than 10,000 attempts ran at one instant, most of them of task 'repeat'"):
        await tasks.drain()


def test_a_test_without_a_loop_drains_too(tasks: TaskKit) -> None:
    job = weigh.enqueue_sync(1500)

    assert tasks.drain_sync().succeeded == 1
    assert job.result_sync() == 1.5


async def test_the_body_runs_with_middleware_and_the_state_of_the_lifespan(tasks: TaskKit) -> None:
    async with shop.running() as till:
        await sell.enqueue("tea")
        await tasks.drain()

        assert till.rung == ["tea"]
    assert around == ["before sell", "after sell"]


async def test_the_lifespan_is_left_when_nothing_runs_any_more(tasks: TaskKit) -> None:
    await sell.enqueue("tea")

    await tasks.drain()

    assert [till.open for till in tills] == [False]


async def test_variables_that_a_body_sets_do_not_reach_the_test(tasks: TaskKit) -> None:
    variable = contextvars.ContextVar("variable", default="of the test")

    @shop.task(name="set_a_variable", ctx=False)
    async def set_it() -> None:
        variable.set("of the body")

    await set_it.enqueue()
    await tasks.drain()

    assert variable.get() == "of the test"


# -- waiting for results -----------------------------------------------------------------


async def test_a_body_that_waits_for_a_job_has_it_run(tasks: TaskKit) -> None:
    job = await order_and_wait.enqueue("tea")

    await tasks.drain()

    assert await job.result() == "got 1 tea at attempt 1"


async def test_waiting_for_a_job_that_nobody_runs_fails_at_once_and_says_how_to_run_it(tasks: TaskKit) -> None:
    job = await sell.enqueue("tea")

    with pytest.raises(KitError, match=r"which is queued and will not run by itself; await tasks.drain\(\)"):
        await job.result()


async def test_a_timeout_of_a_wait_is_over_at_once(tasks: TaskKit) -> None:
    job = await sell.enqueue("tea")

    async with asyncio.timeout(1):
        with pytest.raises(TimeoutError):
            await job.result(timeout=3600)


async def test_a_result_waits_for_a_drain_that_is_running(tasks: TaskKit) -> None:
    job = await order_and_wait.enqueue("tea")

    waiting = asyncio.gather(tasks.drain(), job.result())

    assert (await waiting)[1] == "got 1 tea at attempt 1"


async def test_a_result_is_gone_when_its_time_is_over(tasks: TaskKit) -> None:
    job = await sell.using(keep_result=60).enqueue("tea")
    await tasks.drain()

    await tasks.travel(seconds=61)

    assert await job.status() is JobState.NOT_FOUND


# -- one attempt -------------------------------------------------------------------------


async def test_one_call_runs_as_the_attempt_that_is_asked_for(tasks: TaskKit) -> None:
    assert await tasks.run_one(sell.call("tea"), attempt=3) == "1 tea at attempt 3"


async def test_the_first_waiting_job_of_a_task_runs_whenever_it_is_due(tasks: TaskKit) -> None:
    await sell.using(delay=3600).enqueue("tea")
    await sell.enqueue("milk")

    assert await tasks.run_one(sell) == "1 tea at attempt 1"
    assert await tasks.run_one(sell) == "1 milk at attempt 1"


async def test_one_attempt_raises_what_the_body_raises(tasks: TaskKit) -> None:
    with pytest.raises(DeclinedError):
        await tasks.run_one(charge.call(5), attempt=3)

    tasks.assert_dead(charge, reason="failed")


def test_one_attempt_runs_without_a_loop(tasks: TaskKit) -> None:
    assert tasks.run_one_sync(weigh.call(10)) == 0.01


async def test_one_attempt_that_cannot_be_is_refused(tasks: TaskKit) -> None:
    with pytest.raises(KitError, match="no job of task 'sell' waits to be run"):
        await tasks.run_one(sell)
    with pytest.raises(KitError, match="expected attempt to be 1 or more"):
        await tasks.run_one(sell.call("tea"), attempt=0)
    with pytest.raises(KitError, match="it was snoozed"):
        await tasks.run_one(steer.call("snooze"))


# -- retries -----------------------------------------------------------------------------


async def test_retries_come_at_the_delays_of_the_backoff_without_jitter(tasks: TaskKit) -> None:
    await charge.enqueue(5)

    drained = await tasks.travel(hours=1)

    assert (drained.retried, drained.dead) == (2, 1)
    tasks.assert_retried(charge, times=2, delays=[1, timedelta(seconds=2)])
    assert tasks.assert_dead(charge, reason="failed").number == 3
    assert tasks.timeline(charge) == [
        "+0 s charge attempt 1: retried, again in 1 s: DeclinedError: no cover",
        "+1 s charge attempt 2: retried, again in 2 s: DeclinedError: no cover",
        "+3 s charge attempt 3: dead: DeclinedError: no cover",
    ]


async def test_an_assertion_about_retries_that_fails_shows_what_ran(tasks: TaskKit) -> None:
    await charge.enqueue(5)
    await tasks.drain()

    with pytest.raises(AssertionError) as caught:
        tasks.assert_retried(charge, delays=[2])

    assert str(caught.value) == (
        "expected a job of task 'charge' to be retried after 2 s\n\n"
        "what ran in this test:\n"
        "  +0 s charge attempt 1: retried, again in 1 s: DeclinedError: no cover"
    )


async def test_an_assertion_about_attempts_says_when_nothing_ran(tasks: TaskKit) -> None:
    with pytest.raises(AssertionError, match=r"nothing; await tasks\.drain"):
        tasks.assert_dead(charge)


async def test_a_job_that_was_not_retried_was_retried_0_times(tasks: TaskKit) -> None:
    await sell.enqueue("tea")
    await tasks.drain()

    tasks.assert_retried(sell, times=0)


async def test_the_next_attempts_fail_as_told_and_the_one_after_runs(tasks: TaskKit) -> None:
    tasks.fail_next(sell, DeclinedError("not now"), times=2)
    job = await sell.enqueue("tea")

    await tasks.travel(minutes=1)

    tasks.assert_retried(sell, delays=[1, 2])
    assert await job.result() == "1 tea at attempt 3"


async def test_a_timeout_is_tested_by_failing_with_one(tasks: TaskKit) -> None:
    tasks.fail_next(weigh, TimeoutError)
    await weigh.enqueue(5)

    assert (await tasks.drain()).retried == 1


async def test_what_a_task_raises_to_steer_its_job_does(tasks: TaskKit) -> None:
    await steer.enqueue("retry")
    await steer.enqueue("give up")
    await tasks.drain()

    tasks.assert_retried(steer, delays=[30])
    assert tasks.assert_dead(steer, reason="gave_up").error == "GiveUp: the customer is gone"


async def test_a_snooze_does_not_count(tasks: TaskKit) -> None:
    job = await steer.enqueue("snooze")

    assert (await tasks.drain()).snoozed == 1
    await tasks.travel(seconds=60)

    assert await job.result() == "attempt 1"


# -- time --------------------------------------------------------------------------------


async def test_time_stands_still_until_it_is_moved(tasks: TaskKit) -> None:
    before = tasks.clock.now

    await sell.enqueue("tea")
    await tasks.drain()

    assert tasks.clock.now == before


async def test_what_falls_due_runs_in_order_at_its_own_time(tasks: TaskKit) -> None:
    for item, delay in [("third", 30), ("first", 10), ("second", 20)]:
        await sell.using(delay=delay).enqueue(item)

    await tasks.travel(seconds=25)

    assert [line.partition(" sell")[0] for line in tasks.timeline(sell)] == ["+10 s", "+20 s"]
    assert tasks.clock.now_ms() == tasks.clock.began_ms + 25_000


async def test_a_job_that_expires_before_it_is_started_never_runs(tasks: TaskKit) -> None:
    job = await sell.using(delay=10, expires=20).enqueue("tea")
    tasks.redis_down(seconds=30)

    drained = await tasks.travel(minutes=1)

    assert drained.expired == 1
    with pytest.raises(JobExpiredError):
        await job.result()


async def test_travelling_back_is_refused(tasks: TaskKit) -> None:
    with pytest.raises(KitError, match="travel leads forward only"):
        await tasks.travel(seconds=-1)


def test_a_test_without_a_loop_travels_too(tasks: TaskKit) -> None:
    sell.using(delay=60).enqueue_sync("tea")

    assert tasks.travel_sync(minutes=2).succeeded == 1


# -- cron --------------------------------------------------------------------------------


async def test_cron_tasks_tick_at_their_time_in_their_zone(tasks: TaskKit) -> None:
    tasks.clock.set("2026-10-24T12:00[Europe/Vienna]")

    drained = await tasks.travel(days=2)

    assert drained.succeeded == 2
    ran = [datetime.fromtimestamp(one.at_ms / 1000, UTC).isoformat() for one in tasks.attempts(close_the_till)]
    assert ran == ["2026-10-25T02:00:00+00:00", "2026-10-26T02:00:00+00:00"]


async def test_the_job_of_a_tick_has_the_id_that_a_worker_gives_it(tasks: TaskKit) -> None:
    tasks.clock.set("2026-06-01T00:00Z")

    await tasks.travel(hours=2)

    assert [one.job_id for one in tasks.all(close_the_till)] == ["close_the_till:1780275600000"]


async def test_cron_can_be_left_out(tasks: TaskKit) -> None:
    assert (await tasks.travel(days=2, cron=False)).attempts == 0


async def test_the_ticks_of_a_task_can_be_asked_for(tasks: TaskKit) -> None:
    between = (datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 26, 12, tzinfo=UTC))

    ticks = tasks.cron_ticks(close_the_till, between=between)

    assert [tick.isoformat() for tick in ticks] == ["2026-10-25T03:00:00+01:00", "2026-10-26T03:00:00+01:00"]


# -- faults ------------------------------------------------------------------------------


async def test_a_job_whose_worker_dies_runs_again_when_its_claim_lapses(tasks: TaskKit) -> None:
    tasks.kill_worker(during=sell)
    job = await sell.using(timeout=50).enqueue("tea")

    async with shop.running() as till:
        assert (await tasks.drain()).lost == 1
        assert await job.status() is JobState.RUNNING
        await tasks.travel(seconds=60)

        assert till.rung == ["tea", "tea"]
    assert await job.result() == "1 tea at attempt 1"


async def test_a_job_that_kills_its_workers_is_dead_at_last(tasks: TaskKit) -> None:
    tasks.kill_worker(during=sell, times=3)
    await sell.enqueue("tea")

    await tasks.travel(hours=1)

    assert tasks.assert_dead(sell, reason="worker_lost").number == 1


async def test_an_enqueue_is_refused_while_redis_is_down(tasks: TaskKit) -> None:
    tasks.redis_down(seconds=30)

    with pytest.raises(BrokerUnavailableError, match="redis_down"):
        await sell.enqueue("tea")
    with pytest.raises(BrokerUnavailableError):
        await sell.job("a").status()

    await tasks.travel(seconds=30)
    await sell.enqueue("tea")


async def test_nothing_runs_while_redis_is_down_and_everything_after(tasks: TaskKit) -> None:
    await sell.using(delay=10).enqueue("tea")
    tasks.redis_down(seconds=30)

    await tasks.travel(minutes=1)

    assert tasks.timeline(sell) == ["+30 s sell attempt 1: succeeded"]


def test_redis_is_down_for_some_time(tasks: TaskKit) -> None:
    with pytest.raises(KitError, match="expected seconds to be more than 0"):
        tasks.redis_down(seconds=0)


async def test_a_running_job_can_be_aborted(tasks: TaskKit) -> None:
    started = asyncio.Event()

    @shop.task(name="hold_on", ctx=False)
    async def hold_on() -> None:
        started.set()
        await asyncio.Event().wait()

    job = await hold_on.enqueue()
    draining = asyncio.create_task(tasks.drain())
    await started.wait()

    assert await job.abort()
    assert (await draining).aborted == 1
    with pytest.raises(JobAbortedError):
        await job.result()


async def test_a_drain_that_is_cancelled_gives_its_job_back(tasks: TaskKit) -> None:
    started = asyncio.Event()

    @shop.task(name="hold_on_too", ctx=False)
    async def hold_on() -> None:
        started.set()
        await asyncio.Event().wait()

    job = await hold_on.enqueue()
    draining = asyncio.create_task(tasks.drain())
    await started.wait()
    draining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await draining

    assert (await job.status(), (await job.info()).attempts) == (JobState.QUEUED, 0)


# -- the redis of a body -----------------------------------------------------------------


async def test_a_body_that_uses_redis_is_told_to_be_given_one(tasks: TaskKit) -> None:
    with pytest.raises(KitError, match=r"a task used ctx.redis.get, and the test kit has no Redis; .*tasks.redis ="):
        await tasks.run_one(look.call("key"))


async def test_a_body_gets_the_redis_that_the_test_gives(tasks: TaskKit) -> None:
    class Shelf:
        async def get(self, key: str) -> str:
            return f"value of {key}"

    tasks.redis = Shelf()

    assert await tasks.run_one(look.call("key")) == "value of key"


def test_a_handle_that_is_not_covered_is_refused_everywhere(tasks: TaskKit) -> None:
    for ask in (tasks.assert_retried, tasks.assert_dead, tasks.fail_next, tasks.timeline, tasks.all):
        with pytest.raises(KitError, match="not among those that this test covers"):
            ask(elsewhere)


def test_giving_up_is_no_exception_of_the_kit() -> None:
    assert not issubclass(GiveUp, KitError)
