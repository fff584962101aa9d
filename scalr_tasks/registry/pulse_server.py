"""The worker's side of `scalr-tasks check --self`: one socket for a process, however many queues it serves.

A folder that cannot be used costs the sign of life, never the worker. The
default folder belongs to this user alone, or is not used: anybody may write to
the machine's folder for temporary files.

Reads next: `pulse.py` for who asks.
"""

import asyncio
import logging
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import cast

from scalr_tasks.registry.pulse import (
    FOLDER_VARIABLE,
    HAS_SOCKETS,
    MAX_PATH_BYTES,
    SUFFIX,
    ask,
    own_folder,
    socket_folder,
)

log: logging.Logger = logging.getLogger("scalr_tasks.worker")


class _Answer(asyncio.Protocol):
    """Answers whoever connects."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        writable = cast("asyncio.WriteTransport", transport)  # uvloop's own is no subclass of it
        writable.write(b"alive\n")
        writable.close()


class _Process:
    """The socket of one process, and how many share it."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.get_running_loop()
        self.users = 0
        self.path: Path | None = None
        self.server: asyncio.AbstractServer | None = None

    @property
    def is_mine(self) -> bool:
        """False in a forked child, and after the event loop that answered has been closed."""
        return self.pid == os.getpid() and not self.loop.is_closed()


_process: _Process | None = None


async def listen() -> None:
    """Begin to answer, or share the socket that this process has; each call is paired with a `hang_up`."""
    global _process  # noqa: PLW0603  one for a process is the point
    if _process is None or not _process.is_mine:
        _process = _Process()
        try:
            if HAS_SOCKETS:
                _process.path, _process.server = await _bind(socket_folder())
        except OSError as error:
            text = "`scalr-tasks check --self` will not find this worker: %s"
            log.warning(text, error, extra={"event": "pulse.unavailable"})
    _process.users += 1


async def hang_up() -> None:
    """Stop answering when the last user of the socket has gone."""
    global _process
    if _process is None or not _process.is_mine:
        return
    _process.users -= 1
    if _process.users:
        return
    closing, _process = _process, None
    if closing.path is not None and closing.server is not None:
        closing.path.unlink(missing_ok=True)
        closing.server.close()
        await closing.server.wait_closed()


async def _bind(folder: Path) -> tuple[Path, asyncio.AbstractServer]:
    _make(folder)
    ask(folder, timeout_s=0)  # removes what dead processes left behind
    path = folder / f"{os.getpid()}{SUFFIX}"
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise OSError(f"the path {path} is too long for a socket; name a shorter folder in {FOLDER_VARIABLE}")
    unnamed = path.with_suffix(".new")
    unnamed.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.fspath(unnamed))
        listener.listen()
        unnamed.rename(path)
        listener.setblocking(False)
        server = await asyncio.get_running_loop().create_unix_server(_Answer, sock=listener)
    except BaseException:
        listener.close()
        with suppress(OSError):
            unnamed.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        raise
    return path, server


def _make(folder: Path) -> None:
    """Make the folder; where nobody named it, refuse one that somebody else could have put there."""
    if folder != own_folder():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    for each in (folder.parent, folder):
        each.mkdir(mode=0o700, exist_ok=True)
        found = each.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise PermissionError(f"{each} is not this user's alone; name another folder in {FOLDER_VARIABLE}")
