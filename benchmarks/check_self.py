"""What `scalr-tasks check --self` costs, and what it loads: a container probe runs it every few seconds.

Goal: at most 150 ms of CPU, and neither arq, redis nor pydantic loaded.
"""

import os
import resource
import subprocess
import sys
import tempfile

GOAL_MS = 150
RUNS = 15
HEAVY = ("arq", "redis", "pydantic", "asyncio")

COMMAND = [sys.executable, "-m", "scalr_tasks", "check", "--self"]
LOADED = f"""
import sys
from scalr_tasks.cli.app import main
try:
    main(["check", "--self"])
except SystemExit:
    print([name for name in {HEAVY!r} if name in sys.modules])
"""


def cpu_ms(words: list[str], env: dict[str, str]) -> float:
    """CPU of one process, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, env=env, stdout=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        env = dict(os.environ, SCALR_TASKS_SOCKET_DIR=folder)
        bare = min(cpu_ms([sys.executable, "-c", ""], env) for _ in range(RUNS))
        probe = sorted(cpu_ms(COMMAND, env) for _ in range(RUNS))
        loaded = subprocess.run([sys.executable, "-c", LOADED], env=env, capture_output=True, text=True, check=True)
    heavy = loaded.stdout.splitlines()[-1]
    median = probe[len(probe) // 2]
    print(f"{'python, empty':<28}{bare:8.0f} ms CPU")
    print(f"{'check --self, best':<28}{probe[0]:8.0f} ms CPU")
    print(
        f"{'check --self, median':<28}{median:8.0f} ms CPU   goal {GOAL_MS}   {'ok' if median <= GOAL_MS else 'MISSED'}"
    )
    print(f"{'heavy modules loaded':<28}{heavy:>8}          goal []   {'ok' if heavy == '[]' else 'MISSED'}")
    return 0 if median <= GOAL_MS and heavy == "[]" else 1


if __name__ == "__main__":
    sys.exit(main())
