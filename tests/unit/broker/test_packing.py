import pytest
from redis.asyncio.connection import Connection
from redis.exceptions import DataError

from scalr_tasks.broker.packing import PackingConnection


@pytest.mark.parametrize(
    "command",
    [
        ("PING",),
        ("SCRIPT LOAD", "return 1"),
        ("EVALSHA", "f" * 40, 1, "arq:queue:default", b'{"invoice_id":1}', "", 0, -5),
        ("SET", "schlüssel", "Grüße 🙂"),
        ("SET", "large", b"x" * 100_000),
        (b"CLIENT NO-EVICT", b"on"),
    ],
)
def test_a_command_is_written_byte_for_byte_as_redis_py_writes_it(command: tuple[str | bytes | int, ...]) -> None:
    assert b"".join(PackingConnection().pack_command(*command)) == b"".join(Connection().pack_command(*command))


def test_an_argument_that_has_no_bytes_is_refused_as_redis_py_refuses_it() -> None:
    with pytest.raises(DataError):
        PackingConnection().pack_command("SET", "key", object())
