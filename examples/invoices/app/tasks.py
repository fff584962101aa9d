"""The tasks of the invoices app: two queues, a lifespan with typed state, a cron task.

Run them:      scalr-tasks worker app.tasks
With plain arq: arq app.tasks.DefaultSettings      (and app.tasks.BulkSettings)
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date

from pydantic import BaseModel

from scalr_tasks import Context, Queue, Registry


class Receipt(BaseModel):
    """What sending an invoice gives back."""

    invoice_id: int
    to: str
    sent_on: date


@dataclass
class Outbox:
    """Stands for a connection to a mail server: opened once, shared by all jobs of a worker."""

    sent: list[int] = field(default_factory=list)


@asynccontextmanager
async def lifespan() -> AsyncIterator[Outbox]:
    """Open what the tasks share; a worker enters it once."""
    yield Outbox()


class MailServerBusyError(Exception):
    """The mail server wants us to try later."""


class CardDeclinedError(Exception):
    """The payment provider said no."""


registry = Registry[Outbox](
    "invoices",
    queues=[Queue("default"), Queue("bulk", concurrency=2)],
    lifespan=lifespan,
)


@registry.task(retries=3, timeout=60)
async def send_invoice_email(ctx: Context[Outbox], invoice_id: int, to: str = "customer@example.com") -> Receipt:
    """Send one invoice."""
    ctx.state.sent.append(invoice_id)
    return Receipt(invoice_id=invoice_id, to=to, sent_on=ctx.enqueued_at.date())


@registry.task(retries=4, backoff=0.5)
async def remind_customer(ctx: Context[Outbox], invoice_id: int) -> str:
    """Send a reminder through a mail server that is busy twice."""
    if ctx.attempt <= 2:
        raise MailServerBusyError("421 try again later")
    return f"reminded of invoice {invoice_id} at attempt {ctx.attempt}"


@registry.task(retries=1, backoff=0.2)
async def charge_card(ctx: Context[Outbox], invoice_id: int) -> str:
    """Charge a card; the provider declines until the customer has called the bank."""
    if not await ctx.redis.exists(f"invoices:card-unblocked:{invoice_id}"):
        raise CardDeclinedError("card blocked by the bank")
    return f"invoice {invoice_id} is paid"


@registry.task(queue="bulk", timeout=1800)
def rebuild_report(ctx: Context[Outbox], month: date) -> int:
    """Rebuild a month's report; a plain function, so the worker runs it in a thread."""
    return sum(1 for day in range(1, 32) if day % month.month == 0)


@registry.task(cron="*/4 * * * * *", retries=0, expires=60)
async def forget_old_drafts(ctx: Context[Outbox]) -> None:
    """Tidy up every four seconds; a real app would say `cron="0 3 * * *", timezone="Europe/Vienna"`."""
    ctx.log.debug("drafts forgotten")


DefaultSettings = registry.worker_settings("default")
BulkSettings = registry.worker_settings("bulk")
