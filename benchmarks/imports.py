"""What declaring 200 tasks costs an import: `python benchmarks/imports.py`.

The module is written to a temporary folder and imported in a fresh process;
the best of several is printed. Exit status 1 where the goal is missed.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

TASKS = 200
GOAL_MS = 60.0
ROUNDS = 7

HEAD = """
from datetime import date
from typing import Annotated
from pydantic import BaseModel, Field
from scalr_tasks import Context, task

Copies = Annotated[int, Field(gt=0)]

class Line(BaseModel):
    item: str
    price: float
"""
TASK = '''
@task(retries=3, queue="bulk")
async def task_{n}(
    ctx: Context, invoice_id: int, subject: str = "", copies: {copies} = 1, due: date | None = None,
    lines: list[Line] = [],
) -> dict[str, int]:
    """Task number {n}."""
    return {{}}
'''
MEASURE = """
import sys, time
sys.path.insert(0, sys.argv[1])
import warm
start = time.process_time()
import many
print((time.process_time() - start) * 1000)
"""


def one_import_ms(folder: Path) -> float:
    """Return the CPU time of importing the module, when the libraries are loaded."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(folder)], capture_output=True, text=True, check=True, timeout=60
    )
    return float(done.stdout)


def best_ms(copies: str) -> float:
    """Return the best time of importing a module whose tasks write one parameter's type so."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "warm.py").write_text(HEAD + TASK.format(n="warm", copies=copies))
        (folder / "many.py").write_text(HEAD + "".join(TASK.format(n=n, copies=copies) for n in range(TASKS)))
        return min(one_import_ms(folder) for _ in range(ROUNDS))


def main() -> int:
    """Measure, print, and tell whether the goal is met."""
    shared, apart = best_ms("Copies"), best_ms("Annotated[int, Field(gt=0)]")
    met = max(shared, apart) <= GOAL_MS
    for ms, what in (
        (shared, f"{TASKS} tasks of five parameters, their types shared"),
        (apart, "the same, with an Annotated[int, Field(gt=0)] of its own in each task"),
    ):
        print(f"{ms:6.1f} ms  {what}   goal {GOAL_MS:g} {'met' if ms <= GOAL_MS else 'MISSED'}")
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
