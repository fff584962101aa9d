"""Enqueue some jobs and wait for their results, as a request handler would.

python enqueue.py 41 42 43
"""

import asyncio
import sys
from datetime import date

from app.tasks import rebuild_report, registry, send_invoice_email

from scalr_tasks import enqueue_many


async def main(invoice_ids: list[int]) -> None:
    """Send the invoices and rebuild the report of a month."""
    async with registry:
        jobs = await enqueue_many(send_invoice_email.call(invoice_id=one) for one in invoice_ids)
        report = await rebuild_report.enqueue(month=date(2026, 11, 1))
        for job in jobs:
            receipt = await job.result(timeout=30)
            print(f"invoice {receipt.invoice_id} went to {receipt.to} on {receipt.sent_on}")
        print(f"the report has {await report.result(timeout=30)} lines")


if __name__ == "__main__":
    asyncio.run(main([int(word) for word in sys.argv[1:]] or [41, 42, 43]))
