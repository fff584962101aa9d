"""A whole pytest run of its own, as a user of the plugin has it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

APP = """\
from scalr_tasks import Context, Registry

registry = Registry("app")


@registry.task(retries=1)
async def greet(ctx: Context, name: str) -> str:
    return f"hello {name}"
"""


@dataclass(frozen=True)
class Run:
    status: int
    output: str

    def outcomes(self) -> str:
        """The last line without its time: `2 failed, 1 passed`."""
        return self.output.strip().splitlines()[-1].strip("= ").partition(" in ")[0]


class Project:
    """A folder with an app and tests of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "app.py").write_text(APP, "utf-8")

    def write(self, name: str, source: str) -> None:
        (self.folder / name).write_text(source, "utf-8")

    def run(self, *arguments: str, ini: str = "", environ: dict[str, str] | None = None) -> Run:
        """Run pytest here; nothing listens where the settings say that Redis is."""
        self.write("pytest.ini", f"[pytest]\npythonpath = .\n{ini}\n")
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SCALR_TASKS_"))}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments],
            cwd=self.folder,
            env=ours | {"REDIS_URL": "redis://127.0.0.1:1/0"} | (environ or {}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Run(done.returncode, done.stderr + done.stdout)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
