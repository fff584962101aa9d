"""72 types and values: each survives the wire unchanged, or is refused at the earliest moment."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import ipaddress
import math
import pathlib
import re
import typing
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypeVar

import pytest
import typing_extensions
from pydantic import BaseModel, Field, HttpUrl, Json, SecretStr, StringConstraints

from scalr_tasks.errors import DefinitionError, InvalidArgumentsError, NotSerialisableError
from tests.support.wire import round_trip, wire_for


class Color(enum.Enum):
    R = "r"


class Number(enum.IntEnum):
    A = 1


class Text(str, enum.Enum):  # noqa: UP042  the older spelling is the one to test
    A = "a"


class M(BaseModel):
    a: int
    when: dt.datetime | None = None


class M2(M):
    extra: int = 5


@dataclasses.dataclass
class Data:
    a: int
    b: list[int]


T = TypeVar("T")


class G(BaseModel, Generic[T]):
    x: T


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    n: int


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    n: int


class Plain:
    pass


class Pair(NamedTuple):
    a: int
    b: str


class Keys(typing_extensions.TypedDict):
    a: int


UserId = NewType("UserId", int)
utc = dt.UTC

SAME: list[tuple[str, Any, Any]] = [
    ("int", int, 1),
    ("int of 80 bits", int, 2**80),
    ("bool", bool, True),
    ("str", str, "é\u2028"),
    ("bytes that are text", bytes, b"abc"),
    ("bytes that are not", bytes, b"\xff\x00"),
    ("date", dt.date, dt.date(2026, 1, 1)),
    ("datetime with zone", dt.datetime, dt.datetime(2026, 1, 1, tzinfo=utc)),
    ("datetime without zone", dt.datetime, dt.datetime(2026, 1, 1, 1, 1, 1, 123456)),
    ("timedelta", dt.timedelta, dt.timedelta(days=1, microseconds=5)),
    ("time", dt.time, dt.time(1, 2)),
    ("UUID", uuid.UUID, uuid.UUID(int=5)),
    ("Decimal", decimal.Decimal, decimal.Decimal("1.10")),
    ("Enum", Color, Color.R),
    ("IntEnum", Number, Number.A),
    ("str Enum", Text, Text.A),
    ("Literal", Literal["a", "b"], "a"),
    ("NewType", UserId, 3),
    ("Annotated", Annotated[int, Field(gt=0)], 3),
    ("Optional", Optional[int], None),  # noqa: UP045  likewise
    ("int | str given '1'", int | str, "1"),
    ("int | str given 1", int | str, 1),
    ("date | datetime given a datetime", dt.date | dt.datetime, dt.datetime(2026, 1, 1)),
    ("date | datetime given a date", dt.date | dt.datetime, dt.date(2026, 1, 1)),
    ("Decimal | float", decimal.Decimal | float, decimal.Decimal("1.1")),
    ("model", M, M(a=1, when=dt.datetime(2026, 1, 1, tzinfo=utc))),
    ("generic model", G[int], G[int](x=1)),
    ("discriminated union", Annotated[Cat | Dog, Field(discriminator="kind")], Dog(n=1)),
    ("union of models with a tag", Cat | Dog, Dog(n=1)),
    ("dataclass", Data, Data(1, [2])),
    ("NamedTuple", Pair, Pair(1, "b")),
    ("TypedDict", Keys, {"a": 1}),
    ("list", list[int], [1]),
    ("tuple", tuple[int, str], (1, "a")),
    ("set", set[int], {1, 2}),
    ("frozenset", frozenset[int], frozenset({1})),
    ("dict[int, str]", dict[int, str], {1: "a"}),
    ("dict[UUID, date]", dict[uuid.UUID, dt.date], {uuid.UUID(int=1): dt.date(2026, 1, 1)}),
    ("deque", collections.deque[int], collections.deque([1])),
    ("Path", pathlib.Path, pathlib.Path("/x")),
    ("IPv4Address", ipaddress.IPv4Address, ipaddress.IPv4Address("1.2.3.4")),
    ("URL", HttpUrl, HttpUrl("http://a.b/")),
    ("Pattern", re.Pattern, re.compile("a")),
    ("complex", complex, 1 + 2j),
    ("constrained str", Annotated[str, StringConstraints(pattern="^.+@.+$")], "a@b"),
]

REFUSED_BY_VALUE: list[tuple[str, Any, Any, type[Exception]]] = [
    ("'1' for int", int, "1", InvalidArgumentsError),
    ("True for int", int, True, InvalidArgumentsError),
    ("text for UUID", uuid.UUID, str(uuid.UUID(int=5)), InvalidArgumentsError),
    ("'r' for Enum", Color, "r", InvalidArgumentsError),
    ("subclass for model", M, M2(a=1, extra=9), NotSerialisableError),
]

REFUSED_AT_DEFINITION: list[tuple[str, Any, str]] = [
    ("IntEnum | int", Number | int, "Number and int look the same in JSON"),
    ("datetime | str given a datetime", dt.datetime | str, "datetime and str look the same in JSON"),
    ("datetime | str given a str", str | dt.datetime, "str and datetime look the same in JSON"),
    ("UUID | str", uuid.UUID | str, "UUID and str look the same in JSON"),
    ("bytes | str", bytes | str, "bytes and str look the same in JSON"),
    ("dict[tuple, int]", dict[tuple[int, int], int], "keys of a JSON object are text"),
    ("Iterable", Iterable[int], "an iterator reaches the worker as pydantic's own iterator"),
    ("Any", Any, "is Any, so nothing could be checked"),
    ("object", object, "is object, so nothing could be checked"),
    ("SecretStr", SecretStr, r"a secret reaches the worker as '\*\*\*"),
    ("type", type[int], "a class has no JSON form"),
    ("Callable", Callable[[], int], "a callable has no JSON form"),
    ("plain class", Plain, "cannot be checked and has no JSON form"),
    ("TypeVar", T, "the type variable T"),
    ("bytearray", bytearray, "cannot be checked and has no JSON form"),
    ("Json", Json[list[int]], "pydantic.Json reads back only text"),
    ("Exception", ValueError, "cannot be checked and has no JSON form"),
]

CHANGED: list[tuple[str, Any, Any, Any]] = [
    ("int for float", float, 1, 1.0),
    ("dict for model", M, {"a": 1}, M(a=1)),
    ("tuple for Sequence", Sequence[int], (1, 2), [1, 2]),
    ("date inside dict[str, Any], of which it warns", dict[str, Any], {"a": dt.date(2026, 1, 1)}, {"a": "2026-01-01"}),
]


def ids(cases: Sequence[tuple[Any, ...]]) -> list[str]:
    return [str(case[0]) for case in cases]


def test_the_matrix_is_whole() -> None:
    # nan is beside the tables, because it is not equal to itself.
    cases = len(SAME) + len(REFUSED_BY_VALUE) + len(REFUSED_AT_DEFINITION) + len(CHANGED) + 1

    assert cases == 72


@pytest.mark.parametrize(("_name", "hint", "value"), SAME, ids=ids(SAME))
def test_a_value_reaches_the_worker_unchanged(_name: str, hint: Any, value: Any) -> None:
    got = round_trip(hint, value)

    assert got == value
    assert type(got) is type(value)


def test_nan_reaches_the_worker() -> None:
    assert math.isnan(round_trip(float, math.nan))


@pytest.mark.parametrize(("_name", "hint", "value", "error"), REFUSED_BY_VALUE, ids=ids(REFUSED_BY_VALUE))
def test_a_value_of_another_type_is_refused_at_the_enqueue(
    _name: str, hint: Any, value: Any, error: type[Exception]
) -> None:
    arguments = wire_for(hint).arguments

    with pytest.raises(error):
        arguments.write((), {"v": value})


@pytest.mark.parametrize(("_name", "hint", "problem"), REFUSED_AT_DEFINITION, ids=ids(REFUSED_AT_DEFINITION))
def test_a_type_that_would_not_survive_is_refused_at_the_definition(_name: str, hint: Any, problem: str) -> None:
    with pytest.raises(DefinitionError, match=f"parameter 'v'.*{problem}.*; "):
        wire_for(hint)


@pytest.mark.parametrize(("_name", "hint", "problem"), REFUSED_AT_DEFINITION, ids=ids(REFUSED_AT_DEFINITION))
def test_a_result_type_that_would_not_survive_is_refused_likewise(_name: str, hint: Any, problem: str) -> None:
    with pytest.raises(DefinitionError, match=f"the result.*{problem}.*; "):
        wire_for(int, result=hint)


@pytest.mark.parametrize(("_name", "hint", "value", "expected"), CHANGED, ids=ids(CHANGED))
def test_a_value_that_fits_in_another_form_comes_as_the_declared_one(
    _name: str, hint: Any, value: Any, expected: Any
) -> None:
    got = round_trip(hint, value)

    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize("hint", [typing.Dict[str, Any], list[Any], dict, list])  # noqa: UP006  likewise
def test_a_nested_any_is_warned_of(hint: Any) -> None:
    assert "JsonValue" in wire_for(hint).warnings[0]


@pytest.mark.parametrize(("_name", "hint", "_value"), SAME, ids=ids(SAME))
def test_a_type_that_survives_is_not_warned_of(_name: str, hint: Any, _value: Any) -> None:
    assert wire_for(hint).warnings == ()
