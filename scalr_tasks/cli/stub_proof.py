"""Whether type checkers see written stubs: each one that is installed is given a misspelled name, and must object.

A stub that a checker does not find is silent: every name passes. So both are
tried, a name that is there and one that is not.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scalr_tasks.typecheck.stubgen import Stubs

_LIMIT_S: Final = 300


@dataclass(frozen=True, slots=True)
class Proof:
    """What one checker said."""

    checker: str
    is_seen: bool
    text: str


def proofs(stubs: Stubs, folder: Path) -> Iterator[Proof]:
    """Run each checker that is installed beside this Python, or on PATH, on a right and on a misspelled import."""
    if not stubs.tasks:
        return
    name = stubs.tasks[0]
    for checker in ("mypy", "pyright", "ty", "pyrefly"):
        command = _find(checker)
        if command is None:
            continue
        passes = _run(checker, command, folder, f"from {stubs.module} import {name}\n\nprint({name})\n")
        typo = _misspelled(name)
        objects = not _run(checker, command, folder, f"from {stubs.module} import {typo}\n\nprint({typo})\n")
        if passes and objects:
            yield Proof(checker, True, f"{checker} sees the stubs: {typo!r} is an error, {name!r} is not")
        else:
            wrong = f"{name!r} is an error" if not passes else f"{typo!r} is none"
            yield Proof(checker, False, f"{checker} does not see the stubs in {folder}: {wrong}")


def _find(checker: str) -> str | None:
    beside = Path(sys.executable).parent / checker
    return str(beside) if beside.is_file() else shutil.which(checker)


def _misspelled(name: str) -> str:
    return f"{name[:-2]}{name[-1]}{name[-2]}" if len(name) > 1 and name[-1] != name[-2] else f"{name}x"


def _run(checker: str, command: str, folder: Path, source: str) -> bool:
    """Return whether a checker has nothing to say against a file."""
    stubs = str(folder.resolve())
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "call.py"
        path.write_text(source, encoding="utf-8")
        env: Mapping[str, str] = os.environ
        arguments: list[str] = []
        if checker == "mypy":
            env = {**os.environ, "MYPYPATH": stubs}
            arguments = ["--config-file=", "--cache-dir", os.devnull, "--python-executable", sys.executable]
        elif checker == "pyright":
            config = {
                "stubPath": stubs,
                "extraPaths": [stubs],
                "venvPath": str(Path(sys.prefix).parent),
                "venv": Path(sys.prefix).name,
            }
            (Path(place) / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
            arguments = ["-p", place]
        elif checker == "ty":
            arguments = ["check", "--python", sys.prefix, "--extra-search-path", stubs]
        else:
            # Without a file of its own pyrefly takes a preset that keeps nearly every error to itself.
            (Path(place) / "pyrefly.toml").write_text(f"search-path = [{json.dumps(stubs)}]\n", encoding="utf-8")
            arguments = ["check", "--python-interpreter-path", sys.executable]
        files = [] if checker == "pyright" else [str(path)]
        done = subprocess.run(  # noqa: S603  a type checker, no shell
            [command, *arguments, *files], cwd=place, env=env, capture_output=True, timeout=_LIMIT_S, check=False
        )
        return done.returncode == 0
