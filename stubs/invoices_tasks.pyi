"""The tasks of 'invoices', for callers that cannot import them; written by `scalr-tasks stubs`, not by hand."""

import datetime
import pydantic
import scalr_tasks

registry: scalr_tasks.Registry

@registry.declare()
async def send_invoice_email(invoice_id: int, to: str = 'customer@example.com') -> pydantic.JsonValue: ...

@registry.declare()
async def remind_customer(invoice_id: int) -> str: ...

@registry.declare()
async def charge_card(invoice_id: int) -> str: ...

@registry.declare()
async def rebuild_report(month: datetime.date) -> int: ...

@registry.declare()
async def forget_old_drafts() -> None: ...
