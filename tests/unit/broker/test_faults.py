import pytest
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from scalr_tasks.broker.faults import Patience, broker_error, read_error, refusal
from scalr_tasks.errors import BrokerRefusedError, BrokerUnavailableError

SHA = "a" * 40
IN_SCRIPT_6 = f"Error running script (call to f_{SHA}): @user_script:12: @user_script: 12: "
URL = "redis://cache:6379/0"


@pytest.mark.parametrize(
    "error",
    [
        RedisConnectionError("Error 111 connecting to cache:6379. Connection refused."),
        RedisConnectionError("max number of clients reached"),
        RedisTimeoutError("Timeout reading from cache:6379"),
        TimeoutError(),
        ConnectionResetError("reset"),
        BusyLoadingError("Redis is loading the dataset in memory"),
        ReadOnlyError("You can't write against a read only replica."),
        ResponseError(IN_SCRIPT_6 + "-READONLY You can't write against a read only replica."),
        ResponseError("MASTERDOWN Link with MASTER is down"),
        ResponseError("BUSY Redis is busy running a script."),
    ],
    ids=str,
)
def test_what_passes_by_itself_is_tried_again(error: Exception) -> None:
    assert read_error(error).passes


def test_a_server_that_refuses_new_connections_unread_is_told_as_such() -> None:
    assert "maxclients" in read_error(RedisConnectionError("Connection not ready")).text


@pytest.mark.parametrize(
    ("error", "problem", "way_out"),
    [
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "OOM", "raise maxmemory"),
        (
            OutOfMemoryError(f"command not allowed. script: {SHA}, on @user_script:12."),
            "OOM command not allowed",
            "raise maxmemory",
        ),
        (ResponseError(IN_SCRIPT_6 + "-OOM command not allowed when used memory > 'maxmemory'."), "OOM", "maxmemory"),
        (AuthenticationError("Authentication required."), "NOAUTH", "redis://user:password@"),
        (ResponseError("Protocol error: unauthenticated multibulk length"), "NOAUTH", "redis://user:password@"),
        (NoPermissionError("this user has no permissions to run the 'evalsha' command"), "NOPERM", "+evalsha"),
        (
            ResponseError(IN_SCRIPT_6 + "The user executing the script can't run this command or subcommand"),
            "NOPERM",
            "scalr:*",
        ),
        (ResponseError("unknown command `EVALSHA`, with args beginning with: `x`"), "unknown command", "Redis 6.2"),
        (
            RedisConnectionError(
                "Error 1 connecting to cache:6379. [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
                "self-signed certificate (_ssl.c:1006)."
            ),
            "certificate verify failed: self-signed certificate; ",
            "ssl_ca_certs=FILE",
        ),
        (
            RedisConnectionError(
                "Error 1 connecting to cache:6379. [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
                "Hostname mismatch, certificate is not valid for 'cache'. (_ssl.c:1006)."
            ),
            "certificate verify failed: Hostname mismatch, certificate is not valid for 'cache'; ",
            "as its certificate does",
        ),
        (ResponseError("WRONGTYPE Operation against a key"), "WRONGTYPE", "database of their own"),
        (ResponseError("MISCONF Redis is configured to save"), "MISCONF", "its log"),
        (ResponseError("MOVED 1234 10.0.0.1:6379"), "MOVED", "Cluster is not supported"),
        (ResponseError("DB index is out of range"), "DB index", "choose a database"),
        (ResponseError("something else"), "something else", ""),
    ],
    ids=str,
)
def test_a_refusal_says_what_and_the_way_out(error: Exception, problem: str, way_out: str) -> None:
    assert not read_error(error).passes

    text = str(refusal(URL, error))

    assert text.startswith(f"{URL} refused: {problem}")
    assert way_out in text
    assert not text.endswith(".")
    assert SHA not in text
    assert "user_script" not in text


def test_a_refusal_never_repeats_what_was_sent() -> None:
    error = ResponseError("unknown command `EVALSHA`, with args beginning with: `abc`, `1`, `hunter2`")

    assert "hunter2" not in str(refusal(URL, error))


def test_a_command_that_is_not_repeated_raises_by_the_same_rule() -> None:
    assert isinstance(broker_error(URL, RedisConnectionError("gone")), BrokerUnavailableError)
    assert str(broker_error(URL, RedisConnectionError("gone"))).startswith(f"{URL} did not answer: ")
    assert isinstance(broker_error(URL, OutOfMemoryError("full")), BrokerRefusedError)


class HandClock:
    """A clock that only moves when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_patience_waits_longer_each_time_and_then_gives_up() -> None:
    clock = HandClock()
    patience = Patience(URL, 5, clock)
    waits: list[float] = []

    def wait_for_ever() -> None:
        while True:
            waits.append(patience.wait_after(RedisConnectionError("gone")))
            clock.now_s += waits[-1]

    with pytest.raises(BrokerUnavailableError, match="for 5 s: gone"):
        wait_for_ever()

    assert waits[0] <= 0.02
    assert max(waits) <= 0.5
    assert 4 < sum(waits) < 5


def test_patience_does_not_wait_after_a_refusal() -> None:
    with pytest.raises(BrokerRefusedError):
        Patience(URL, 5, HandClock()).wait_after(OutOfMemoryError("full"))


def test_an_attempt_never_goes_beyond_the_end() -> None:
    clock = HandClock()
    patience = Patience(URL, 5, clock)

    clock.now_s += 4

    assert patience.attempt_s(2.5) == pytest.approx(1)


def test_what_redis_said_is_told_although_the_last_attempt_had_no_time_for_an_answer() -> None:
    now_s = 0.0
    patience = Patience("redis://cache:6379/0", 1, lambda: now_s)
    patience.wait_after(ReadOnlyError("You can't write against a read only replica."))
    now_s = 0.99

    with pytest.raises(BrokerUnavailableError, match="read only replica"):
        patience.wait_after(TimeoutError())
