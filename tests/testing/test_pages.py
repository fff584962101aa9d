"""What the tutorial and the example show is run as a user would run it."""

import re
import subprocess
import sys

from tests.architecture.source import ROOT
from tests.testing.runs import Project

BLOCK = re.compile(r"<!-- file: (?P<name>\S+) -->\n```python\n(?P<body>.*?)```", re.DOTALL)
PAGE = ROOT / "docs" / "tutorial" / "testing.md"


def test_every_block_of_the_tutorial_passes(project: Project) -> None:
    blocks = BLOCK.findall(PAGE.read_text("utf-8"))
    for name, body in blocks:
        project.write(name, body)

    run = project.run(ini="asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function")

    assert len(blocks) == 7
    assert re.fullmatch(r"\d\d passed", run.outcomes()), run.output


def test_the_failure_that_the_tutorial_shows_is_the_real_one(project: Project) -> None:
    page = PAGE.read_text("utf-8")
    shown = page[page.index("expected charge_card(invoice_id=2)") :].partition("```")[0]
    project.write("tasks.py", dict(BLOCK.findall(page))["tasks.py"])
    project.write(
        "test_it.py",
        "from tasks import charge_card, pay\n\nasync def test_it(tasks):\n"
        "    await pay(invoice_id=1)\n    tasks.assert_enqueued(charge_card.call(invoice_id=2))\n",
    )

    run = project.run(ini="asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function")

    lines = [line.removeprefix("E").removeprefix("       AssertionError: ").strip() for line in run.output.splitlines()]
    assert [line.strip() for line in shown.splitlines() if line and line.strip() not in lines] == []


def test_the_tests_of_the_example_pass() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "examples/invoices/tests"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout
