"""Jobs that plain arq has pickled, read without running anything: for registries that say `read_pickle=True`.

The only file of the package that unpickles. Three gates, each enough against
the usual bomb: every opcode is looked at before the first is executed; a class
must stand in a fixed table of plain values; what came out is counted, because
a few bytes of references can stand for billions of items.

Reads next: `registry/delivery.py`, which validates what is read here.
"""

import pickle
import pickletools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from io import BytesIO
from typing import Any, Final
from uuid import UUID

from scalr_tasks.envelope import MAX_WHOLE, UnreadableError

MAX_PICKLE_BYTES: Final = 5_000_000
MAX_EXPONENT: Final = 10_000
"""Largest exponent of a `Decimal`: ten characters of one can stand for a number of a billion digits."""

MAX_ITEMS: Final = 200_000
"""Most values that one job may hold, references counted as often as they stand there."""

CLASSES: Final[dict[tuple[str, str], type]] = {
    ("datetime", "date"): date,
    ("datetime", "datetime"): datetime,
    ("datetime", "time"): time,
    ("datetime", "timedelta"): timedelta,
    ("datetime", "timezone"): timezone,
    ("decimal", "Decimal"): Decimal,
    ("uuid", "UUID"): UUID,
}
"""What a pickle may name: classes whose constructors only make a value."""

_OPCODES: Final = frozenset(
    {
        *("PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"),
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
        *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND", "APPENDS"),
        *("EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_SET", "ADDITEMS", "FROZENSET"),
        *("GLOBAL", "STACK_GLOBAL", "REDUCE", "NEWOBJ", "BUILD"),
    }
)
"""What protocols 2 to 5 write for plain values; arq's own default is one of these protocols."""


@dataclass(frozen=True, slots=True)
class PickledJob:
    """A job as plain arq wrote it."""

    task: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    first_attempt: int
    enqueued_at_ms: int


def is_pickle(raw: bytes) -> bool:
    """Tell whether bytes claim to be a pickle.

    >>> is_pickle(pickle.dumps(1))
    True
    """
    return raw[:1] == b"\x80"


def read_pickled_job(raw: bytes) -> PickledJob:
    """Read a job that plain arq has pickled.

    Raises:
        UnreadableError: it names a class outside the table, is too large, or is no job of arq's.
    """
    if not is_pickle(raw) or len(raw) > MAX_PICKLE_BYTES:
        raise UnreadableError("pickle")
    try:
        _look_at_opcodes(raw)
        data = _TableUnpickler(BytesIO(raw)).load()
        _count(data)
        return _job_in(data)
    except Exception as error:  # whatever a hostile pickle provokes, it is a job to park
        raise UnreadableError("pickle") from error


class _TableUnpickler(pickle.Unpickler):
    """Finds the classes of the table, and nothing else."""

    def find_class(self, module: str, name: str, /) -> type:
        try:
            return CLASSES[module, name]
        except KeyError:
            raise pickle.UnpicklingError("a class outside the table") from None


def _look_at_opcodes(raw: bytes) -> None:
    for opcode, argument, _ in pickletools.genops(raw):
        if opcode.name not in _OPCODES:
            raise pickle.UnpicklingError("an opcode that plain values do not need")
        # The memo is an array: a slot far away would make Python allocate everything before it.
        if opcode.name == "LONG_BINPUT" and isinstance(argument, int) and argument > len(raw):
            raise pickle.UnpicklingError("a memo slot that no pickle of this size can need")


def _count(data: object) -> None:
    left = MAX_ITEMS
    waiting = [data]
    while waiting:
        left -= 1
        if left < 0:
            raise pickle.UnpicklingError("too many items, or a value that holds itself")
        value = waiting.pop()
        if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) > MAX_EXPONENT:
            raise pickle.UnpicklingError("a number with too many digits")
        waiting.extend(_items(value))


def _items(value: object) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from value


def _job_in(data: Any) -> PickledJob:
    task, args, kwargs, attempt, enqueued_at_ms = data["f"], data["a"], data["k"], data["t"], data["et"]
    well_formed = (
        type(task) is str
        and isinstance(args, (tuple, list))
        and isinstance(kwargs, dict)
        and all(type(name) is str for name in kwargs)
        and (attempt is None or (type(attempt) is int and 1 <= attempt <= MAX_WHOLE))
        and type(enqueued_at_ms) is int
        and 0 <= enqueued_at_ms <= MAX_WHOLE
    )
    if not well_formed:
        raise pickle.UnpicklingError("no job of arq's")
    return PickledJob(task, tuple(args), kwargs, attempt or 1, enqueued_at_ms)
