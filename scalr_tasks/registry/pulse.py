"""The sign of life without Redis: where a worker process's unix socket is, and what `check --self` asks there.

A worker's event loop answers on `<folder>/<pid>.sock`, so a loop that is
blocked does not. A socket is listened to before its file has its name, so a
file that refuses a connection was left behind by a process that is gone.

Standard library only, and without asyncio: a container probe runs every few
seconds. Reads next: `pulse_server.py` for the worker's side.
"""

import hashlib
import os
import socket
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from scalr_tasks.clock import SYSTEM_CLOCK

FOLDER_VARIABLE: Final = "SCALR_TASKS_SOCKET_DIR"
"""Names the folder of the sockets."""

ANSWER_S: Final = 2.0
"""How long all workers together may take to answer."""

SUFFIX: Final = ".sock"

MAX_PATH_BYTES: Final = 100
"""The kernel refuses longer paths of sockets (108 bytes on Linux, 104 on macOS)."""


HAS_SOCKETS: Final = hasattr(socket, "AF_UNIX") and hasattr(os, "getuid")
"""False on Windows, where a worker gives no such sign."""


class Pulse(NamedTuple):
    """One worker process, and whether it answered."""

    pid: int
    answers: bool


def own_folder() -> Path:
    """Return the folder of this user's workers in this working folder, where none is named."""
    here = hashlib.sha256(os.fsencode(Path.cwd())).hexdigest()[:12]
    return Path(tempfile.gettempdir(), f"scalr-tasks-{os.getuid()}", here)


def socket_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where the sockets of this user's workers in this working folder are.

    >>> socket_folder({"SCALR_TASKS_SOCKET_DIR": "/run/shop"})
    PosixPath('/run/shop')
    """
    named = environ.get(FOLDER_VARIABLE, "").strip()
    return Path(named) if named else own_folder()


def ask(folder: Path, *, timeout_s: float = ANSWER_S) -> list[Pulse]:
    """Ask every worker whose socket is in a folder, and remove what dead ones left behind.

        if not all(pulse.answers for pulse in ask(socket_folder())): ...

    Args:
        folder: of the sockets; one that is not there holds none.
        timeout_s: for all of them together, in seconds.
    """
    until_s = SYSTEM_CLOCK.monotonic_s() + timeout_s
    asked: list[tuple[int, socket.socket | None]] = []
    with suppress(FileNotFoundError, NotADirectoryError):
        for path in sorted(folder.iterdir()):
            if path.suffix == SUFFIX and path.stem.isdecimal():
                asked += _connected(int(path.stem), path, timeout_s)
    # All are asked before the first answer is waited for, so that one that is blocked costs the others no time.
    return [Pulse(pid, connection is not None and _answers(connection, until_s)) for pid, connection in asked]


def _connected(pid: int, path: Path, timeout_s: float) -> list[tuple[int, socket.socket | None]]:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        connection.connect(os.fspath(path))
    except (ConnectionRefusedError, FileNotFoundError):
        connection.close()
        with suppress(OSError):
            path.unlink(missing_ok=True)
        return []
    except OSError:  # its queue of connections is full, or it is not ours to ask
        connection.close()
        return [(pid, None)]
    return [(pid, connection)]


def _answers(connection: socket.socket, until_s: float) -> bool:
    with connection:
        connection.settimeout(max(0.001, until_s - SYSTEM_CLOCK.monotonic_s()))
        try:
            return connection.recv(64) != b""
        except OSError:
            return False
