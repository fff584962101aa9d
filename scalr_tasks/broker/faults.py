"""What Redis's errors mean: try again, or give up with the way out.

A fault is what passes by itself: a lost connection, no reply, a server that
loads or fails over. Everything else that Redis answers is a refusal, which no
repetition changes. Neither text holds what was sent.

Reads next: `redis.py`, which repeats after faults.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.errors import BrokerRefusedError, BrokerUnavailableError

ERRORS: Final = (RedisError, OSError, TimeoutError)
"""Everything that redis-py raises for what happened outside this process."""

_FIRST_DELAY_S: Final = 0.02
_LONGEST_DELAY_S: Final = 0.5

_PASSING: Final = frozenset({"READONLY", "LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN", "NOREPLICAS", "CLUSTERDOWN"})

_CODES: Final[dict[type[RedisError], str]] = {
    OutOfMemoryError: "OOM",
    NoPermissionError: "NOPERM",
    ReadOnlyError: "READONLY",
    AuthenticationError: "NOAUTH",
    AuthorizationError: "NOAUTH",
}
"""redis-py strips the code from these."""

RIGHTS: Final = "~arq:* ~scalr:* resetchannels &scalr:ended:* +@read +@write +@pubsub +evalsha +script|load +time +ping"
"""What the broker needs of a Redis user, as ACL SETUSER takes it."""

NO_REPLY: Final = "no reply in time"
"""What is said of an attempt that Redis did not answer at all."""

_WAYS_OUT: Final = {
    "OOM": "raise maxmemory, or let workers drain the queues",
    "NOPERM": f"give the user these rights: {RIGHTS}",
    "NOAUTH": "put the server's own user and password into the URL, or none where it has none: "
    "redis://user:password@host:6379/0",
    "WRONGTYPE": "a key of ours holds something else: give the jobs a database of their own",
    "MISCONF": "the server cannot write to its disk; its log says why",
    "MOVED": "Redis Cluster is not supported; use a single Redis or Sentinel",
    "CROSSSLOT": "Redis Cluster is not supported; use a single Redis or Sentinel",
    "certificate verify failed: IP address mismatch": "name the host as its certificate does",
    "certificate verify failed: Hostname mismatch": "name the host as its certificate does",
    "certificate verify failed": "name the file of the certificates to trust: rediss://host:6379/0?ssl_ca_certs=FILE",
    "Unknown Redis command": "Redis 6.2 or newer is needed",
    "unknown command": "Redis 6.2 or newer with Lua scripts is needed",
    "DB index": "choose a database that the server has",
}

_NOT_READY: Final = "Connection not ready"
"""redis-py's words where there is something to read on a connection that nothing was sent on: the server's refusal."""

_IN_SCRIPT: Final = re.compile(r"^.*@user_script:\s*\d+:\s*-?")
_SCRIPT_NOTE: Final = re.compile(r" script: [0-9a-f]{40}.*$")
_CERTIFICATE: Final = re.compile(r"certificate verify failed.*?(?= \(_ssl\.c:\d+\)|$)")
_CODE: Final = re.compile(r"^([A-Z]{3,}) ")


@dataclass(frozen=True, slots=True)
class Fault:
    """An error of redis-py, read."""

    code: str
    """Redis's own word (`OOM`), or empty."""
    text: str
    passes: bool
    """Whether the same command may succeed a moment later."""


def read_error(error: BaseException) -> Fault:
    """Tell what an error of redis-py means."""
    text = _plain(str(error))
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return Fault(code, text, passes=code in _PASSING)
    certificate = _CERTIFICATE.search(text)
    if certificate:  # redis-py calls it a connection error; no repetition makes the certificate another one
        return Fault("", certificate[0].rstrip("."), passes=False)
    if isinstance(error, (RedisConnectionError, RedisTimeoutError, OSError, TimeoutError)):
        if text == _NOT_READY:
            text = "it ends each new connection at once; its maxclients may be reached"
        return Fault("", text or NO_REPLY, passes=True)
    match = _CODE.match(text)
    if match:
        return Fault(match[1], text[match.end() :], passes=match[1] in _PASSING)
    # Without a code of Redis's own:
    if "user executing the script can't" in text:
        return Fault("NOPERM", text, passes=False)
    if "unauthenticated" in text:  # a command with many arguments, before AUTH
        return Fault("NOAUTH", text, passes=False)
    return Fault("", text, passes=False)


def _plain(text: str) -> str:
    text = _SCRIPT_NOTE.sub("", _IN_SCRIPT.sub("", text))
    # Redis repeats the first arguments of a command that it does not know.
    return text.partition(", with args beginning with")[0].partition("\n")[0].rstrip(" .")


def refusal(url: str, error: BaseException) -> BrokerRefusedError:
    """Return the error for what Redis refused."""
    fault = read_error(error)
    known = (way_out for word, way_out in _WAYS_OUT.items() if word in {fault.code, *_words(fault.text)})
    problem = f"{fault.code} {fault.text}" if fault.code else fault.text
    return BrokerRefusedError(url, problem, way_out=next(known, ""))


def _words(text: str) -> set[str]:
    return {word for word in _WAYS_OUT if text.startswith(word)}


class Patience:
    """How long, and how often, one command is repeated.

    Args:
        url: address without a password, for the error.
        timeout_s: when it is over.
        monotonic_s: the clock.
    """

    def __init__(self, url: str, timeout_s: float, monotonic_s: Callable[[], float] = SYSTEM_CLOCK.monotonic_s) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._now_s = monotonic_s
        self._until_s = monotonic_s() + timeout_s
        self._delay_s = _FIRST_DELAY_S
        self._said = ""
        """The last thing that was more than silence: the last attempt may be cut short, and says less."""

    def attempt_s(self, longest_s: float) -> float:
        """Return how long the next attempt may take."""
        return max(0.001, min(longest_s, self._until_s - self._now_s()))

    def wait_after(self, error: BaseException) -> float:
        """Return how long to wait before the next attempt, in seconds.

        Raises:
            BrokerUnavailableError: there is no time for a next attempt.
            BrokerRefusedError: another attempt cannot help.
        """
        fault = read_error(error)
        if not fault.passes:
            raise refusal(self._url, error) from error
        if fault.text != NO_REPLY:
            self._said = fault.text
        # Jittered, so that clients that lost one Redis together do not come back together.
        delay_s = self._delay_s * random.uniform(0.5, 1)  # noqa: S311  no secret
        if self._now_s() + delay_s >= self._until_s:
            raise BrokerUnavailableError(self._url, self._said or fault.text, after_s=self._timeout_s) from error
        self._delay_s = min(self._delay_s * 2, _LONGEST_DELAY_S)
        return delay_s


def is_replica(error: BaseException) -> bool:
    """Whether the server answered that it takes no writes: another one is the master by now."""
    return read_error(error).code == "READONLY"


def broker_error(url: str, error: BaseException) -> BrokerUnavailableError | BrokerRefusedError:
    """Return the error for a command that is not repeated."""
    fault = read_error(error)
    return BrokerUnavailableError(url, fault.text) if fault.passes else refusal(url, error)
