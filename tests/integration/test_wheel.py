"""The wheel, as a user installs it: in an empty environment, with the `demo` extra, far from the checkout."""

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*words: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    return subprocess.run(
        [str(word) for word in words],
        check=False,
        cwd=cwd,
        env=env | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_installed_wheel_runs_the_demo_and_tells_the_whole_story(tmp_path: Path) -> None:
    built = run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", tmp_path, ROOT, cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("scalr_tasks-*.whl")
    venv.create(tmp_path / "empty", with_pip=True)
    installed = run(tmp_path / "empty/bin/pip", "install", "-q", f"{wheel}[demo]", cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr

    demo = run(tmp_path / "empty/bin/scalr-tasks", "demo", cwd=tmp_path)

    assert demo.returncode == 0, demo.stdout + demo.stderr
    for part in (
        "await job.result() -> Receipt(invoice_id=41",
        "InvalidArgumentsError [ST102]: send_invoice_email: invoice_idd: is not a parameter, did you mean 'invoice_id'?",
        "attempt 2/5, again in",
        "'reminded of invoice 41 at attempt 3'",
        "CardDeclinedError: card blocked by the bank · dead after attempt 2",
        "is back on its queue",
        "'invoice 41 is paid'",
        "has run, as job forget_old_drafts:",
        "everything that was started is stopped",
    ):
        assert part in demo.stdout
    assert "Traceback" not in demo.stderr
