"""`scalr-tasks migrate` on an app written as the old page told: what it writes passes mypy --strict, and runs."""

import os
import subprocess
import sys
import textwrap
from contextlib import chdir
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.support import cli

APP = {
    "src/__init__.py": "",
    "src/worker.py": '''
        """The jobs of the app."""

        import logging

        logger = logging.getLogger(__name__)


        # Sends one invoice.
        async def send_invoice_email(ctx: dict, invoice_id: int) -> None:
            logger.info("sending invoice %s (job %s)", invoice_id, ctx["job_id"])
            await ctx["redis"].rpush("said", f"invoice {invoice_id} is sent")


        # everything the worker runs
        tasks = [
            send_invoice_email,  # the only one yet
        ]
    ''',
    "src/api.py": """
        from fastapi import APIRouter
        from scalr_queue import enqueue

        router = APIRouter()


        @router.post("/invoices/{id}/send")
        async def trigger(id: int) -> dict[str, str]:
            job = await enqueue("send_invoice_email", invoice_id=id)  # returns at once
            return {"job_id": job.job_id}


        async def later(id: int) -> None:
            await enqueue(
                "send_invoice_email",
                invoice_id=id,
                _queue_name="bulk",
                _defer_by=0.1,
            )
    """,
    "src/full.py": '''
        from arq import Retry, cron
        from arq.connections import RedisSettings


        async def warm_caches(ctx):
            ctx["rate"] = 2.0


        async def drain_in_flight(ctx):
            ctx.clear()


        async def convert(ctx, amount: float) -> float:
            if ctx["job_try"] == 1:
                raise Retry(defer=0.01)
            rate: float = ctx["rate"]
            return amount * rate


        async def cleanup_stale_invoices(ctx):
            ...


        class WorkerSettings:
            """Everything."""

            functions = [convert]
            cron_jobs = [
                cron(cleanup_stale_invoices, hour=3, minute=0),  # 03:00 daily
            ]
            max_jobs = 50
            job_timeout = 1800
            max_tries = 3  # don't retry forever
            on_startup = warm_caches
            on_shutdown = drain_in_flight
            redis_settings = RedisSettings()
    ''',
}

SEND = """
import asyncio

import scalr_tasks
from src.api import later, trigger
from src.full import convert


async def main() -> None:
    await trigger(1)
    await later(2)
    job = await convert.enqueue(4.0)
    print(job.job_id)
    await scalr_tasks.close()


asyncio.run(main())
"""

LOOK = """
import asyncio
import sys

import scalr_tasks
from src.full import convert


async def main() -> None:
    print(await convert.job(sys.argv[1]).result(timeout=1))
    await scalr_tasks.close()


asyncio.run(main())
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")
    return folder


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return write(tmp_path, APP)


def run(folder: Path, *words: str, redis_url: str = "", status: int = 0) -> str:
    """Run `python WORDS` in the folder and return what it printed."""
    paths = os.pathsep.join((str(ROOT), "."))
    environment = dict(os.environ, PYTHONPATH=paths, MYPYPATH=str(ROOT), REDIS_URL=redis_url)
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def migrate(folder: Path, *words: str, status: int = 0) -> str:
    """Run the verb in this process, in the app's folder."""
    with chdir(folder):
        outcome = cli.run("migrate", ".", *words)
    assert outcome.status == status, outcome.out + outcome.err
    return outcome.out


def test_what_is_written_passes_mypy_strict_and_runs(app: Path, redis_url: str) -> None:
    migrate(app, "--write")
    (app / "send.py").write_text(SEND)
    (app / "look.py").write_text(LOOK)

    checked = run(app, "-m", "mypy", "--strict", "-p", "src")
    job_id = run(app, "send.py", redis_url=redis_url).strip()
    for words in (["src.worker"], ["src.full"]):
        run(app, "-m", "scalr_tasks.worker", *words, "-q", "default", "--burst", redis_url=redis_url)
    run(app, "-m", "scalr_tasks.worker", "src.worker", "--burst", redis_url=redis_url)

    assert "Success" in checked
    assert run(app, "look.py", job_id, redis_url=redis_url).strip() == "8.0"


def test_plain_arq_runs_the_settings_class_that_is_left(app: Path, redis_url: str) -> None:
    migrate(app, "--write")
    (app / "send.py").write_text(SEND)
    (app / "look.py").write_text(LOOK)
    job_id = run(app, "send.py", redis_url=redis_url).strip()

    run(app, "-m", "arq", "src.full.WorkerSettings", "--burst", redis_url=redis_url)

    assert run(app, "look.py", job_id, redis_url=redis_url).strip() == "8.0"


def test_the_worker_of_the_page_becomes_one_decorator(app: Path) -> None:
    (app / "src" / "api.py").unlink()
    migrate(app, "--write")

    text = (app / "src" / "worker.py").read_text("utf-8")

    assert "from scalr_tasks import Context, task\n" in text
    assert "# Sends one invoice.\n@task\nasync def send_invoice_email(ctx: Context, invoice_id: int) -> None:" in text
    assert "tasks = [" not in text


def test_calls_become_typed_and_their_options_using(app: Path) -> None:
    migrate(app, "--write")

    text = (app / "src" / "api.py").read_text("utf-8")

    assert "from src.worker import send_invoice_email\n" in text
    assert "job = await send_invoice_email.enqueue(invoice_id=id)  # returns at once\n" in text
    assert 'await send_invoice_email.using(queue="bulk", delay=0.1).enqueue(invoice_id=id)\n' in text
    assert "scalr_queue" not in text


