"""Where Redis is: `RedisAddress`, and the parser of its URL.

The parser is our own, so that each way in which a URL can be wrong has a line
of its own; none of those lines, and no `repr`, holds a password.

Reads next: `settings.py`, which takes the URL from the environment.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from typing import Any, Final, Literal, Self
from urllib.parse import unquote

from pydantic import SecretStr

from scalr_tasks.errors import SettingsError
from scalr_tasks.names import did_you_mean, nearest

DEFAULT_URL: Final = "redis://localhost:6379/0"
"""Where Redis is looked for when nothing says otherwise."""

REDIS_PORT: Final = 6379
"""Port of Redis where the URL names none."""

SENTINEL_PORT: Final = 26379
"""Port of a Sentinel where the URL names none."""

Scheme = Literal["redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"]
"""`s` after `redis` means TLS."""

_SCHEMES: Final[dict[str, Scheme]] = {
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    "redis+sentinel": "redis+sentinel",
    "rediss+sentinel": "rediss+sentinel",
}
_URL: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.\-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?P<fragment>#.*)?",
    re.IGNORECASE,
)
_ENCODE: Final = "write / as %2F, ? as %3F, # as %23, @ as %40 and % as %25 in a user name or a password"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """Where Redis is, as one URL says it.

    >>> RedisAddress.parse("redis://:s3cret@cache:6380/2").safe_url
    'redis://cache:6380/2'

    Spellings, with `[user:password@]` before each host where Redis asks for it:

        redis://host:6379/0                            rediss:// with TLS
        redis://[::1]:6379/0                           an IPv6 address stands in brackets
        unix:///run/redis/redis.sock?db=0
        redis+sentinel://host1:26379,host2/mymaster/0  rediss+sentinel:// with TLS

    A missing database is 0, a missing port 6379 (26379 of a Sentinel).
    Options after `?`: `db`; with TLS `ssl_cert_reqs` (`required`, `optional`,
    `none`), `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`, `ssl_check_hostname`;
    with Sentinel `sentinel_username` and `sentinel_password`.
    """

    scheme: Scheme = "redis"
    host: str = "localhost"
    """Of a Sentinel address the first Sentinel; of a unix socket nothing."""
    port: int = REDIS_PORT
    database: int = 0
    username: str | None = None
    password: SecretStr | None = None
    unix_socket_path: str | None = None
    sentinels: tuple[tuple[str, int], ...] = ()
    """Host and port of every Sentinel; empty where the address is Redis's own."""
    sentinel_master: str | None = None
    """The name under which the Sentinels know the master."""
    sentinel_username: str | None = None
    sentinel_password: SecretStr | None = None
    """Password of the Sentinels themselves; `password` is Redis's."""
    ssl_cert_reqs: Literal["required", "optional", "none"] = "required"
    ssl_ca_certs: str | None = None
    """File of certificates to trust; the system's where left out."""
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_check_hostname: bool = True
    """Whether the certificate must name the host; off by default only where `ssl_cert_reqs` is `none`."""

    @classmethod
    def parse(cls, url: str, *, setting: str = "redis") -> Self:
        """Read a URL.

        Args:
            url: one of the spellings above.
            setting: what the error calls it, `REDIS_URL` for one.

        Raises:
            SettingsError: the URL cannot be used; the text says why, without any part that may be secret.
        """
        try:
            return cls(**_parsed(url))
        except SettingsError as error:
            raise SettingsError(setting, error.problem, way_out=error.way_out) from None

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.scheme.startswith("rediss")

    @property
    def safe_url(self) -> str:
        """The address for errors and banners: without user, password and options."""
        if self.scheme == "unix":
            return f"unix://{self.unix_socket_path}?db={self.database}"
        if self.sentinels:
            hosts = ",".join(_host_port(host, port) for host, port in self.sentinels)
            return f"{self.scheme}://{hosts}/{self.sentinel_master}/{self.database}"
        return f"{self.scheme}://{_host_port(self.host, self.port)}/{self.database}"

    def __str__(self) -> str:
        return self.safe_url


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# -- the parser --------------------------------------------------------------------------


def _wrong(problem: str, way_out: str = "") -> SettingsError:
    return SettingsError("redis", problem, way_out=way_out)


def _parsed(url: str) -> dict[str, Any]:
    parts = _parts(url)
    scheme = _scheme(parts["scheme"])
    credentials, at, hosts = parts["authority"].rpartition("@")
    fields: dict[str, Any] = {"scheme": scheme}
    if at:
        fields |= _credentials(credentials)
    options = _options(parts["query"] or "", scheme)
    path = parts["path"]
    if scheme == "unix":
        if hosts:
            raise _wrong("has a host before the socket's path", "write three slashes: unix:///run/redis.sock")
        if path in {"", "/"}:
            raise _wrong("names no socket", "write unix:///run/redis.sock")
        fields |= {"host": "", "port": 0, "unix_socket_path": _decoded(path, "a path")}
        path = ""
    elif scheme.endswith("+sentinel"):
        master, _, path = path.removeprefix("/").partition("/")
        if not master:
            raise _wrong("names no master", f"write {scheme}://host:26379/mymaster/0")
        sentinels = tuple(_host(host, SENTINEL_PORT) for host in hosts.split(","))
        fields |= {"sentinels": sentinels, "sentinel_master": _decoded(master, "a master's name")}
        fields["host"], fields["port"] = sentinels[0]
    else:
        if "," in hosts:
            raise _wrong("names several hosts", "for Sentinel write redis+sentinel://host1,host2/mymaster/0")
        fields["host"], fields["port"] = _host(hosts, REDIS_PORT)
    fields["database"] = _database(path, options.pop("db", None))
    return fields | _checked_tls(options)


