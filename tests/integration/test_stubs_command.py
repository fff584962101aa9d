"""`scalr-tasks stubs`: files that checkers see and that run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, Run

CALLER = """
import asyncio
from shop_tasks import add, registry

async def main() -> None:
    async with registry:
        job = await add.enqueue(a=40, b=2)
        print(await job.result(timeout=30))

asyncio.run(main())
"""


def python(cwd: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder."""
    env = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, *words], check=False, cwd=cwd, env=env, capture_output=True, text=True, timeout=60
    )


def test_the_stubs_are_written_and_proved_with_the_checkers_that_are_there(command: Run, folder: Path) -> None:
    written = command("stubs", "shop.tasks")

    assert written.wait(240) == 0, written.stdout + written.stderr
    assert "mypy sees the stubs: 'addx' is an error, 'add' is not" in written.stdout
    assert (folder / "stubs" / "shop_tasks.pyi").is_file()


def test_a_job_of_the_stub_is_run_by_the_worker_it_was_written_for(command: Run, folder: Path, redis_url: str) -> None:
    assert command("stubs", "shop.tasks", "--no-proof").wait() == 0
    (folder / "caller.py").write_text(CALLER)
    worker = command("worker", "shop.tasks")

    caller = python(folder, "caller.py", PYTHONPATH=f"{ROOT}:{folder / 'stubs'}", REDIS_URL=redis_url)

    assert (caller.returncode, caller.stdout) == (0, "42\n"), caller.stderr
    worker.signal()
    assert worker.wait() == 0


@pytest.mark.parametrize("change", ["the code", "the file"])
def test_check_fails_where_the_stubs_are_stale(command: Run, folder: Path, change: str) -> None:
    assert command("stubs", "shop.tasks", "--no-proof").wait() == 0
    assert command("stubs", "shop.tasks", "--no-proof", "--check").wait() == 0

    path = folder / "shop/tasks.py" if change == "the code" else folder / "stubs/shop_tasks.py"
    path.write_text(path.read_text().replace("b: int = 1", "b: int = 2"))

    checked = command("stubs", "shop.tasks", "--no-proof", "--check")
    assert checked.wait() == 1
    assert "shop_tasks.py is not what shop.tasks declares; write it: scalr-tasks stubs shop.tasks" in checked.stdout


def test_the_stubs_of_the_example_app_are_not_stale() -> None:
    words = ["-m", "scalr_tasks", "stubs", "app.tasks", "--out", "../../stubs", "--check", "--no-proof"]

    checked = python(ROOT / "examples/invoices", *words, PYTHONPATH=str(ROOT))

    assert checked.returncode == 0, checked.stdout + checked.stderr
