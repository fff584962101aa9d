"""Connections of an event loop that write a command by hiredis, as redis-py's blocking ones do.

redis-py's own writer of the asyncio connections is Python, and takes half of
the client's time for a script with the arguments of a thousand jobs.
`benchmarks/enqueue.py` shows the difference.

Reads next: `connect.py`, which opens them.
"""

from typing import Any, cast

import hiredis
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import DataError


class _Packing:
    def pack_command(self, *args: Any) -> list[bytes]:
        """Return the command in Redis's protocol.

        Raises:
            DataError: an argument is neither text, bytes nor a number.
        """
        first, *rest = args
        # redis-py names commands of two words by one text: `SCRIPT LOAD`.
        words = (first.encode() if isinstance(first, str) else first).split()
        try:
            return [cast("bytes", hiredis.pack_command(cast("Any", (*words, *rest))))]  # its stub takes one word only
        except TypeError as error:
            raise DataError(str(error)) from None


class PackingConnection(_Packing, Connection):
    """A connection over TCP."""


class PackingSSLConnection(_Packing, SSLConnection):
    """A connection over TLS."""


class PackingUnixConnection(_Packing, UnixDomainSocketConnection):
    """A connection over a unix socket."""
