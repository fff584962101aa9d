"""Any value of a supported type survives enqueue, JSON and worker, unchanged in value and type."""

import collections
import dataclasses
import datetime as dt
import enum
import ipaddress
import math
import uuid
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, Literal, NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue

from tests.support.wire import wire_for


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Name(enum.StrEnum):
    A = "a"
    B = "b"


class Point(NamedTuple):
    x: int
    y: float


class Line(BaseModel):
    item: str
    price: Decimal
    when: dt.datetime | None = None


@dataclasses.dataclass
class Box:
    lines: list[Line]
    size: tuple[int, ...] = ()


WIRES: dict[Any, Any] = {}

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
# A zone is its offset here: the name of a zone does not travel, the instant and the offset do.
ZONES = st.none() | st.builds(
    lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)), st.integers(-23 * 60 - 59, 23 * 60 + 59)
)
SCALARS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers()),
    (bool, st.booleans()),
    (float, st.floats()),
    (str, TEXT),
    (bytes, st.binary()),
    (dt.date, st.dates()),
    (dt.datetime, st.datetimes(timezones=ZONES)),
    (dt.time, st.times()),
    (dt.timedelta, st.timedeltas()),
    (uuid.UUID, st.uuids()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (complex, st.complex_numbers(allow_nan=False, allow_infinity=False)),
    (Level, st.sampled_from(Level)),
    (Name, st.sampled_from(Name)),
    (Literal["x", 3], st.sampled_from(["x", 3])),
    (ipaddress.IPv6Address, st.ip_addresses(v=6)),
    (PurePosixPath, TEXT.filter(lambda text: "\0" not in text).map(PurePosixPath)),
    (int | None, st.none() | st.integers()),
    (int | str, st.integers() | TEXT),
    (int | float, st.integers() | st.floats(allow_nan=False)),
    (dt.date | dt.datetime, st.dates() | st.datetimes()),
    (uuid.UUID | int, st.uuids() | st.integers()),
    (Decimal | int, st.decimals(allow_nan=False, allow_infinity=False) | st.integers()),
]
LINES = st.builds(
    Line,
    item=TEXT,
    price=st.decimals(allow_nan=False, allow_infinity=False),
    when=st.none() | st.datetimes(timezones=ZONES),
)
HOLDERS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (list[dt.date], st.lists(st.dates())),
    (tuple[int, str], st.tuples(st.integers(), TEXT)),
    (tuple[float, ...], st.lists(st.floats(allow_nan=False)).map(tuple)),
    (set[uuid.UUID], st.sets(st.uuids())),
    (frozenset[str], st.frozensets(TEXT)),
    (collections.deque[int], st.lists(st.integers()).map(collections.deque)),
    (dict[str, bytes], st.dictionaries(TEXT, st.binary())),
    (dict[int, list[str]], st.dictionaries(st.integers(), st.lists(TEXT))),
    (dict[uuid.UUID, dt.timedelta], st.dictionaries(st.uuids(), st.timedeltas())),
    (dict[dt.datetime, bool], st.dictionaries(st.datetimes(timezones=ZONES), st.booleans())),
    (dict[float, int], st.dictionaries(st.floats(allow_nan=False), st.integers())),
    (dict[Level, int], st.dictionaries(st.sampled_from(Level), st.integers())),
    (Point, st.builds(Point, st.integers(), st.floats(allow_nan=False))),
    (Line, LINES),
    (Box, st.builds(Box, st.lists(LINES, max_size=3), st.lists(st.integers(), max_size=3).map(tuple))),
    (
        JsonValue,
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
            max_leaves=10,
        ),
    ),
]
CASES = st.sampled_from(SCALARS + HOLDERS).flatmap(lambda case: st.tuples(st.just(case[0]), case[1]))


def there_and_back(hint: Any, value: Any) -> Any:
    key = repr(hint)
    if key not in WIRES:
        WIRES[key] = wire_for(hint, result=hint)
    wire = WIRES[key]
    _, kwargs = wire.arguments.read(wire.arguments.write((), {"v": value}))
    return kwargs["v"], wire.result.read(wire.result.write(value), "job")


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)


def same_types(one: Any, other: Any) -> bool:
    """A container's types are those of its items, too."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return all(same_types(*pair) for pair in zip([*one, *one.values()], [*other, *other.values()], strict=True))
    if isinstance(one, (list, tuple, collections.deque)):
        return all(same_types(*pair) for pair in zip(one, other, strict=True))
    return True


@given(CASES)
@settings(max_examples=600, deadline=None)
@example((dt.datetime, dt.datetime(1, 1, 1)))
@example((float, -0.0))
@example((dt.timedelta, dt.timedelta.min))
@example((dt.timedelta, dt.timedelta.max))
def test_a_value_survives_as_argument_and_as_result(case: tuple[Any, Any]) -> None:
    hint, value = case

    for got in there_and_back(hint, value):
        assert same(got, value)
        assert same_types(got, value)
