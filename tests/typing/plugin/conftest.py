"""Projects on disk, checked by a real mypy with the plugin."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).resolve().parents[3]

CONFIG = """
[tool.mypy]
strict = true
show_error_codes = true
show_error_context = false
pretty = false
plugins = ["scalr_tasks.typecheck.mypy_plugin"]

[tool.scalr_tasks]
"""

TASKS = """
from scalr_tasks import Context, task

@task
async def send_invoice_email(ctx: Context, invoice_id: int, *, subject: str = "") -> str:
    return subject

@task(name="rebuild", ctx=False)
async def rebuild_report(month: int) -> list[int]:
    return [month]
"""


class Project:
    """A folder with a package `app`; each check answers with the lines that mypy wrote, without its summary."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.cache = cache
        self.write("app/__init__.py", "")
        self.configure('tasks = ["app.tasks"]', "literal_names = true")

    def configure(self, *lines: str) -> None:
        self.write("pyproject.toml", CONFIG + "\n".join(lines) + "\n")

    def write(self, path: str, source: str) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        before = target.stat().st_mtime_ns if target.exists() else 0
        target.write_text(dedent(source))
        # mypy's daemon looks at seconds of a file's time; a test is faster than that.
        later = max(target.stat().st_mtime_ns, before + 2_000_000_000)
        os.utime(target, ns=(later, later))

    def mypy(self, *words: str) -> list[str]:
        return self._run("mypy", "--cache-dir", str(self.cache), *(words or ("app",)))

    def daemon(self, *words: str) -> list[str]:
        """Check in mypy's daemon, which is started where it does not run."""
        return self._run("mypy.dmypy", *words)

    def _run(self, *words: str) -> list[str]:
        env = dict(os.environ, PYTHONPATH=str(ROOT), MYPYPATH=".")
        done = subprocess.run(
            [sys.executable, "-m", *words],
            check=False,
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert not done.stderr or "mypy.dmypy" in words, done.stderr
        lines = (done.stdout + done.stderr).splitlines()
        return [line for line in lines if not line.startswith(("Found ", "Success:", "Daemon"))]


MakeProject = Callable[[], Project]


@pytest.fixture(scope="session")
def warm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy knows of the libraries: the same for each project, which gets a copy of its own.

    One cache for all would mix them up: their files have the same names, and sometimes the same size and time.
    """
    folder = tmp_path_factory.mktemp("mypy-warm")
    library = Project(folder, folder / "cache")
    library.write("app/tasks.py", TASKS)
    library.mypy()
    for own in (folder / "cache").rglob("app*"):
        if own.is_dir():
            shutil.rmtree(own)
    return folder / "cache"


@pytest.fixture
def project(tmp_path: Path, warm_cache: Path) -> Iterator[Project]:
    """A project whose `app.tasks` declares two tasks."""
    shutil.copytree(warm_cache, tmp_path / "mypy-cache")
    made = Project(tmp_path, tmp_path / "mypy-cache")
    made.write("app/tasks.py", TASKS)
    yield made
    if (tmp_path / ".dmypy.json").exists():
        made.daemon("stop")
