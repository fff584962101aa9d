"""The page on background jobs is followed command by command, in an empty folder, and ends with a job done."""

import fnmatch
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from scalr_tasks.clock import SYSTEM_CLOCK
from tests.architecture.source import ROOT

PAGE = (ROOT / "docs" / "background-jobs.md").read_text("utf-8")
BLOCK = re.compile(r"<!-- (?P<kind>file|run|process)(?:: (?P<name>\S+))? -->\n```\w*\n(?P<body>.*?)```", re.DOTALL)
PATIENCE_S = 30


@dataclass
class Reader:
    """Somebody who does what the page says."""

    folder: Path
    redis_url: str
    stack: ExitStack
    port: int
    job_id: str = ""
    seen: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("SCALR_TASKS_")}
        scripts = str(Path(sys.executable).parent)
        return ours | {
            "REDIS_URL": self.redis_url,
            "PATH": os.pathsep.join((scripts, os.environ["PATH"])),
            "PYTHONPATH": os.pathsep.join((str(ROOT), ".")),
            "MYPYPATH": str(ROOT),
            "UVICORN_PORT": str(self.port),
            "SCALR_TASKS_SOCKET_DIR": str(self.folder / "sockets"),
        }

    def write(self, name: str, body: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(body, "utf-8")

    def start(self, command: str) -> None:
        """Start what the page says to start in a terminal of its own."""
        log = self.stack.enter_context((self.folder / "log.txt").open("a"))
        words = shlex.split(command)
        process = subprocess.Popen(words, cwd=self.folder, env=self.environment, stdout=log, stderr=log)
        self.stack.callback(end, process)

    def type(self, command: str) -> str:
        """Run one command, and return what it prints; an id that the page writes as JOB_ID is the last one seen."""
        words = shlex.split(command.replace("JOB_ID", self.job_id))
        said = self.ask(words) if words[0] == "curl" else self.run(words)
        self.job_id = next(iter(re.findall(r'"job_id":"([^"]+)"', said)), self.job_id)
        return said

    def run(self, words: list[str]) -> str:
        done = subprocess.run(
            words, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def ask(self, words: list[str]) -> str:
        """Do what curl does, which need not be installed."""
        method = words[words.index("-X") + 1] if "-X" in words else "GET"
        url = f"http://{words[-1]}".replace(":8000", f":{self.port}")
        try:
            return httpx.request(method, url).text
        except httpx.TransportError as error:
            return f"curl: {type(error).__name__}"  # not up yet: the reader tries again


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    finally:
        process.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def shown(body: str) -> list[tuple[str, str]]:
    """The commands of a block, each with the pattern of what it prints."""
    parts = re.split(r"^\$ (.+)\n", body, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def fits(said: str, pattern: str) -> bool:
    """Tell whether lines were printed as the page shows them; `…` stands for anything."""
    glob = re.sub(r"([\[*?])", r"[\1]", pattern.strip()).replace("…", "*")
    return not glob or fnmatch.fnmatchcase(said.strip(), glob) or fnmatch.fnmatchcase(said.strip(), glob + "\n*")


@pytest.fixture
def reader(tmp_path: Path, redis_url: str) -> Iterator[Reader]:
    with ExitStack() as stack:
        yield Reader(tmp_path, redis_url, stack, free_port())


def test_the_page_is_followed_command_by_command_and_a_job_is_done(reader: Reader) -> None:
    for block in BLOCK.finditer(PAGE):
        match block["kind"]:
            case "file":
                reader.write(block["name"], block["body"])
            case "process":
                for command, _ in shown(block["body"]):
                    reader.start(command)
            case _:
                for command, pattern in shown(block["body"]):
                    until_s = SYSTEM_CLOCK.monotonic_s() + PATIENCE_S
                    # A reader whose job is not done yet asks again.
                    while not fits(said := reader.type(command), pattern):
                        assert SYSTEM_CLOCK.monotonic_s() < until_s, f"{command}\nsaid {said}\nnot {pattern}"
                    reader.seen.append(said)

    assert any('"state":"done"' in said and "invoice 41 is sent" in said for said in reader.seen)


def test_the_snippets_pass_mypy_strict(reader: Reader) -> None:
    for block in BLOCK.finditer(PAGE):
        if block["kind"] == "file":
            reader.write(block["name"], block["body"])

    said = reader.run([sys.executable, "-m", "mypy", "--strict", "-p", "src"])

    assert "Success" in said


def test_every_python_snippet_is_a_file_that_is_run() -> None:
    files = [block["body"] for block in BLOCK.finditer(PAGE) if block["kind"] == "file"]

    assert re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) == files
