"""`testing/session.py`: what runs on enqueue, in which order, how deep, and in which event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel

from scalr_tasks import (
    Context,
    GiveUp,
    JobState,
    NotSerialisableError,
    Registry,
    RunningLoopError,
    StateUnavailableError,
    TaskFailedError,
    enqueue_many,
    enqueue_many_sync,
)
from scalr_tasks.errors import KitError
from scalr_tasks.testing.kit import TaskKit
from tests.unit.testing.shop import (
    DeclinedError,
    charge,
    elsewhere,
    order,
    order_and_wait,
    order_from_thread,
    repeat,
    sell,
    shop,
    steer,
    weigh,
)

# -- inline ------------------------------------------------------------------------------


async def test_a_job_has_run_when_enqueue_returns(tasks_inline: TaskKit) -> None:
    job = await sell.enqueue("tea")

    assert await job.status() is JobState.DONE
    assert await job.result() == "1 tea at attempt 1"


async def test_a_batch_has_run_when_enqueue_many_returns(tasks_inline: TaskKit) -> None:
    jobs = await enqueue_many([sell.call("tea"), sell.call("milk")])

    assert [await job.result() for job in jobs] == ["1 tea at attempt 1", "1 milk at attempt 1"]


def test_blocking_enqueues_run_inline_too(tasks_inline: TaskKit) -> None:
    assert weigh.enqueue_sync(500).result_sync() == 0.5
    assert enqueue_many_sync([weigh.call(1500)])[0].result_sync() == 1.5


async def test_what_a_task_raises_reaches_the_test(tasks_inline: TaskKit) -> None:
    with pytest.raises(DeclinedError, match="no cover"):
        await charge.enqueue(5)

    tasks_inline.assert_retried(charge, times=1)


async def test_a_raised_error_leaves_the_job_as_its_policy_says(tasks_inline: TaskKit) -> None:
    with pytest.raises(DeclinedError):
        await charge.enqueue(5)
    await tasks_inline.travel(minutes=1)

    tasks_inline.assert_dead(charge, reason="failed")


async def test_a_retry_or_a_snooze_is_no_error(tasks_inline: TaskKit) -> None:
    job = await steer.enqueue("retry")

    assert await job.status() is JobState.RETRYING


async def test_giving_up_is_one(tasks_inline: TaskKit) -> None:
    with pytest.raises(GiveUp, match="the customer is gone"):
        await steer.enqueue("give up")


async def test_errors_stay_in_their_jobs_where_that_is_asked_for(tasks: TaskKit) -> None:
    with tasks.inline(raises=False):
        job = await charge.using(retries=0).enqueue(5)

    with pytest.raises(TaskFailedError, match="no cover"):
        await job.result()


async def test_only_the_chosen_tasks_run(tasks: TaskKit) -> None:
    with tasks.inline(only=[order]):
        await order.enqueue(["tea"])

    assert [one.task for one in tasks.attempts()] == ["order"]
    tasks.assert_enqueued(sell.call("tea"))


async def test_a_deferred_job_does_not_run(tasks_inline: TaskKit) -> None:
    job = await sell.using(delay=1).enqueue("tea")

    assert await job.status() is JobState.DEFERRED


async def test_a_duplicate_does_not_run_again(tasks_inline: TaskKit) -> None:
    for _ in range(2):
        await sell.using(job_id="a").enqueue("tea")

    assert len(tasks_inline.attempts(sell)) == 1


async def test_what_a_body_enqueues_runs_after_the_body(tasks_inline: TaskKit) -> None:
    await order.enqueue(["tea", "milk"])

    assert [one.task for one in tasks_inline.attempts()] == ["order", "sell", "sell"]


@pytest.mark.parametrize("task", [order_and_wait, order_from_thread])
async def test_what_a_body_waits_for_runs_before_it_goes_on(tasks_inline: TaskKit, task: Any) -> None:
    job = await task.enqueue("tea")

    assert await job.result() == "got 1 tea at attempt 1"
    assert [one.task for one in tasks_inline.attempts()] == ["sell", task.name]


async def test_a_failed_child_does_not_fail_the_body_that_enqueued_it(tasks_inline: TaskKit) -> None:
    tasks_inline.fail_next(sell, DeclinedError("not now"))

    with pytest.raises(DeclinedError, match="not now"):
        await order.enqueue(["tea"])

    assert [(one.task, one.end) for one in tasks_inline.attempts()] == [("order", "succeeded"), ("sell", "retried")]


async def test_a_task_that_enqueues_itself_for_ever_is_stopped_at_the_depth(tasks: TaskKit) -> None:
    with tasks.inline(max_depth=3), pytest.raises(KitError, match=r"deeper than max_depth=3, the last one .* 'repeat'"):
        await repeat.enqueue()

    assert len(tasks.attempts(repeat)) == 3


async def test_a_task_that_waits_for_itself_for_ever_is_stopped_too(tasks: TaskKit) -> None:
    @shop.task(name="wait_for_itself", ctx=False, retries=0)
    async def wait_for_itself() -> None:
        await (await wait_for_itself.enqueue()).result()

    with tasks.inline(max_depth=4), pytest.raises(KitError, match="deeper than max_depth=4"):
        await wait_for_itself.enqueue()


async def test_a_depth_that_makes_no_sense_is_refused(tasks: TaskKit) -> None:
    with pytest.raises(KitError, match="expected max_depth to be 1 or more"), tasks.inline(max_depth=0):
        pass


async def test_inline_ends_with_its_block(tasks: TaskKit) -> None:
    with tasks.inline():
        pass

    job = await sell.enqueue("tea")

    assert await job.status() is JobState.QUEUED


async def test_a_task_of_the_body_that_goes_on_after_it_runs_its_own_enqueues(tasks_inline: TaskKit) -> None:
    later: list[asyncio.Task[Any]] = []
    go_on = asyncio.Event()

    @shop.task(name="leave_something_behind", ctx=False)
    async def leave_something_behind() -> None:
        async def enqueue_later() -> str:
            await go_on.wait()
            return await (await sell.enqueue("tea")).result()

        later.append(asyncio.create_task(enqueue_later()))

    await leave_something_behind.enqueue()
    go_on.set()

    assert await later[0] == "1 tea at attempt 1"


# -- the wire ----------------------------------------------------------------------------


class Slip(BaseModel):
    day: date
    items: tuple[str, ...]


async def test_a_body_gets_new_objects_made_from_the_wire(tasks_inline: TaskKit) -> None:
    seen: list[Slip] = []

    @shop.task(name="file_slip", ctx=False)
    async def file_slip(slip: Slip) -> Slip:
        seen.append(slip)
        return slip

    given = Slip(day=date(2026, 1, 1), items=("tea",))
    job = await file_slip.enqueue(given)

    assert seen[0] == given
    assert seen[0] is not given
    assert await job.result() is not seen[0]


class Unfaithful(BaseModel):
    """Reads back as something else than was written."""

    text: str

    def model_post_init(self, _context: Any) -> None:
        self.text = self.text + "!"


async def test_an_argument_that_changes_on_the_wire_fails_by_name(tasks_inline: TaskKit) -> None:
    @shop.task(name="say", ctx=False)
    async def say(what: Unfaithful) -> None: ...

    with pytest.raises(NotSerialisableError, match="say: argument 'what'"):
        await say.enqueue(Unfaithful(text="a"))


async def test_a_result_that_changes_on_the_wire_fails_by_name(tasks_inline: TaskKit) -> None:
    @shop.task(name="answer", ctx=False)
    async def answer() -> Unfaithful:
        return Unfaithful(text="a")

    with pytest.raises(NotSerialisableError, match="answer: the result"):
        await answer.enqueue()


async def test_a_set_may_come_back_in_another_order(tasks_inline: TaskKit) -> None:
    @shop.task(name="mix", ctx=False)
    async def mix(what: set[str]) -> set[str]:
        return what

    job = await mix.enqueue({f"item {number}" for number in range(100)})

    assert len(await job.result()) == 100


async def test_a_result_of_the_wrong_type_fails_by_name(tasks_inline: TaskKit) -> None:
    @shop.task(name="count", ctx=False)
    async def count() -> int:
        return "three"  # type: ignore[return-value]  # the mistake is the test

    with pytest.raises(TaskFailedError, match="task 'count' is dead"):
        await count.enqueue()


async def test_a_state_without_a_lifespan_is_a_clear_error() -> None:
    bare = Registry("bare")

    @bare.task
    async def use_state(ctx: Context[Any]) -> str:
        return str(ctx.state)

    refused = pytest.raises(StateUnavailableError, match="no lifespan of registry 'bare' is running here")
    with TaskKit([bare]) as tasks, tasks.inline(), refused:
        await use_state.enqueue()


# -- registries --------------------------------------------------------------------------


async def test_a_registry_that_is_made_in_the_test_is_covered_too() -> None:
    with TaskKit() as tasks:
        made = Registry("made")

        @made.task(ctx=False)
        async def work() -> int:
            return 1

        await work.enqueue()
        await elsewhere.enqueue()

        assert (await tasks.drain()).succeeded == 2


async def test_a_handle_made_before_the_kit_goes_through_it() -> None:
    job = sell.job("a")

    with TaskKit([shop]):
        await sell.using(job_id="a").enqueue("tea")

        assert await job.status() is JobState.QUEUED


async def test_kits_inside_each_other_do_not_mix() -> None:
    with TaskKit([shop]) as outer:
        with TaskKit([shop]) as inner:
            await sell.enqueue("tea")
        inner.assert_enqueued(sell)
        outer.assert_nothing_enqueued()


async def test_an_unimplemented_task_is_parked_and_told_of(tasks_inline: TaskKit) -> None:
    @shop.declare()
    async def promised() -> None: ...

    with pytest.raises(KitError, match="task 'promised' was parked: unknown task"):
        await promised.enqueue()


# -- event loops -------------------------------------------------------------------------


async def test_jobs_may_not_run_in_two_loops_at_the_same_time(tasks: TaskKit) -> None:
    await tasks.drain()
    caught: list[BaseException] = []

    def drain_elsewhere() -> None:
        try:
            asyncio.run(tasks.drain())
        except KitError as error:
            caught.append(error)

    thread = threading.Thread(target=drain_elsewhere)
    thread.start()
    thread.join()

    assert "in two event loops at the same time" in str(caught[0])


def test_jobs_may_run_in_one_loop_after_another(tasks: TaskKit) -> None:
    async def enqueue() -> None:
        await sell.enqueue("tea")

    asyncio.run(enqueue())

    assert asyncio.run(tasks.drain()).succeeded == 1


async def test_an_enqueue_of_another_thread_is_recorded(tasks: TaskKit) -> None:
    await asyncio.to_thread(sell.enqueue_sync, "tea")

    tasks.assert_enqueued(sell.call("tea"))


async def test_an_enqueue_of_another_thread_runs_inline_in_the_loop_of_the_test(tasks_inline: TaskKit) -> None:
    await sell.enqueue("milk")

    job = await asyncio.to_thread(sell.enqueue_sync, "tea")

    assert await job.result() == "1 tea at attempt 1"


async def test_a_blocking_method_of_the_kit_is_refused_in_a_loop(tasks: TaskKit) -> None:
    with pytest.raises(RunningLoopError):
        tasks.drain_sync()


async def test_a_lifespan_that_fails_fails_the_test_and_the_job_stays(tasks: TaskKit) -> None:
    till_is_there = False

    @asynccontextmanager
    async def broken() -> AsyncIterator[None]:
        if not till_is_there:
            raise DeclinedError("no till today")
        yield

    made = Registry("made", lifespan=broken)

    @made.task(ctx=False)
    async def work() -> None: ...

    with TaskKit([made]) as kit:
        job = await work.enqueue()
        with pytest.raises(DeclinedError, match="no till today"):
            await kit.drain()
        assert await job.status() is JobState.QUEUED
