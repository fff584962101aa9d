"""TLS: a real server that asks for it, certificates that are made for the test."""

import asyncio
import gc
import ssl
import warnings
from pathlib import Path

import pytest
from redis.asyncio import Redis

from scalr_tasks.broker.client import RedisBrokers
from scalr_tasks.errors import BrokerError, BrokerRefusedError, SettingsError
from scalr_tasks.settings import Settings
from tests.support.jobs import KEEP_MS, QUEUES, new_job
from tests.support.tls import Certificates, make_certificates, tls_server
from tests.support.until import until


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def trusting(port: int, certificates: Certificates, *, host: str = "localhost", more: str = "") -> RedisBrokers:
    """Brokers that trust the authority of the test only."""
    url = f"rediss://{host}:{port}/1?ssl_ca_certs={certificates.ca}{more}"
    return RedisBrokers(lambda: Settings(redis=url))


async def refusal(brokers: RedisBrokers) -> BrokerError:
    """What both kinds of caller are refused with, at once."""
    try:
        with pytest.raises(BrokerRefusedError) as caught:
            async with asyncio.timeout(4):
                await brokers.broker().enqueue([new_job("inv-1")])
        with pytest.raises(BrokerRefusedError) as caught_blocking:
            async with asyncio.timeout(4):
                await asyncio.to_thread(brokers.blocking().enqueue, [new_job("inv-2")])
    finally:
        await brokers.close()
        brokers.close_blocking()
    assert str(caught.value) == str(caught_blocking.value)
    return caught.value


async def test_everything_works_over_tls(certificates: Certificates) -> None:
    with tls_server(certificates) as port:
        brokers = trusting(port, certificates)
        await brokers.broker().enqueue([new_job("inv-1")])
        await asyncio.to_thread(brokers.blocking().enqueue, [new_job("inv-2")])
        waiting = asyncio.create_task(brokers.broker().wait_ended("inv-1", 10))
        await until(lambda: _subscribed(brokers.broker().client))

        await brokers.broker().abort("inv-1", QUEUES, KEEP_MS)
        record = await waiting

        assert record is not None
        assert await brokers.broker().count_queued(QUEUES) == 1
        assert isinstance(await _transport_ssl(brokers.broker().client), ssl.SSLObject)
        await brokers.close()
        brokers.close_blocking()


async def _subscribed(redis: Redis) -> bool:
    return len(await redis.pubsub_channels()) == 1


async def _transport_ssl(redis: Redis) -> object:
    pool = redis.connection_pool
    connection = await pool.get_connection()
    try:
        return connection._writer.get_extra_info("ssl_object")
    finally:
        await pool.release(connection)


async def test_a_certificate_of_the_client_is_shown_where_the_server_asks_for_it(certificates: Certificates) -> None:
    certificate, key = certificates.of("client")
    with tls_server(certificates, clients="yes") as port:
        brokers = trusting(port, certificates, more=f"&ssl_certfile={certificate}&ssl_keyfile={key}")

        [answer] = await brokers.broker().enqueue([new_job("inv-1")])
        [blocking] = await asyncio.to_thread(brokers.blocking().enqueue, [new_job("inv-2")])

        assert answer.created
        assert blocking.created
        await brokers.close()
        brokers.close_blocking()


async def test_a_server_of_an_unknown_authority_is_refused_with_the_way_out(certificates: Certificates) -> None:
    with tls_server(certificates) as port:
        error = await refusal(RedisBrokers(lambda: Settings(redis=f"rediss://localhost:{port}/0")))

    assert "certificate verify failed" in str(error)
    assert "ssl_ca_certs" in str(error)


async def test_a_certificate_of_another_host_is_refused(certificates: Certificates) -> None:
    with tls_server(certificates) as port:
        error = await refusal(trusting(port, certificates, host="127.0.0.1"))

    assert "not valid for '127.0.0.1'" in str(error)
    assert "as its certificate does" in str(error)


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
async def test_a_file_of_certificates_that_is_not_there_is_told_before_anything_is_opened(
    option: str, tmp_path: Path
) -> None:
    (tmp_path / "there").touch()
    files = dict.fromkeys(("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"), "there") | {option: "none.crt"}
    query = "&".join(f"{name}={tmp_path / file}" for name, file in files.items())
    brokers = RedisBrokers(lambda: Settings(redis=f"rediss://localhost:1/0?{query}"))

    for open_broker in (brokers.broker, brokers.blocking):
        with pytest.raises(SettingsError, match=f"{option}=.*none.crt"):
            open_broker()


def test_the_client_of_a_closed_loop_closes_quietly_over_tls(certificates: Certificates) -> None:
    with tls_server(certificates) as port, warnings.catch_warnings():
        warnings.simplefilter("error")
        brokers = trusting(port, certificates)

        async def enqueue() -> None:
            await brokers.broker().enqueue([new_job()])

        asyncio.run(enqueue())
        asyncio.run(enqueue())
        assert len(brokers._by_loop) == 1
        asyncio.run(brokers.close())
        gc.collect()
