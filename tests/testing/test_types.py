"""What mypy says of tests: assertions are typed against the handle."""

import subprocess
import sys
from pathlib import Path

from tests.architecture.source import ROOT

SOURCE = """\
from datetime import timedelta

from scalr_tasks import Context, task
from scalr_tasks.testing.kit import TaskKit


@task
async def send(ctx: Context, invoice_id: int) -> str:
    return "sent"


async def right(tasks: TaskKit) -> None:
    tasks.assert_enqueued(send.call(invoice_id=1), times=1, delay=timedelta(hours=1))
    tasks.assert_enqueued(send, where=lambda given: given.invoice_id > 1)
    with tasks.inline(only=[send]):
        pass
    reveal_type(await tasks.run_one(send, attempt=2))
    reveal_type(tasks.only(send).job)


async def wrong(tasks: TaskKit) -> None:
    tasks.assert_enqueued(send.call(invoce_id=1))
    tasks.assert_enqueued(send.call(invoice_id="1"))
    tasks.assert_enqueued(send.call(invoice_id=1), where=lambda given: True)
    tasks.assert_enqueued("send")
    tasks.drain()
"""


def test_mypy_sees_through_the_kit(tmp_path: Path) -> None:
    (tmp_path / "case.py").write_text(SOURCE, "utf-8")
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\nenable_error_code = unused-awaitable\n", "utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "case.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    said = [line.removeprefix("case.py:") for line in done.stdout.splitlines()]
    lines = {int(line.split(":")[0]) for line in said if ": error: " in line}
    assert lines == {22, 23, 24, 25, 26}, done.stdout
    assert any(line.startswith("17: note: Revealed type is") and "str" in line for line in said), done.stdout
    assert any(line.startswith("18: note: Revealed type is") and "Job[" in line for line in said), done.stdout
