"""What the README shows is run: its files, their output, and what mypy says of the wrong one."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

BLOCK = re.compile(r"<!-- (?P<kind>file|output|mypy): (?P<name>\S+) -->\n```\w*\n(?P<body>.*?)```", re.DOTALL)
WORKER_READY = "worker started"


def blocks(kind: str) -> dict[str, str]:
    text = (ROOT / "README.md").read_text("utf-8")
    return {match["name"]: match["body"] for match in BLOCK.finditer(text) if match["kind"] == kind}


@pytest.fixture
def tour(tmp_path: Path) -> Path:
    """A folder with the files of the tour."""
    for name, body in blocks("file").items():
        (tmp_path / name).write_text(body, "utf-8")
    return tmp_path


def environment(redis_url: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("SCALR_TASKS_")}
    paths = os.pathsep.join((str(ROOT), "."))
    return ours | {"REDIS_URL": redis_url, "PYTHONPATH": paths, "MYPYPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def worker(tour: Path, redis_url: str) -> Iterator[subprocess.Popen[str]]:
    """A worker of the tour's tasks, ready."""
    command = [sys.executable, "-m", "scalr_tasks.worker", "tasks"]
    with subprocess.Popen(
        command, cwd=tour, env=environment(redis_url), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if WORKER_READY in line:
                break
        assert process.poll() is None, "".join(said)
        yield process
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def run(tour: Path, redis_url: str, *arguments: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=tour, env=environment(redis_url), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    return done.stdout


def test_the_tour_prints_what_the_readme_says(tour: Path, redis_url: str, worker: subprocess.Popen[str]) -> None:
    printed = {name: run(tour, redis_url, name) for name in blocks("output")}

    assert printed == blocks("output")
    assert "send.py" in printed


def test_mypy_says_of_the_wrong_call_what_the_readme_says(tour: Path, redis_url: str) -> None:
    shown = "".join(blocks("mypy").values())

    said = run(tour, redis_url, "-m", "mypy", "--strict", *blocks("file"))

    errors = [line for line in said.splitlines() if " error: " in line]
    assert len(errors) == 1
    # Not compared word by word: mypy's wording is its own, and newer versions may change it.
    for part in ("wrong.py:9: error: ", '"invoce_id"', 'did you mean "invoice_id"?', "[call-arg]"):
        assert part in errors[0]
        assert part in shown


def test_plain_arq_runs_the_class_of_the_tour(tour: Path, redis_url: str) -> None:
    enqueue = (
        "import asyncio, scalr_tasks, tasks\n"
        "async def main():\n"
        "    job = await tasks.send_invoice_email.enqueue(invoice_id=7)\n"
        "    print(job.job_id)\n"
        "    await scalr_tasks.close()\n"
        "asyncio.run(main())"
    )
    job_id = run(tour, redis_url, "-c", enqueue).strip()

    subprocess.run(
        [sys.executable, "-m", "arq", "worker.DefaultSettings", "--burst"],
        cwd=tour,
        env=environment(redis_url),
        capture_output=True,
        timeout=60,
        check=True,
    )

    look = enqueue.replace("enqueue(invoice_id=7)", f"job({job_id!r}).result(timeout=10)").replace("job.job_id", "job")
    assert run(tour, redis_url, "-c", look).strip() == "invoice 7 is sent"
