"""What a type check of 1,000 calls over 500 tasks costs: handles beside plain functions, and strings with the plugin.

python benchmarks/typecheck.py [--tasks 500] [--calls 1000] [--runs 3]

CPU of the checker's process (user and system), best of the runs, interleaved. One call in every row goes to a real
handle, so that the cost of reading the library is in all of them; "no calls" has that one alone. mypy checks the file of calls anew with a warm cache for the rest, as in daily work;
pyright has no cache and checks everything. Goals: handles at most 1.3 × plain functions, the plugin at most 2 × the same
strings without it.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GOAL_HANDLES = 1.3
GOAL_PLUGIN = 2.0

FIRST = "from scalr_tasks import Context, task\n\n@task(ctx=False)\nasync def first(number: int) -> str: return str(number)\n"
PLAIN = "async def task_{n}(invoice_id: int, subject: str = '') -> str: return subject\n"
HANDLE = "@task\nasync def task_{n}(ctx: Context, invoice_id: int, subject: str = '') -> str: return subject\n"
CASES: dict[str, tuple[str, str]] = {
    "no calls": (PLAIN, ""),
    "plain functions": (PLAIN, "    await tasks.task_{n}(invoice_id={i}, subject='x')\n"),
    "handles": (HANDLE, "    await tasks.task_{n}.enqueue(invoice_id={i}, subject='x')\n"),
    "strings": (HANDLE, "    await enqueue('task_{n}', invoice_id={i}, subject='x')\n"),
    "strings, plugin": (HANDLE, "    await enqueue('task_{n}', invoice_id={i}, subject='x')\n"),
}
CONFIG = "[tool.mypy]\nstrict = true\n"
PLUGIN = 'plugins = ["scalr_tasks.typecheck.mypy_plugin"]\n[tool.scalr_tasks]\ntasks = ["tasks"]\n'


def project(folder: Path, case: str, tasks: int, calls: int) -> None:
    task, call = CASES[case]
    folder.mkdir()
    (folder / "tasks.py").write_text(FIRST + "".join(task.format(n=n) for n in range(tasks)))
    body = "".join(call.format(n=i % tasks, i=i) for i in range(calls))
    (folder / "calls.py").write_text(
        f"import tasks\nfrom scalr_tasks import enqueue\nprint(enqueue)\n\nasync def main() -> None:\n"
        f"    await tasks.first.enqueue(1)\n{body}"
    )
    (folder / "pyproject.toml").write_text(CONFIG + (PLUGIN if "plugin" in case else ""))
    config = {"typeCheckingMode": "standard", "extraPaths": [str(ROOT)], "include": ["calls.py"]}
    (folder / "pyrightconfig.json").write_text(json.dumps(config))


def cpu_s(folder: Path, words: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = dict(os.environ, PYTHONPATH=str(ROOT), MYPYPATH=str(folder))
    done = subprocess.run(words, check=False, cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{words[0]} found errors, so nothing was measured:\n{done.stdout[:2000]}{done.stderr[:2000]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def mypy(folder: Path) -> float:
    path = folder / "calls.py"
    path.write_text(path.read_text() + "# once more\n")
    return cpu_s(folder, [sys.executable, "-m", "mypy", "--cache-dir", str(folder / "cache"), "calls.py"])


def pyright(folder: Path) -> float:
    return cpu_s(folder, [str(Path(sys.executable).parent / "pyright"), "--pythonpath", sys.executable])


def measure(check: Callable[[Path], float], folders: dict[str, Path], runs: int) -> dict[str, float]:
    for folder in folders.values():
        check(folder)
    best = dict.fromkeys(folders, float("inf"))
    for _ in range(runs):
        for case, folder in folders.items():
            best[case] = min(best[case], check(folder))
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folders = {case: Path(place) / case.replace(", ", "-").replace(" ", "-") for case in CASES}
        for case, folder in folders.items():
            project(folder, case, chosen.tasks, chosen.calls)
        found = {"mypy": measure(mypy, folders, chosen.runs)}
        found["pyright"] = measure(pyright, {case: folders[case] for case in list(CASES)[:3]}, chosen.runs)
    goals = []
    print(f"{'checker':<10} {'calls':<18} {'CPU s':>7} {'ratio':>7}")
    for checker, best in found.items():
        for case, seconds in best.items():
            base = best["strings" if "plugin" in case else "plain functions"]
            print(f"{checker:<10} {case:<18} {seconds:>7.2f} {seconds / base:>7.2f}")
        goals.append(
            (
                f"{checker}: handles at most {GOAL_HANDLES} × plain functions",
                best["handles"] / best["plain functions"] <= GOAL_HANDLES,
            )
        )
    ratio = found["mypy"]["strings, plugin"] / found["mypy"]["strings"]
    goals.append((f"mypy: plugin at most {GOAL_PLUGIN:g} × without it", ratio <= GOAL_PLUGIN))
    for text, reached in goals:
        print(f"goal: {text}: {'reached' if reached else 'MISSED'}")
    print(json.dumps({checker: {case: round(s, 2) for case, s in best.items()} for checker, best in found.items()}))
    return 0 if all(reached for _, reached in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
