"""A Redis that speaks TLS only, with certificates made for the test."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from scalr_tasks.errors import BrokerUnavailableError
from scalr_tasks.testing.server import RedisServer, find_binary
from tests.support.servers import OWN


@dataclass(frozen=True)
class Certificates:
    """Files of one authority, of a server that it calls `localhost`, and of a client."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    def of(self, who: str) -> tuple[Path, Path]:
        """The certificate and the key."""
        return self.folder / f"{who}.crt", self.folder / f"{who}.key"


def make_certificates(folder: Path) -> Certificates:
    """Make the files, valid for a day; skips the test where there is no openssl program."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl program is not installed")
    made = Certificates(folder)

    def run(*args: str) -> None:
        subprocess.run([openssl, *args], check=True, capture_output=True, cwd=folder)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "1", "-subj", "/CN=test authority")
    (folder / "server.ext").write_text("subjectAltName=DNS:localhost\n")
    (folder / "client.ext").write_text("extendedKeyUsage=clientAuth\n")
    for who, subject in (("server", "/CN=localhost"), ("client", "/CN=app")):
        run("req", *key, "-keyout", f"{who}.key", "-out", f"{who}.csr", "-subj", subject)
        signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-extfile", f"{who}.ext")
        run("x509", "-req", "-in", f"{who}.csr", *signed, "-out", f"{who}.crt")
    return made


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tls_options(certificates: Certificates, *, clients: str = "no") -> list[str]:
    """The options of a server with TLS; `clients` says whether it asks for their certificates."""
    certificate, key = certificates.of("server")
    return [
        *("--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-ca-cert-file", str(certificates.ca)),
        *("--tls-auth-clients", clients, "--tls-replication", "yes"),
    ]


@contextmanager
def tls_server(certificates: Certificates, *options: str, clients: str = "no") -> Iterator[int]:
    """A server with TLS on a port of its own, which it gives; skips where the server program has none."""
    port = free_port()
    server = RedisServer(["--tls-port", str(port), *tls_options(certificates, clients=clients), *options], environ=OWN)
    try:
        server.start()
    except BrokerUnavailableError:
        pytest.skip(f"{find_binary(OWN)} was built without TLS; Debian's redis-server has it")
    with server:
        yield port