def test_a_settings_class_becomes_a_registry_with_its_rules(app: Path) -> None:
    migrate(app, "--write")

    text = (app / "src" / "full.py").read_text("utf-8")

    assert 'registry = Registry("full", queues=[Queue("default", concurrency=50)], lifespan=lifespan)' in text
    assert "@registry.task(timeout=1800, retries=2)\nasync def convert(ctx: Context, amount: float)" in text
    assert '@registry.task(timeout=1800, retries=0, cron="0 3 * * *")' in text
    assert "raise Retry(delay=0.01)" in text
    assert text.endswith("# 03:00 daily\n# don't retry forever\nWorkerSettings = registry.worker_settings()\n")
    assert "arq" not in text


def test_every_comment_is_kept(app: Path) -> None:
    before = [line.partition("# ")[2] for name in APP for line in (app / name).read_text("utf-8").splitlines()]
    migrate(app, "--write")

    after = "".join((app / name).read_text("utf-8") for name in APP)

    assert [comment for comment in before if comment and f"# {comment}" not in after] == []


def test_the_ends_of_lines_stay_as_they_are(app: Path) -> None:
    path = app / "src" / "worker.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    migrate(app, "--write")

    after = path.read_bytes()
    assert b"@registry.task\r\n" in after
    assert after.count(b"\r\n") == after.count(b"\n")


def test_a_second_run_finds_nothing_to_do(app: Path) -> None:
    migrate(app, "--write")

    assert migrate(app, "--check") == "nothing to do\n"


def test_nothing_is_changed_without_write_and_check_says_so_by_its_status(app: Path) -> None:
    before = {name: (app / name).read_text("utf-8") for name in APP}

    shown = migrate(app)
    checked = migrate(app, "--check", status=1)

    assert {name: (app / name).read_text("utf-8") for name in APP} == before
    assert shown == checked
    assert "+@registry.task" in shown


LEFT = {
    "a name that is no literal": (
        "from scalr_queue import enqueue\n\n\nasync def f(name: str) -> None:\n    await enqueue(name)\n",
        "src/left.py:5: the task's name is no literal; not touched",
    ),
    "a misspelled name": (
        'from scalr_queue import enqueue\n\n\nasync def f() -> None:\n    await enqueue("send_invioce_email")\n',
        "src/left.py:5: no task 'send_invioce_email' was found, did you mean 'send_invoice_email'?; not touched",
    ),
    "keywords that are not written out": (
        'from scalr_queue import enqueue\n\n\nasync def f(**given: int):\n    await enqueue("send_invoice_email", **given)\n',
        "src/left.py:5: * or ** may hold options of the old enqueue; not touched",
    ),
    "a parameter without a type": (
        "async def g(ctx, a) -> None: ...\n\n\ntasks = [g]\n",
        "src/left.py:1: g: parameter 'a' has no annotation: write its type; not touched",
    ),
    "a result without a type": (
        "async def g(ctx, a: int):\n    return a\n\n\ntasks = [g]\n",
        "src/left.py:1: g: the result has no annotation: write it after ->; not touched",
    ),
    "a hook of each job": (
        "async def g(ctx) -> None: ...\n\n\nclass WorkerSettings:\n    functions = [g]\n    on_job_start = g\n",
        "src/left.py:4: on_job_start has no counterpart that could be written for you; the module is not touched",
    ),
    "day and weekday": (
        "from arq import cron\n\n\nasync def g(ctx): ...\n\n\nclass WorkerSettings:\n    cron_jobs = [cron(g, day=1, weekday=0)]\n",
        "src/left.py:7: day= and weekday= together: arq wants both to hold, a crontab line either; the module is not touched",
    ),
    "plain arq's own call": (
        "async def f(pool) -> None:\n    await pool.enqueue_job('send_invoice_email', 1)\n",
        "src/left.py:2: enqueue_job is plain arq's: write await TASK.enqueue(...); not touched",
    ),
    "a call by its module": (
        "import scalr_queue\n\n\nasync def f() -> None:\n    await scalr_queue.enqueue('send_invoice_email')\n",
        "src/left.py:5: scalr_queue.enqueue is called by its module: import enqueue; not touched",
    ),
    "no Python": ("def f(:\n", "src/left.py:1: cannot be read as Python; not touched"),
}


@pytest.mark.parametrize("kind", LEFT)
def test_what_is_not_sure_is_reported_with_its_line_and_left(app: Path, kind: str) -> None:
    text, says = LEFT[kind]
    path = app / "src" / "left.py"
    path.write_text(text)

    said = migrate(app, "--write")

    assert says in said.splitlines()
    assert path.read_text("utf-8").replace("scalr_tasks.integrations.", "") == text


def test_a_call_that_would_import_in_a_circle_is_reported(app: Path) -> None:
    write(
        app, {"src/api.py": APP["src/api.py"], "src/worker.py": "\n        from src import api" + APP["src/worker.py"]}
    )

    said = migrate(app, "--write")

    assert "importing 'send_invoice_email' from src.worker here would be a circle" in said


def test_without_libcst_the_command_says_what_to_install(app: Path) -> None:
    code = (
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'libcst' else real(name, *rest)\n"
        "from scalr_tasks.cli.app import main; main(['migrate', '.'])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=app, env=dict(os.environ, PYTHONPATH=str(ROOT)), capture_output=True,
        text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 2
    assert 'needs: pip install "scalr-tasks[migrate]"' in done.stderr
    assert "Traceback" not in done.stderr
