"""The example app under both engines: the same jobs, the same results."""

import importlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "invoices"

ENGINES = {
    "plain arq": [
        ["-m", "arq", "app.tasks.DefaultSettings", "--burst"],
        ["-m", "arq", "app.tasks.BulkSettings", "--burst"],
    ],
    "our worker": [["-m", "scalr_tasks", "worker", "app.tasks", "--burst"]],
}


@pytest.fixture
async def example(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.syspath_prepend(str(EXAMPLE))
    module = importlib.import_module("app.tasks")
    yield module
    await module.registry.close()
    for name in ("app.tasks", "app"):
        sys.modules.pop(name)


@pytest.mark.parametrize("engine", ENGINES)
async def test_both_engines_drain_the_jobs_of_the_example(example: Any, redis_url: str, engine: str) -> None:
    sent = [await example.send_invoice_email.enqueue(invoice_id=number) for number in range(5)]
    reminded = await example.remind_customer.using(backoff=0).enqueue(invoice_id=1)
    report = await example.rebuild_report.enqueue(month=date(2026, 11, 1))

    for words in ENGINES[engine]:
        environment = dict(os.environ, REDIS_URL=redis_url)
        subprocess.run([sys.executable, *words], cwd=EXAMPLE, env=environment, check=True, timeout=60)

    receipts = [await job.result(timeout=1) for job in sent]
    assert [receipt.invoice_id for receipt in receipts] == list(range(5))
    assert {type(receipt).__name__ for receipt in receipts} == {"Receipt"}
    assert await reminded.result(timeout=1) == "reminded of invoice 1 at attempt 3"
    assert await report.result(timeout=1) == 2


def test_the_script_of_the_example_enqueues_and_prints_typed_results(redis_url: str) -> None:
    environment = dict(os.environ, REDIS_URL=redis_url)
    worker = subprocess.Popen(
        [sys.executable, "-m", "scalr_tasks", "worker", "app.tasks"],
        cwd=EXAMPLE,
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        script = subprocess.run(
            [sys.executable, "enqueue.py", "41", "42"],
            cwd=EXAMPLE,
            env=environment,
            check=True,
            timeout=60,
            capture_output=True,
            text=True,
        )
    finally:
        worker.terminate()
        worker.wait(30)

    assert script.stdout.splitlines()[0].startswith("invoice 41 went to customer@example.com on ")
    assert script.stdout.splitlines()[-1] == "the report has 2 lines"
