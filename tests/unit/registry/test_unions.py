"""`unions.py`: members that write the same JSON are refused, measured pair by pair."""

import datetime as dt
import enum
import ipaddress
import pathlib
import uuid
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
import typing_extensions
from pydantic import AfterValidator, BaseModel, Field, HttpUrl

from scalr_tasks import DefinitionError
from tests.support.wire import round_trip, wire_for


class Name(enum.StrEnum):
    A = "a"


class Level(enum.IntEnum):
    LOW = 1


class Other(enum.Enum):
    A = "a"


class Apart(enum.Enum):
    Z = "z"


class One(BaseModel):
    a: int
    b: int


class Two(BaseModel):
    a: int
    c: int


class Like(BaseModel):
    a: int
    b: int


@dataclass
class Data:
    a: int
    b: int


class Keys(typing_extensions.TypedDict):
    z: int


CLASHING: list[Any] = [
    str | dt.date, str | dt.time, str | dt.timedelta, str | Decimal, str | complex, str | bytes, str | pathlib.Path,
    str | HttpUrl, str | ipaddress.IPv4Address, str | Name, int | Level, float | Level, bool | Level, Decimal | Level,
    bytes | uuid.UUID, bytes | dt.timedelta, complex | Decimal, dt.time | dt.timedelta, Decimal | dt.datetime,
    pathlib.Path | Decimal, pathlib.Path | Name, ipaddress.IPv4Address | ipaddress.IPv4Network, Name | Other,
    Name | Literal["a"], Level | Literal[1], Literal["a"] | bytes, Literal[1] | float, Literal["a"] | pathlib.Path,
    list[int] | set[int], list[int] | tuple[int, ...], deque[int] | list[int], list[str] | list[dt.date],
    tuple[str] | tuple[uuid.UUID], dict[str, str] | dict[str, dt.date], dict[str, int] | One, One | Like, One | Data,
    list[str | dt.date], dict[str, bytes | str], tuple[int, str | uuid.UUID], dt.date | None | str,
    Annotated[str, AfterValidator(str.strip)] | dt.date,
]  # fmt: skip

TOLD_APART: list[tuple[Any, Any]] = [
    (int | float, 1), (int | float, 1.0), (int | bool, True), (Decimal | int, Decimal(1)), (Decimal | float, 1.5),
    (dt.datetime | int, 5), (dt.date | dt.time, dt.time(1)), (uuid.UUID | dt.date, uuid.UUID(int=3)),
    (Literal["auto"] | dt.datetime, "auto"), (Literal["auto", "off"] | int, "off"),
    (ipaddress.IPv4Address | ipaddress.IPv6Address, ipaddress.ip_address("::1")), (Name | Apart, Apart.Z),
    (Name | int, Name.A), (list[int] | None, None), (list[int] | list[str], ["a"]), (list[int] | dict[str, int], {"a": 1}),
    (One | Two, Two(a=1, c=2)), (One | Keys, {"z": 1}), (tuple[int, int] | tuple[str], ("a",)), (dict[str, int] | str, "x"),
]  # fmt: skip


@pytest.mark.parametrize("hint", CLASHING, ids=str)
def test_members_that_write_the_same_json_are_refused(hint: Any) -> None:
    with pytest.raises(
        DefinitionError, match=r"look the same in JSON, .*; use one of them, or models with a discriminator"
    ):
        wire_for(hint)


@pytest.mark.parametrize(("hint", "value"), TOLD_APART, ids=str)
def test_members_that_json_tells_apart_are_taken(hint: Any, value: Any) -> None:
    got = round_trip(hint, value)

    assert got == value
    assert type(got) is type(value)


def test_a_union_inside_a_model_is_looked_at_too() -> None:
    class Holder(BaseModel):
        when: dt.datetime | str

    with pytest.raises(DefinitionError, match=r"parameter 'v' .*Holder.*: datetime and str look the same"):
        wire_for(list[Holder])


def test_models_with_a_discriminator_may_be_alike() -> None:
    class Left(BaseModel):
        side: Literal["left"] = "left"

    class Right(BaseModel):
        side: Literal["right"] = "right"

    value = round_trip(Annotated[Left | Right, Field(discriminator="side")], Right())

    assert value == Right()


def test_a_type_that_holds_itself_is_looked_at_once() -> None:
    class Node(BaseModel):
        value: int
        next: "Node | None" = None

    assert round_trip(Node | None, Node(value=1, next=Node(value=2))) == Node(value=1, next=Node(value=2))