def _parts(url: str) -> dict[str, Any]:
    if not url.strip():
        raise _wrong("is empty", f"write {DEFAULT_URL}")
    if url[0] in "'\"" or url[-1] in "'\"":
        raise _wrong("has quotes around it", "remove them: they were taken for a part of the URL")
    if any(char.isspace() or not char.isprintable() for char in url):
        raise _wrong("has a blank or a control character in it", "remove it")
    match = _URL.fullmatch(url)
    if match is None:
        raise _wrong("is no URL", f"expected one like {DEFAULT_URL}")
    parts = match.groupdict()
    tail = url[match.end("authority") :]
    if "@" in tail and parts["scheme"].lower() != "unix":
        raise _wrong("has an @ after its host", _ENCODE)
    if parts["fragment"]:
        raise _wrong("has a # in it", _ENCODE)
    return parts


def _scheme(written: str) -> Scheme:
    scheme = _SCHEMES.get(written.lower())
    if scheme is None:
        raise _wrong("has an unknown scheme", did_you_mean(written.lower(), _SCHEMES))
    return scheme


def _credentials(text: str) -> dict[str, Any]:
    user, colon, password = text.partition(":")
    fields: dict[str, Any] = {}
    if user:
        fields["username"] = _decoded(user, "a user name")
    if colon and password:
        fields["password"] = SecretStr(_decoded(password, "a password"))
    return fields


def _decoded(text: str, what: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise _wrong(f"has {what} with a % that two hex digits do not follow", "write % itself as %25")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise _wrong(f"has {what} that is not UTF-8 once it is decoded", "percent-encode its UTF-8 bytes") from None


def _host(text: str, default_port: int) -> tuple[str, int]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise _wrong("has a [ without its ]", "write [::1]:6379")
        try:
            IPv6Address(host := _decoded(host, "a host"))
        except AddressValueError:
            raise _wrong("has no IPv6 address between its brackets", "write [::1]:6379") from None
        port = rest[1:] if rest else None
    else:
        host, colon, after = text.partition(":")
        port = after if colon else None
        if ":" in after:
            raise _wrong(
                "has more than one : in its host", "put an IPv6 address in brackets, and an @ after the password"
            )
        if not host:
            raise _wrong(
                "names no host", "write redis://localhost:6379/0, and check what the URL was put together from"
            )
        if not re.fullmatch(r"[\w.\-]+", host):
            raise _wrong("has a host with a character that no host name has", _ENCODE)
    if port is None:
        return host, default_port
    if not (port.isascii() and port.isdigit()) or not 1 <= int(port[:6]) <= 65535:
        raise _wrong("has a port that is not 1 to 65535", "an @ stands between a password and the host")
    return host, int(port)


def _database(path: str, option: str | None) -> int:
    written = path.removeprefix("/")
    databases = {text for text in (written, option) if text}
    if len(databases) > 1:
        raise _wrong("names two databases, in its path and as db", "leave one of them out")
    text = databases.pop() if databases else "0"
    if not (text.isascii() and text.isdigit()) or len(text) > 6:
        raise _wrong("has a database that is not a whole number", "write redis://host:6379/0")
    return int(text)


def _choice(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"expected {', '.join(choices[:-1])} or {choices[-1]}")
        return text.lower()

    return read


def _truth(text: str) -> bool:
    return _choice("true", "false", "1", "0", "yes", "no")(text) in {"true", "1", "yes"}


_TLS_OPTIONS: Final[dict[str, Callable[[str], Any]]] = {
    "ssl_cert_reqs": _choice("required", "optional", "none"),
    "ssl_ca_certs": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "ssl_check_hostname": _truth,
}
_SENTINEL_OPTIONS: Final[dict[str, Callable[[str], Any]]] = {"sentinel_username": str, "sentinel_password": SecretStr}


def _options(query: str, scheme: Scheme) -> dict[str, Any]:
    known: dict[str, Callable[[str], Any]] = {"db": str}
    known |= _TLS_OPTIONS if scheme.startswith("rediss") else {}
    known |= _SENTINEL_OPTIONS if scheme.endswith("+sentinel") else {}
    options: dict[str, Any] = {}
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        if name not in known:
            raise _unknown_option(name, known, scheme)
        if name in options:
            raise _wrong(f"says {name} twice", "leave one of them out")
        text = _decoded(value, f"an option {name}")
        if not text:
            raise _wrong(f"has an option {name} without a value", "write a value after =, or leave it out")
        try:
            options[name] = known[name](text)
        except ValueError as error:
            raise _wrong(f"has an option {name} that cannot be read", str(error)) from None
    return options


def _unknown_option(name: str, known: Mapping[str, Any], scheme: Scheme) -> SettingsError:
    if name in _TLS_OPTIONS:
        return _wrong(f"has an option {name} without TLS", f"write rediss{scheme.removeprefix('redis')}://")
    if name in _SENTINEL_OPTIONS:
        return _wrong(f"has an option {name} without Sentinel", "write redis+sentinel://host/mymaster/0")
    near = nearest(name, known)
    # A name that resembles none of ours may be a piece of a password: it is not repeated.
    problem = f"has an unknown option {name!r}" if near else "has an unknown option"
    return _wrong(problem, did_you_mean(name, known))


def _checked_tls(options: dict[str, Any]) -> dict[str, Any]:
    if ("ssl_certfile" in options) != ("ssl_keyfile" in options):
        raise _wrong("has one of ssl_certfile and ssl_keyfile", "give both or none")
    if options.get("ssl_cert_reqs") == "none" and options.setdefault("ssl_check_hostname", False):
        raise _wrong("checks the host name of a certificate that it does not require", "remove ssl_cert_reqs=none")
    return options
