"""Clients of redis-py from settings: the only place that knows its options.

redis-py repeats nothing by itself: what may be repeated is for the brokers to
say. A command waits for a free connection instead of opening more than
`max_connections`.
"""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

import redis
import redis.asyncio as aioredis
from redis.asyncio import sentinel as aiosentinel
from redis.asyncio.connection import AbstractConnection
from redis.backoff import NoBackoff
from redis.connection import SSLConnection, UnixDomainSocketConnection
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from scalr_tasks.broker.packing import PackingConnection, PackingSSLConnection, PackingUnixConnection
from scalr_tasks.errors import SettingsError
from scalr_tasks.settings import Settings

# redis-py leaves these constructors unannotated.
_AsyncSentinel: Final[Any] = aiosentinel.Sentinel
_BlockingSentinel: Final[Any] = Sentinel


class AsyncSentinelPool(aiosentinel.SentinelConnectionPool, aioredis.BlockingConnectionPool):
    """Connections to the master that the Sentinels name, at most so many."""


class ThreadPool(redis.BlockingConnectionPool):
    """Connections for threads, at most so many."""

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Close every connection, or only those that no thread uses now.

        redis-py's own cannot spare those in use, and its Sentinel support asks it to.
        """
        if inuse_connections:
            cast("Any", super()).disconnect()  # redis-py leaves it unannotated
            return
        with self.pool.mutex:  # nobody takes one meanwhile
            for connection in self.pool.queue:
                if connection is not None:
                    connection.disconnect()


class BlockingSentinelPool(SentinelConnectionPool, ThreadPool):
    """Connections to the master that the Sentinels name, at most so many; for threads."""


def connect(settings: Settings) -> aioredis.Redis:
    """Return a client of the running event loop; nothing is opened before its first command.

    Raises:
        SettingsError: a file of certificates that the URL names is not there.
    """
    options = _options(settings)
    address = settings.redis
    pool: aioredis.ConnectionPool
    if address.sentinels:
        sentinels = _AsyncSentinel(address.sentinels, sentinel_kwargs=_sentinel_options(settings))
        pool = cast("Any", AsyncSentinelPool)(address.sentinel_master, sentinels, ssl=address.tls, **options)
    elif address.unix_socket_path is not None:
        options["path"] = address.unix_socket_path
        pool = aioredis.BlockingConnectionPool(connection_class=PackingUnixConnection, **options)
    else:
        options |= {"host": address.host, "port": address.port}
        options["connection_class"] = PackingSSLConnection if address.tls else PackingConnection
        pool = aioredis.BlockingConnectionPool(**options)
    return aioredis.Redis(connection_pool=pool)


def pool_of(client: aioredis.Redis) -> aioredis.ConnectionPool:
    """Return the pool of a client; redis-py's stubs take it for one of either kind."""
    pool: aioredis.ConnectionPool = cast("Any", client.connection_pool)
    return pool


async def disconnect(client: aioredis.Redis) -> None:
    """Close a client of the running event loop, its Sentinels too."""
    pool = pool_of(client)
    await pool.disconnect()
    if isinstance(pool, AsyncSentinelPool):
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.connection_pool.disconnect()


def connect_blocking(settings: Settings) -> redis.Redis:
    """Return a client for threads; nothing is opened before its first command.

    Raises:
        SettingsError: a file of certificates that the URL names is not there.
    """
    options = _options(settings)
    # No event loop guards these commands with a timeout, so the socket does.
    options["socket_timeout"] = settings.enqueue_timeout_s / 2
    options["timeout"] = settings.enqueue_timeout_s
    # Otherwise redis-py repeats a command once after a timeout of the connect.
    options["retry"] = Retry(NoBackoff(), 0)
    address = settings.redis
    pool: redis.ConnectionPool
    if address.sentinels:
        sentinels = _BlockingSentinel(address.sentinels, sentinel_kwargs=_sentinel_options(settings))
        pool = cast("Any", BlockingSentinelPool)(address.sentinel_master, sentinels, ssl=address.tls, **options)
    elif address.unix_socket_path is not None:
        options["path"] = address.unix_socket_path
        pool = cast("Any", ThreadPool)(connection_class=UnixDomainSocketConnection, **options)
    else:
        options |= {"host": address.host, "port": address.port}
        if address.tls:
            options["connection_class"] = SSLConnection
        pool = cast("Any", ThreadPool)(**options)
    return redis.Redis(connection_pool=pool)


def _options(settings: Settings) -> dict[str, Any]:
    address = settings.redis
    return _socket_options(settings) | {
        "db": address.database,
        "username": address.username,
        "password": address.password.get_secret_value() if address.password else None,
        "max_connections": settings.max_connections,
        "timeout": None,
    }


def _sentinel_options(settings: Settings) -> dict[str, Any]:
    address = settings.redis
    options = _socket_options(settings) | {
        "username": address.sentinel_username,
        "password": address.sentinel_password.get_secret_value() if address.sentinel_password else None,
        "socket_timeout": settings.connect_timeout_s,
    }
    return options | ({"ssl": True} if address.tls else {})


def _socket_options(settings: Settings) -> dict[str, Any]:
    address = settings.redis
    options: dict[str, Any] = {
        "socket_connect_timeout": settings.connect_timeout_s,
        # Two commands per connection that Redis 6.2 answers with an error.
        "lib_name": None,
        "lib_version": None,
    }
    if address.unix_socket_path is None:
        options["socket_keepalive"] = True
    if address.tls:
        for option in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"):
            file = getattr(address, option)
            if file is not None and not Path(file).is_file():
                raise SettingsError("redis", f"names a file that is not there: {option}={file}")
        options |= {
            "ssl_cert_reqs": address.ssl_cert_reqs,
            "ssl_ca_certs": address.ssl_ca_certs,
            "ssl_certfile": address.ssl_certfile,
            "ssl_keyfile": address.ssl_keyfile,
            "ssl_check_hostname": address.ssl_check_hostname,
        }
    return options


# -- event loops that are gone -----------------------------------------------------------


def abandon(client: aioredis.Redis, *connections: AbstractConnection | None) -> None:
    """Close the sockets of a client whose event loop is closed, without awaiting."""
    pool = pool_of(client)
    clients = [client]
    if isinstance(pool, AsyncSentinelPool):
        clients += pool.sentinel_manager.sentinels
    for each in clients:
        inner: Any = each.connection_pool
        for connection in (*inner._available_connections, *inner._in_use_connections, *connections):  # noqa: SLF001
            if connection is not None:
                _close_socket(connection)


def _close_socket(connection: Any) -> None:
    writer: asyncio.StreamWriter | None = connection._writer  # noqa: SLF001  its own close needs the loop
    connection._writer = connection._reader = None  # noqa: SLF001
    if writer is None:
        return
    transport: Any = writer.transport
    inner: Any = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    if inner is not None:  # under TLS the transport that holds the socket is inside
        transport._closed = True  # noqa: SLF001  else the outer one warns when it is collected
        transport = inner
    with suppress(AttributeError):
        transport._sock.close()  # noqa: SLF001  asyncio's own close schedules a callback on the closed loop
        transport._sock = None  # noqa: SLF001
        transport._closing = True  # noqa: SLF001
