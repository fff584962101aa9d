"""What a start costs in CPU: the command's help, the bare import, and what they are made of.

python benchmarks/startup.py [--runs 15]

CPU of the child process (user and system), best of the runs, all in one go: the bare interpreter stands beside, so
that a slow machine is seen for what it is. Goal: `scalr-tasks --help` in at most 150 ms.
"""

import argparse
import json
import resource
import subprocess
import sys

GOAL_MS = 150
CASES = {
    "python -c pass": ["-c", "pass"],
    "import click": ["-c", "import click"],
    "import scalr_tasks": ["-c", "import scalr_tasks"],
    "scalr-tasks --help": ["-m", "scalr_tasks", "--help"],
    "from scalr_tasks import task": ["-c", "from scalr_tasks import task"],
}


def cpu_ms(arguments: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    best = dict.fromkeys(CASES, float("inf"))
    for _ in range(runs):  # interleaved, so that a busy moment hits every case
        for name, arguments in CASES.items():
            best[name] = min(best[name], cpu_ms(arguments))
    bare = best["python -c pass"]
    print(f"{'start of':<30} {'CPU ms':>8} {'× bare python':>14}")
    for name, ms in best.items():
        print(f"{name:<30} {ms:>8.0f} {ms / bare:>14.1f}")
    reached = best["scalr-tasks --help"] <= GOAL_MS
    print(f"goal: scalr-tasks --help in at most {GOAL_MS} ms: {'reached' if reached else 'MISSED'}")
    print(json.dumps({name: round(ms, 1) for name, ms in best.items()}))
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
