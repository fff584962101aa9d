"""What goes wrong: retries at their own time, dead jobs, a worker that dies, a Redis that is away."""

import pytest
from app.tasks import CardDeclinedError, MailServerBusyError, charge_card, registry, remind_customer, send_invoice_email

from scalr_tasks import BrokerUnavailableError, TaskFailedError
from scalr_tasks.testing.kit import TaskKit


class Bank:
    """Stands for the Redis that `charge_card` asks."""

    def __init__(self) -> None:
        self.unblocked: set[str] = set()

    async def exists(self, key: str) -> bool:
        return key in self.unblocked


@pytest.fixture
def bank(tasks: TaskKit) -> Bank:
    bank = Bank()
    tasks.redis = bank
    return bank


async def test_a_reminder_outlives_a_mail_server_that_is_busy_twice(tasks: TaskKit) -> None:
    job = await remind_customer.enqueue(invoice_id=41)

    await tasks.travel(minutes=1, cron=False)

    tasks.assert_retried(remind_customer, delays=[0.5, 1])
    assert await job.result() == "reminded of invoice 41 at attempt 3"
    assert tasks.timeline(remind_customer) == [
        "+0 s remind_customer attempt 1: retried, again in 0.5 s: MailServerBusyError: 421 try again later",
        "+0.5 s remind_customer attempt 2: retried, again in 1 s: MailServerBusyError: 421 try again later",
        "+1.5 s remind_customer attempt 3: succeeded",
    ]


async def test_the_third_attempt_is_the_one_that_reminds(tasks: TaskKit) -> None:
    assert await tasks.run_one(remind_customer.call(invoice_id=41), attempt=3) is not None
    with pytest.raises(MailServerBusyError):
        await tasks.run_one(remind_customer.call(invoice_id=42), attempt=2)


async def test_a_blocked_card_is_given_up_on(tasks: TaskKit, bank: Bank) -> None:
    job = await charge_card.enqueue(invoice_id=41)

    await tasks.travel(minutes=1, cron=False)

    tasks.assert_dead(charge_card, reason="card blocked by the bank")
    with pytest.raises(TaskFailedError):
        await job.result()


async def test_a_card_that_is_unblocked_meanwhile_is_charged(tasks: TaskKit, bank: Bank) -> None:
    job = await charge_card.enqueue(invoice_id=41)
    await tasks.drain()
    bank.unblocked.add("invoices:card-unblocked:41")

    await tasks.travel(seconds=1, cron=False)

    assert await job.result() == "invoice 41 is paid"


async def test_what_a_task_raises_reaches_an_inline_test(tasks_inline: TaskKit, bank: Bank) -> None:
    with pytest.raises(CardDeclinedError):
        await charge_card.enqueue(invoice_id=41)


async def test_a_mail_server_that_hangs_is_tried_again(tasks: TaskKit) -> None:
    tasks.fail_next(send_invoice_email, TimeoutError)
    await send_invoice_email.enqueue(invoice_id=41)

    drained = await tasks.travel(seconds=1, cron=False)

    assert (drained.retried, drained.succeeded) == (1, 1)


async def test_an_invoice_may_go_out_twice_when_its_worker_dies(tasks: TaskKit) -> None:
    tasks.kill_worker(during=send_invoice_email)

    async with registry.running() as outbox:
        await send_invoice_email.enqueue(invoice_id=41)
        await tasks.travel(minutes=5, cron=False)

        assert outbox.sent == [41, 41]  # at least once, never lost: so the mail carries the job id


async def test_an_enqueue_is_refused_and_not_lost_while_redis_is_away(tasks: TaskKit) -> None:
    tasks.redis_down(seconds=30)

    with pytest.raises(BrokerUnavailableError):
        await send_invoice_email.enqueue(invoice_id=41)

    await tasks.travel(seconds=30, cron=False)
    await send_invoice_email.enqueue(invoice_id=41)
    assert (await tasks.drain()).succeeded == 1
