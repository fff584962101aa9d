"""The backend: it enqueues and answers at once; the worker does the work.

uvicorn app.main:app
"""

from datetime import date

from fastapi import FastAPI
from pydantic import BaseModel

from app.tasks import rebuild_report, registry, send_invoice_email
from scalr_tasks.integrations.fastapi import jobs_router, lifespan

app = FastAPI(title="Invoices", lifespan=lifespan(registry))
app.include_router(jobs_router(registry))  # GET /jobs/{job_id}


class Accepted(BaseModel):
    """What is answered before the work is done."""

    job_id: str


@app.post("/invoices/{invoice_id}/send", status_code=202)
async def send_invoice(invoice_id: int) -> Accepted:
    """Send an invoice; ask for the outcome at `/jobs/{job_id}`."""
    job = await send_invoice_email.enqueue(invoice_id=invoice_id)
    return Accepted(job_id=job.job_id)


@app.post("/reports/{month}", status_code=202)
async def report(month: date) -> Accepted:
    """Rebuild a month's report; a second request while one waits or runs gets the same job."""
    job = await rebuild_report.using(job_id=f"report-{month:%Y-%m}").enqueue(month=month)
    return Accepted(job_id=job.job_id)


@app.get("/healthz")
async def healthz() -> dict[str, bool]:
    """Tell the container's probe that the backend answers."""
    return {"ok": True}
