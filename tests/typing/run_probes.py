#!/usr/bin/env python3
"""Run every type checker over the probes; print a table checker x probe.

    python tests/typing/run_probes.py [--bin DIR_WITH_CHECKERS] [--path DIR_WITH_scalr_tasks] [--only p05] [--messages]

Those named `p..` were written before the library, against a prototype, and are
never changed; those named `q..` came with it. Marks in a probe, one on a line:

    # E            every checker must report an error on this line
    # E@def        every checker must report an error on this line or one of the next two
                   (checkers disagree on whether a decorator's error belongs to "@" or "def")
    # E[a,b]       only the named checkers are expected to report an error here (a known limit of theirs)
    # W            undecided: never counted, only shown with --messages

Any other line must be free of errors. Exit status 1 where a gate (mypy,
pyright) finds something else; the other checkers are reported only, unless
`--checkers` names them. A checker that is not installed is left out.
"""

# ruff: noqa: T201  a command prints
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PROBES = HERE / "probes"
GATES = ("mypy", "pyright")
REPORTED = ("basedpyright", "ty", "pyrefly")
MARK = re.compile(r"#\s*(E@def|E|W)(?:\[([\w,]+)\])?(?:\s|$)")


class Found(NamedTuple):
    """One error that a checker reports."""

    file: str
    line: int
    code: str
    message: str


class Verdict(NamedTuple):
    """How one checker did on one probe."""

    expected: int
    missing: list[int]
    extra: list[int]

    @property
    def good(self) -> bool:
        return not self.missing and not self.extra

    def __str__(self) -> str:
        text = f"{self.expected - len(self.missing)}/{self.expected}"
        for word, lines in (("miss", self.missing), ("extra", self.extra)):
            if lines:
                text += f" {word} {','.join(map(str, lines))}"
        return text


def expected(path: Path, checker: str) -> tuple[list[set[int]], set[int]]:
    """Return the lines of which one must have an error each, and the lines that may have one."""
    must: list[set[int]] = []
    free: set[int] = set()
    for number, line in enumerate(path.read_text().splitlines(), 1):
        mark = MARK.search(line)
        if not mark:
            continue
        kind, who = mark.groups()
        if kind == "W":
            free.add(number)
        elif not who or checker in who.split(","):
            must.append({number, number + 1, number + 2} if kind == "E@def" else {number})
    return must, free


# -- the checkers ------------------------------------------------------------------------


def run(checker: str, bin_dir: Path, source: Path, files: list[Path]) -> list[Found]:
    """Run one checker over the files and return what it reports."""
    paths = [str(source), str(PROBES)]
    command = [str(bin_dir / checker)]
    python, names = str(bin_dir / "python"), [str(file) for file in files]
    with tempfile.TemporaryDirectory() as temporary:
        match checker:
            case "mypy":
                options = ["--strict", "--enable-error-code", "unused-awaitable", "--no-error-summary"]
                cache = ["--python-executable", python, "--cache-dir", temporary]
                return list(_lines(_output([*command, *options, *cache, *names], paths), MYPY_LINE))
            case "pyright" | "basedpyright":
                config = Path(temporary) / "pyrightconfig.json"
                config.write_text(json.dumps(_pyright_config(Path(temporary), names, paths)))
                text = _output([*command, "--outputjson", "--pythonpath", python, "-p", str(config)], paths)
                return [
                    Found(
                        Path(each["file"]).name,
                        each["range"]["start"]["line"] + 1,
                        each.get("rule", ""),
                        each["message"],
                    )
                    for each in json.loads(text)["generalDiagnostics"]
                    if each["severity"] == "error"
                ]
            case "ty":
                options = ["check", "--error", "unused-awaitable", "--output-format", "concise", "--python", python]
                search = [part for path in paths for part in ("--extra-search-path", path)]
                return list(_lines(_output([*command, *options, *search, *names], paths), TY_LINE))
            case "pyrefly":
                options = [
                    "check",
                    "--output-format",
                    "json",
                    "--python-interpreter-path",
                    python,
                    "--preset",
                    "default",
                ]
                search = [part for path in paths for part in ("--search-path", path)]
                return [
                    Found(
                        Path(each["path"]).name,
                        each["line"],
                        each["name"],
                        each.get("concise_description") or each["description"],
                    )
                    for each in json.loads(_output([*command, *options, *search, *names], paths))["errors"]
                    if each.get("severity", "error") == "error"
                ]
    raise ValueError(f"no such checker: {checker}")


