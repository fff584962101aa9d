"""What is enqueued: recorded, compared by value, run on demand. No Redis, no sleep, no mock."""

from datetime import date, timedelta

import pytest
from app.tasks import rebuild_report, registry, remind_customer, send_invoice_email

from scalr_tasks import InvalidArgumentsError, JobState, enqueue_many
from scalr_tasks.testing.kit import TaskKit


async def close_the_month(invoice_ids: list[int]) -> None:
    """What a request handler of this app might do."""
    await enqueue_many(send_invoice_email.call(invoice_id=one) for one in invoice_ids)
    await rebuild_report.using(delay=timedelta(hours=1)).enqueue(month=date(2026, 11, 1))


async def test_closing_a_month_sends_every_invoice_and_rebuilds_the_report(tasks: TaskKit) -> None:
    await close_the_month([41, 42])

    tasks.assert_enqueued(send_invoice_email.call(invoice_id=41), times=1)
    tasks.assert_enqueued(send_invoice_email, where=lambda given: given.invoice_id == 42)
    tasks.assert_enqueued(rebuild_report.call(month=date(2026, 11, 1)), queue="bulk", delay=timedelta(hours=1))
    tasks.assert_not_enqueued(remind_customer)


async def test_an_invoice_goes_to_the_customer(tasks_inline: TaskKit) -> None:
    job = await send_invoice_email.enqueue(invoice_id=41, to="anna@example.com")

    receipt = await job.result()

    assert (receipt.invoice_id, receipt.to) == (41, "anna@example.com")


async def test_every_invoice_is_sent_once(tasks: TaskKit) -> None:
    async with registry.running() as outbox:
        await close_the_month([41, 42])
        await tasks.drain()

        assert outbox.sent == [41, 42]
    assert await tasks.only(rebuild_report).job.status() is JobState.DEFERRED


async def test_the_report_is_rebuilt_an_hour_later(tasks: TaskKit) -> None:
    await close_the_month([])

    assert (await tasks.drain()).succeeded == 0
    assert (await tasks.travel(hours=1, cron=False)).succeeded == 1


async def test_a_call_that_does_not_fit_is_refused_before_anything_is_stored(tasks: TaskKit) -> None:
    with pytest.raises(InvalidArgumentsError, match="invoice_id"):
        await send_invoice_email.enqueue(invoice_id="41")  # type: ignore[arg-type]  # the mistake is the test

    tasks.assert_nothing_enqueued()


def test_a_script_without_an_event_loop_is_tested_the_same_way(tasks: TaskKit) -> None:
    job = rebuild_report.enqueue_sync(month=date(2026, 11, 1))

    tasks.drain_sync()

    assert job.result_sync() == 2
