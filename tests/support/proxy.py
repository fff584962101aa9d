"""A TCP proxy before Redis that cuts connections, or holds commands back, at a chosen command."""

import asyncio
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import hiredis

_CHUNK = 1 << 16


class Side(StrEnum):
    """Where in the exchange of one command the connection fails."""

    BEFORE = "before the command"
    """Redis never sees it."""
    WITHIN = "within the command"
    """Redis sees half of it."""
    AFTER = "before the reply"
    """Redis runs it, its reply does not reach the client."""
    IN_REPLY = "within the reply"
    """The client sees half of the reply; all but its last byte where it is short."""
    MUTE = "without a reply"
    """Redis runs it, the connection stays open and is silent."""
    HELD = "held back"
    """The connection stays open and is silent; Redis runs it when it is released."""


class CuttingProxy:
    """Passes everything on until it is told to cut.

        async with CuttingProxy(redis_url) as proxy:
            proxy.cut(Side.AFTER, command=b"EVALSHA")

    One command at a time may be on its way on a connection that is cut.
    `down`: every connection ends at once.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 6379
        self._side = Side.BEFORE
        self._command = b""
        self._skip = 0
        self._left = 0
        self._held: list[bytes] = []
        self._down = False
        self._silent = False
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.cuts = 0
        """How many commands were cut."""

    @property
    def url(self) -> str:
        """URL of the proxy."""
        assert self._server is not None
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    def cut(self, side: Side, *, command: bytes = b"", nth: int = 1, times: int = 1) -> None:
        """Cut at the `nth` of the coming commands that hold `command`, and at the next ones `times` in all."""
        self._side, self._command, self._skip, self._left = side, command, nth - 1, times

    def cut_before(self, command: bytes, times: int = 1) -> None:
        """Cut the connection when the command comes, instead of passing it on."""
        self.cut(Side.BEFORE, command=command, times=times)

    def cut_after(self, command: bytes, times: int = 1) -> None:
        """Pass the command on, wait for the reply, cut the connection instead of passing it back."""
        self.cut(Side.AFTER, command=command, times=times)

    async def release(self) -> int:
        """Let the commands that were held back reach Redis now; returns how many."""
        held, self._held = self._held, []
        for command in held:
            reader, writer = await asyncio.open_connection(self._host, self._port)
            writer.write(command)
            await _reply(reader)
            writer.transport.abort()
        return len(held)

    def lead_to(self, url: str) -> None:
        """Pass on to another server, on every connection from now on; those that are open stay where they are."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 6379

    def down(self) -> None:
        """End every connection, now and from now on."""
        self._down = True
        for writer in list(self._writers):
            writer.transport.abort()

    def silent(self) -> None:
        """Take commands and give no reply, on every connection from now on."""
        self._silent = True

    def up(self) -> None:
        """Pass everything on again."""
        self._down = self._silent = False
        self._left = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        for pipe in list(self._pipes):
            pipe.cancel()
        if self._pipes:
            await asyncio.wait(self._pipes)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Known from its first moment on, so that the end of the proxy closes it too.
        self._writers.add(writer)
        pipe = asyncio.create_task(self._serve(reader, writer))
        self._pipes.add(pipe)
        pipe.add_done_callback(self._pipes.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server: asyncio.StreamWriter | None = None
        with suppress(OSError, asyncio.CancelledError):
            if not self._down:
                from_server, server = await asyncio.open_connection(self._host, self._port)
                self._writers.add(server)
                await self._pass(reader, writer, from_server, server)
        for each in (writer, server):
            if each is not None:
                with suppress(OSError, asyncio.CancelledError):
                    await each.drain()
                each.transport.abort()
                self._writers.discard(each)

    async def _pass(
        self,
        from_client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        from_server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        back = asyncio.create_task(self._pass_back(from_server, to_client))
        waiting = bytearray()
        try:
            while data := await from_client.read(_CHUNK):
                waiting += data
                while command := _take(waiting):
                    if not self._is_cut(command):
                        to_server.write(command)
                        continue
                    back.cancel()
                    await asyncio.wait({back})
                    reply = await self._cut(command, from_server, to_server)
                    if reply is None:  # nothing more on this connection, until the client gives it up
                        while await from_client.read(_CHUNK):
                            continue
                    elif reply:
                        to_client.write(reply)
                    return
        finally:
            back.cancel()
            await asyncio.wait({back})

    def _is_cut(self, command: bytes) -> bool:
        if not self._left or self._command not in command:
            return False
        if self._skip:
            self._skip -= 1
            return False
        self._left -= 1
        return True

    async def _cut(
        self, command: bytes, from_server: asyncio.StreamReader, to_server: asyncio.StreamWriter
    ) -> bytes | None:
        """Treat the command as its side says; returns what the client sees before the end, None where there is none."""
        side = self._side
        reply = b""
        if side is Side.HELD:
            self._held.append(command)
        elif side is Side.WITHIN:
            to_server.write(command[: len(command) // 2])
        elif side is not Side.BEFORE:
            to_server.write(command)
            reply = await _reply(from_server)
        # Only now: a test that sees the count may look at what Redis has.
        self.cuts += 1
        if side in {Side.HELD, Side.MUTE}:
            return None
        return reply[: max(len(reply) // 2, 1)] if side is Side.IN_REPLY else b""

    async def _pass_back(self, from_server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        while data := await from_server.read(_CHUNK):
            if not self._silent:
                to_client.write(data)
        to_client.transport.abort()


def _take(waiting: bytearray) -> bytes:
    """Cut one whole command off; empty where there is none yet."""
    stop = waiting.find(b"\r\n")
    if stop < 0:
        return b""
    assert waiting[:1] == b"*", "a client of Redis sends arrays"
    end = stop + 2
    for _ in range(int(waiting[1:stop])):
        stop = waiting.find(b"\r\n", end)
        if stop < 0:
            return b""
        end = stop + 2 + int(waiting[end + 1 : stop]) + 2
    if len(waiting) < end:
        return b""
    command = bytes(waiting[:end])
    del waiting[:end]
    return command


async def _reply(reader: asyncio.StreamReader) -> bytes:
    """Read one whole reply."""
    parser, raw = hiredis.Reader(), b""
    while True:
        data = await reader.read(_CHUNK)
        raw += data
        parser.feed(data)
        if not data or parser.gets() is not False:
            return raw