MYPY_LINE = re.compile(
    r"^(?P<file>.+?):(?P<line>\d+): error: (?P<message>.*?)(?:  \[(?P<code>[\w-]+)\])?$", re.MULTILINE
)
TY_LINE = re.compile(r"^(?P<file>.+?):(?P<line>\d+):\d+: error\[(?P<code>[\w-]+)\] (?P<message>.*)$", re.MULTILINE)


def _output(command: list[str], paths: Iterable[str]) -> str:
    environment = dict(os.environ, MYPYPATH=":".join(paths), NO_COLOR="1", PYRIGHT_PYTHON_IGNORE_WARNINGS="1")
    return subprocess.run(
        command, cwd=HERE, env=environment, capture_output=True, text=True, check=False, timeout=300
    ).stdout


def _lines(text: str, pattern: re.Pattern[str]) -> Iterator[Found]:
    for match in pattern.finditer(text):
        yield Found(Path(match["file"]).name, int(match["line"]), match["code"] or "", match["message"])


def _pyright_config(folder: Path, names: list[str], paths: list[str]) -> dict[str, object]:
    return {
        "include": [os.path.relpath(name, os.path.realpath(folder)) for name in names],
        "extraPaths": paths,
        "pythonVersion": "3.11",
        "typeCheckingMode": "standard",
        "reportUnusedCoroutine": "error",
    }


# -- the table ---------------------------------------------------------------------------


def judge(checker: str, files: list[Path], found: list[Found]) -> dict[str, Verdict]:
    """Compare what a checker reports with the marks."""
    verdicts = {}
    for file in files:
        got = {each.line for each in found if each.file == file.name}
        must, free = expected(file, checker)
        covered = set().union(*must) if must else set()
        missing = sorted(min(lines) for lines in must if not lines & got)
        verdicts[file.name] = Verdict(len(must), missing, sorted(got - covered - free))
    return verdicts


def probe_files(only: str = "[pq][0-9]") -> list[Path]:
    """Return the probes."""
    return sorted(PROBES.glob(f"{only}*.py"))


def main() -> int:
    """Run the checkers, print the table."""
    parser = argparse.ArgumentParser(description="type checkers over the probes")
    parser.add_argument("--bin", type=Path, default=Path(sys.executable).parent)
    parser.add_argument(
        "--path", type=Path, default=HERE.parent.parent, help="folder that holds the scalr_tasks package"
    )
    parser.add_argument("--only", default="[pq][0-9]", help="start of a file's name, such as p05")
    parser.add_argument("--checkers", help="names with commas between; all of them are gates then")
    parser.add_argument("--messages", action="store_true")
    options = parser.parse_args()
    files = probe_files(options.only)
    wanted = options.checkers.split(",") if options.checkers else [*GATES, *REPORTED]
    gates = wanted if options.checkers else GATES
    # Not resolved: a virtual environment's python is a link, and is looked for beside the checkers.
    bin_dir = Path(os.path.abspath(options.bin))  # noqa: PTH100  likewise
    missing = [each for each in wanted if not (bin_dir / each).exists()]
    table: dict[str, dict[str, Verdict]] = {}
    for checker in wanted:
        if checker not in missing:
            found = run(checker, bin_dir, options.path.resolve(), files)
            table[checker] = judge(checker, files, found)
            if options.messages:
                print("\n".join(f"{checker:12} {each.file}:{each.line} [{each.code}] {each.message}" for each in found))
    print("| probe | " + " | ".join(table) + " |\n|---|" + "---|" * len(table))
    for file in files:
        print(f"| {file.name} | " + " | ".join(str(table[checker][file.name]) for checker in table) + " |")
    for checker in missing:
        print(f"not installed, left out: {checker}", file=sys.stderr)
    bad = [each for each in gates if each in missing or not all(verdict.good for verdict in table[each].values())]
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
