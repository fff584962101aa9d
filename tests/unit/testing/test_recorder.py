"""`testing/recorder.py`: assertions about what was enqueued, and what they say when they fail."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from scalr_tasks import InvalidArgumentsError, enqueue_many
from scalr_tasks.errors import KitError
from scalr_tasks.testing.kit import TaskKit
from tests.unit.testing.shop import elsewhere, order, sell, weigh

HOUR = timedelta(hours=1)


# -- finding -----------------------------------------------------------------------------


async def test_a_call_is_found_by_its_arguments_however_they_were_written(tasks: TaskKit) -> None:
    await sell.enqueue("tea", count=2)

    found = tasks.assert_enqueued(sell.call(count=2, item="tea"))

    assert (found.queue, found.delay, found.arguments.count) == ("default", timedelta(), 2)


async def test_a_default_that_was_left_out_is_the_same_call(tasks: TaskKit) -> None:
    await sell.enqueue("tea")

    tasks.assert_enqueued(sell.call("tea", count=1))


async def test_a_task_alone_is_found_whatever_its_arguments(tasks: TaskKit) -> None:
    await sell.enqueue("tea")

    assert tasks.assert_enqueued(sell).arguments["item"] == "tea"


async def test_a_condition_sees_the_arguments_by_name(tasks: TaskKit) -> None:
    await sell.enqueue("tea", 1)
    await sell.enqueue("milk", 7)

    assert tasks.assert_enqueued(sell, where=lambda given: given.count > 5).arguments.item == "milk"


async def test_every_way_of_enqueueing_is_recorded(tasks: TaskKit) -> None:
    await sell.enqueue("one")
    await enqueue_many([sell.call("two"), sell.call("three")])
    await sell.call("four").enqueue()

    assert [one.arguments.item for one in tasks.all(sell)] == ["one", "two", "three", "four"]


def test_a_blocking_enqueue_is_recorded(tasks: TaskKit) -> None:
    sell.enqueue_sync("tea")

    assert tasks.only(sell).arguments.item == "tea"


async def test_an_enqueue_that_was_a_duplicate_is_not_another_job(tasks: TaskKit) -> None:
    first = await sell.using(job_id="a").enqueue("tea")
    second = await sell.using(job_id="a").enqueue("tea")

    tasks.assert_enqueued(sell, times=1)
    assert (first.duplicate, second.duplicate) == (False, True)


async def test_the_recorded_job_gives_the_handle_of_the_caller(tasks: TaskKit) -> None:
    job = await sell.enqueue("tea")

    assert tasks.only(sell).job == job


async def test_arguments_are_what_the_worker_reads(tasks: TaskKit) -> None:
    items = ["tea"]
    await order.enqueue(items)
    items.append("milk")

    assert tasks.only(order).arguments.items == ["tea"]


@pytest.mark.parametrize("delay", [HOUR, 3600])
async def test_a_delay_is_expected_in_seconds_or_as_a_timedelta(tasks: TaskKit, delay: timedelta | float) -> None:
    await sell.using(delay=HOUR).enqueue("tea")

    tasks.assert_enqueued(sell, delay=delay)


async def test_a_time_is_found_by_a_delay_that_is_almost_right(tasks: TaskKit) -> None:
    await sell.using(at=tasks.clock.now + HOUR).enqueue("tea")

    tasks.assert_enqueued(sell, delay=HOUR + timedelta(milliseconds=900))
    with pytest.raises(AssertionError, match="delay: expected 1:00:02, got 1:00:00"):
        tasks.assert_enqueued(sell, delay=HOUR + timedelta(seconds=2))


async def test_an_expected_call_expects_what_its_using_said(tasks: TaskKit) -> None:
    await sell.using(queue="bulk", delay=60, retries=0).enqueue("tea")

    tasks.assert_enqueued(sell.using(queue="bulk", delay=60, retries=0).call("tea"))
    tasks.assert_enqueued(sell.call("tea"))
    for wrong, text in [
        (sell.using(retries=1), "retries: expected 1, got 0"),
        (sell.using(delay=30), "delay: expected 0:00:30, got 0:01:00"),
        (sell.using(timeout=5), "timeout_ms: expected 5000, got the task's own"),
        (sell.using(at=datetime(2030, 1, 1, tzinfo=UTC)), "at: expected 2030-01-01T00:00:00"),
    ]:
        with pytest.raises(AssertionError, match=re.escape(text)):
            tasks.assert_enqueued(wrong.call("tea"))


async def test_a_call_on_another_queue_is_not_the_expected_one(tasks: TaskKit) -> None:
    await sell.enqueue("tea")

    with pytest.raises(AssertionError, match="queue: expected arq:queue:bulk, got arq:queue:default"):
        tasks.assert_enqueued(sell.using(queue="bulk").call("tea"))


# -- failing -----------------------------------------------------------------------------


async def test_a_failure_shows_the_call_the_nearest_one_the_difference_and_the_list(tasks: TaskKit) -> None:
    await sell.enqueue("tea", 3)
    await sell.enqueue("milk")
    await weigh.enqueue(500)

    with pytest.raises(AssertionError) as caught:
        tasks.assert_enqueued(sell.call("tea", 4), queue="default")

    assert str(caught.value) == (
        "expected sell(item='tea', count=4) on queue 'default'\n"
        "to be enqueued at least once, it was enqueued never\n"
        "\n"
        "the nearest recorded call:\n"
        "  sell(item='tea', count=3) on queue 'default'\n"
        "  count: expected 4, got 3\n"
        "\n"
        "enqueued in this test (3):\n"
        "  1. sell(item='tea', count=3) on queue 'default'\n"
        "  2. sell(item='milk', count=1) on queue 'default'\n"
        "  3. weigh(grams=500) on queue 'bulk'"
    )


def test_a_failure_without_any_job_says_so(tasks: TaskKit) -> None:
    with pytest.raises(AssertionError, match=r"nothing was enqueued in this test$"):
        tasks.assert_enqueued(sell)


async def test_a_wrong_number_of_jobs_fails(tasks: TaskKit) -> None:
    await sell.enqueue("tea")
    await sell.enqueue("tea")

    tasks.assert_enqueued(sell.call("tea"), times=2)
    with pytest.raises(AssertionError, match="to be enqueued once, it was enqueued twice"):
        tasks.assert_enqueued(sell.call("tea"), times=1)


async def test_a_long_list_is_cut(tasks: TaskKit) -> None:
    await enqueue_many(sell.call("tea", count) for count in range(1, 31))

    with pytest.raises(AssertionError, match=r"… and 10 more$"):
        tasks.assert_not_enqueued(sell)


async def test_what_must_not_be_enqueued_and_was_fails(tasks: TaskKit) -> None:
    await sell.enqueue("tea")

    tasks.assert_not_enqueued(sell.call("milk"))
    tasks.assert_not_enqueued(weigh)
    with pytest.raises(AssertionError, match=r"expected sell\(item='tea', count=1\)\nnot to be enqueued"):
        tasks.assert_not_enqueued(sell.call("tea"))


async def test_nothing_means_nothing(tasks: TaskKit) -> None:
    tasks.assert_nothing_enqueued()
    await sell.enqueue("tea")

    with pytest.raises(AssertionError, match="expected nothing to be enqueued"):
        tasks.assert_nothing_enqueued()


async def test_only_wants_exactly_one(tasks: TaskKit) -> None:
    await sell.enqueue("tea")
    await sell.enqueue("milk")

    with pytest.raises(AssertionError, match="expected exactly one job of task 'sell', there are 2"):
        tasks.only(sell)


async def test_what_was_cleared_is_not_seen_and_still_runs(tasks: TaskKit) -> None:
    await sell.enqueue("tea")
    tasks.clear()

    tasks.assert_nothing_enqueued()
    assert (await tasks.drain()).succeeded == 1


# -- asking wrongly ----------------------------------------------------------------------


def test_wrong_arguments_inside_an_assertion_are_refused(tasks: TaskKit) -> None:
    with pytest.raises(InvalidArgumentsError, match="coutn"):
        tasks.assert_enqueued(sell.call("tea", coutn=1))  # type: ignore[call-arg]  # the mistake is the test


def test_a_handle_of_a_registry_that_is_not_covered_is_refused(tasks: TaskKit) -> None:
    with pytest.raises(KitError, match=r"registry 'other' is not among those that this test covers \(shop\)"):
        tasks.assert_not_enqueued(elsewhere)


async def test_an_enqueue_on_a_registry_that_is_not_covered_is_refused(tasks: TaskKit) -> None:
    with pytest.raises(KitError, match="return it from the fixture tasks_registries too"):
        await elsewhere.enqueue()


def test_questions_that_make_no_sense_are_refused(tasks: TaskKit) -> None:
    with pytest.raises(KitError, match="there is assert_not_enqueued"):
        tasks.assert_enqueued(sell, times=0)
    with pytest.raises(KitError, match="where= was given with a whole call"):
        tasks.assert_enqueued(sell.call("tea"), where=lambda given: True)  # type: ignore[call-overload]  # likewise
    with pytest.raises(KitError, match="expected a task or a call of one, got str"):
        tasks.assert_enqueued("sell")  # type: ignore[call-overload]  # likewise
    with pytest.raises(KitError, match="expected delay to be 0 or more"):
        tasks.assert_enqueued(sell, delay=-1)


async def test_an_argument_that_is_not_there_is_named(tasks: TaskKit) -> None:
    await sell.enqueue("tea")

    with pytest.raises(AttributeError, match="there is no argument 'itme'; there are item, count"):
        _ = tasks.only(sell).arguments.itme
