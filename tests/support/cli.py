"""Runs `scalr-tasks` in this process: words in, exit status and what was written out."""

import asyncio
import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import pytest

from scalr_tasks.cli.app import main


@dataclass
class Outcome:
    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON that was written."""
        return json.loads(self.out)


def run(*words: str, stdin: str = "") -> Outcome:
    """Run a verb; `stdin` is what somebody types."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "stdin", io.StringIO(stdin))
        try:
            main(list(words))
        except SystemExit as end:
            return Outcome(int(end.code or 0), out.getvalue(), err.getvalue())
    raise AssertionError("main ends the process")


async def run_beside(*words: str, stdin: str = "") -> Outcome:
    """Run a verb from an async test, in a thread: it starts an event loop of its own."""
    return await asyncio.to_thread(run, *words, stdin=stdin)
