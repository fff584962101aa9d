"""A pickled job is read where it holds plain values, and nothing it names is ever called."""

import os
import pickle
import pickletools
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from scalr_tasks.broker.pickles import read_pickled_job
from scalr_tasks.envelope import UnreadableError

VALUES: dict[str, Any] = {
    "a number": 7,
    "a large number": 2**200,
    "a text": "grüße",
    "bytes": b"\x00\xff",
    "a bytearray": bytearray(b"ab"),
    "nothing": None,
    "a list": [1, [2.5, True]],
    "a set": {1, 2},
    "a frozenset": frozenset({1}),
    "a date": date(2026, 11, 1),
    "an instant": datetime(2026, 11, 1, 3, tzinfo=UTC),
    "a span": timedelta(seconds=3),
    "a decimal": Decimal("1.10"),
    "a uuid": UUID(int=5),
    "one value twice": [same := [1], same],
}


def job(*args: Any, **kwargs: Any) -> dict[str, Any]:
    """What arq hands to its serializer."""
    return {"t": None, "f": "add", "a": args, "k": kwargs, "et": 1_700_000_000_000}


NEWEST_ONLY = ("bytes", "a bytearray", "a set", "a frozenset", "a date", "an instant")
"""Written with a class of builtins, or a function, by the older protocols; arq has used 4 since Python 3.8."""


@pytest.mark.parametrize(
    ("kind", "protocol"),
    [(kind, protocol) for kind in VALUES for protocol in (2, 3, 4, 5) if protocol == 5 or kind not in NEWEST_ONLY],
)
def test_a_plain_value_comes_back_from_every_protocol(kind: str, protocol: int) -> None:
    value = VALUES[kind]

    read = read_pickled_job(pickle.dumps(job(1, v=value), protocol))

    assert (read.task, read.args, read.kwargs) == ("add", (1,), {"v": value})
    assert (read.first_attempt, read.enqueued_at_ms) == (1, 1_700_000_000_000)


class Reducer:
    """Pickles as a call of a function."""

    def __init__(self, call: Callable[..., Any], *args: Any) -> None:
        self.call = (call, args)

    def __reduce__(self) -> Any:
        return self.call


class Outside:
    """A class outside the table."""


def bombs(proof: Path) -> dict[str, Any]:
    """Values that do something when they are unpickled, or try to."""
    return {
        "os.system": Reducer(os.system, f"touch {proof}"),
        "open": Reducer(open, str(proof), "w"),
        "eval": Reducer(eval, f"open({str(proof)!r}, 'w')"),
        "exec": Reducer(exec, f"open({str(proof)!r}, 'w')"),
        "subprocess": Reducer(subprocess.Popen, ["touch", str(proof)]),
        "getattr": Reducer(getattr, date, "today"),
        "a path's method": Reducer(Path.touch, proof),
        "import": Reducer(__import__, "antigravity"),
        "memory": Reducer(bytearray, 10**12),
        "a class of the app's": Outside(),
        "a digit bomb": Decimal("1e999999999"),
    }


@pytest.mark.parametrize("kind", bombs(Path()))
def test_a_bomb_is_refused_and_never_goes_off(kind: str, tmp_path: Path) -> None:
    proof = tmp_path / "gone-off"

    with pytest.raises(UnreadableError, match="pickle"):
        read_pickled_job(pickle.dumps(job(bombs(proof)[kind])))

    assert not proof.exists()


def test_the_bombs_do_go_off_where_pickle_reads_them(tmp_path: Path) -> None:
    proof = tmp_path / "gone-off"

    pickle.loads(pickle.dumps(job(bombs(proof)["os.system"])))

    assert proof.exists()


def nested(levels: int) -> list[Any]:
    """A few bytes that stand for ten to the power of `levels` items."""
    value: list[Any] = [1]
    for _ in range(levels):
        value = [value] * 10
    return value


def holds_itself() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


HOSTILE = {
    "references that stand for a billion items": pickle.dumps(job(nested(9))),
    "a value that holds itself": pickle.dumps(job(holds_itself())),
    "a memo slot far away": b"\x80\x04K\x01r\xff\xff\xff\xff.",
    "a length that is not there": b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x00.",
    "a persistent id": b"\x80\x02Pname\n.",
    "an extension": b"\x80\x02\x82\x01.",
    "an old class by name": b"\x80\x02(ios\nsystem\n.",
    "a class whose attributes are set": b"\x80\x02cuuid\nUUID\n}X\x03\x00\x00\x00intK\x05sb.",
    "nothing": b"",
    "half a pickle": pickle.dumps(job(1))[:-5],
    "no job": pickle.dumps([1, 2]),
    "a job without a name": pickle.dumps(job() | {"f": None}),
    "keywords that are no texts": pickle.dumps(job() | {"k": {1: 2}}),
    "a negative attempt": pickle.dumps(job() | {"t": -1}),
    "json": b'{"v":1}\n{}',
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_hostile_or_no_job_is_unreadable(kind: str) -> None:
    with pytest.raises(UnreadableError):
        read_pickled_job(HOSTILE[kind])


def test_the_references_are_few_bytes() -> None:
    assert len(HOSTILE["references that stand for a billion items"]) < 400
    assert any(opcode.name == "LONG_BINPUT" for opcode, _, _ in pickletools.genops(HOSTILE["a memo slot far away"]))


def test_nothing_else_in_the_package_unpickles() -> None:
    package = Path(sys.modules["scalr_tasks"].__file__ or "").parent

    users = {path.name for path in package.rglob("*.py") if "import pickle" in path.read_text("utf-8")}

    assert users == {"pickles.py"}
