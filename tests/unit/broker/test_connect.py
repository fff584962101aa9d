from typing import Any

import pytest
from redis.asyncio.connection import SSLConnection as AsyncSSLConnection
from redis.asyncio.connection import UnixDomainSocketConnection as AsyncUnixConnection

from scalr_tasks.broker.connect import AsyncSentinelPool, BlockingSentinelPool, connect, connect_blocking, pool_of
from scalr_tasks.errors import SettingsError
from scalr_tasks.settings import Settings


def options_of(url: str) -> dict[str, Any]:
    return dict(pool_of(connect(Settings(redis=url))).connection_kwargs)


def test_an_address_reaches_redis_py() -> None:
    options = options_of("redis://app:p%40ss@cache:6380/2")

    assert (options["host"], options["port"], options["db"]) == ("cache", 6380, 2)
    assert (options["username"], options["password"]) == ("app", "p@ss")


def test_tls_verifies_the_certificate_and_the_name() -> None:
    pool = pool_of(connect(Settings(redis="rediss://cache:6380/0")))

    assert issubclass(pool.connection_class, AsyncSSLConnection)
    assert pool.connection_kwargs["ssl_cert_reqs"] == "required"
    assert pool.connection_kwargs["ssl_check_hostname"] is True


def test_a_unix_socket_is_taken_by_its_path() -> None:
    pool = pool_of(connect(Settings(redis="unix:///run/redis.sock?db=3")))

    assert issubclass(pool.connection_class, AsyncUnixConnection)
    assert (pool.connection_kwargs["path"], pool.connection_kwargs["db"]) == ("/run/redis.sock", 3)


@pytest.mark.parametrize("scheme", ["redis+sentinel", "rediss+sentinel"])
def test_sentinels_are_asked_for_the_master(scheme: str) -> None:
    settings = Settings(redis=f"{scheme}://s1:26379,s2:26380/mymaster/1", max_connections=7)

    for client, kind in ((connect(settings), AsyncSentinelPool), (connect_blocking(settings), BlockingSentinelPool)):
        pool: Any = client.connection_pool
        asked = [each.connection_pool.connection_kwargs["port"] for each in pool.sentinel_manager.sentinels]
        assert isinstance(pool, kind)
        assert asked == [26379, 26380]
        assert (pool.connection_kwargs["db"], pool.max_connections) == (1, 7)


def test_redis_py_repeats_nothing_by_itself() -> None:
    for client in (connect(Settings()), connect_blocking(Settings())):
        pool: Any = client.connection_pool
        assert pool.make_connection().retry._retries == 0


def test_a_blocking_command_ends_in_time() -> None:
    pool: Any = connect_blocking(Settings(enqueue_timeout_s=4)).connection_pool

    assert pool.connection_kwargs["socket_timeout"] == 2
    assert pool.timeout == 4


def test_a_file_of_certificates_that_is_not_there_is_named() -> None:
    settings = Settings(redis="rediss://cache:6380/0?ssl_ca_certs=/nowhere/ca.pem")

    with pytest.raises(SettingsError, match=r"^redis names a file that is not there: ssl_ca_certs=/nowhere/ca\.pem$"):
        connect(settings)
