"""The tasks of 'invoices', for callers that cannot import them; written by `scalr-tasks stubs`, not by hand."""

import datetime
import pydantic
import scalr_tasks

registry = scalr_tasks.Registry('invoices', queues=[scalr_tasks.Queue('default'), scalr_tasks.Queue('bulk')])


@registry.declare(queue='default')
async def send_invoice_email(invoice_id: int, to: str = 'customer@example.com') -> pydantic.JsonValue:
    'Send one invoice.'
    raise NotImplementedError


@registry.declare(queue='default')
async def remind_customer(invoice_id: int) -> str:
    'Send a reminder through a mail server that is busy twice.'
    raise NotImplementedError


@registry.declare(queue='default')
async def charge_card(invoice_id: int) -> str:
    'Charge a card; the provider declines until the customer has called the bank.'
    raise NotImplementedError


@registry.declare(queue='bulk')
async def rebuild_report(month: datetime.date) -> int:
    "Rebuild a month's report; a plain function, so the worker runs it in a thread."
    raise NotImplementedError


@registry.declare(queue='default', expires=60)
async def forget_old_drafts() -> None:
    'Tidy up every four seconds; a real app would say `cron="0 3 * * *", timezone="Europe/Vienna"`.'
    raise NotImplementedError
