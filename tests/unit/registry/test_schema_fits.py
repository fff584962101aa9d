from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field

from scalr_tasks.registry.contract import schema_of
from scalr_tasks.registry.schema_fits import fits


class Line(BaseModel):
    price: int


class LineWithNote(BaseModel):
    price: int
    note: str = ""


class LineWithCurrency(BaseModel):
    price: int
    currency: str


class ClosedLine(BaseModel):
    model_config = ConfigDict(extra="forbid")
    price: int


class ClosedLineWithNote(BaseModel):
    model_config = ConfigDict(extra="forbid")
    price: int
    note: str = ""


class Tree(BaseModel):
    children: "list[Tree]" = []


class Tree2(BaseModel):
    children: "list[Tree2]" = []
    name: str = ""


class TreeOfNames(BaseModel):
    children: "list[TreeOfNames]" = []
    name: str


@dataclass
class Point:
    x: int
    y: int = 0


WIDER: list[tuple[Any, Any]] = [
    (int, int),
    (int, float),
    (int, int | None),
    (int, int | str),
    (Literal["a"], Literal["a", "b"]),
    (Literal["a"], str),
    (Literal[1], int),
    (list[int], list[int | None]),
    (dict[str, int], dict[str, float]),
    (Annotated[int, Field(gt=5)], Annotated[int, Field(gt=1)]),
    (Annotated[str, Field(max_length=3)], Annotated[str, Field(max_length=9)]),
    (Annotated[int, Field(gt=5)], int),
    (UUID, str),
    (Line, LineWithNote),
    (LineWithNote, Line),
    (LineWithCurrency, Line),
    (ClosedLine, ClosedLineWithNote),
    (Tree, Tree2),
    (Point, Point),
    (list[Line], list[LineWithNote]),
    (int, Any),
]

NARROWER: list[tuple[Any, Any]] = [
    (int, str),
    (float, int),
    (int | None, int),
    (str, Literal["a"]),
    (Literal["a", "b"], Literal["a"]),
    (Literal[1], Literal["1"]),
    (Literal["a"], int),
    (bool, int),
    (list[int | None], list[int]),
    (list[int], int),
    (dict[str, float], dict[str, int]),
    (int, Annotated[int, Field(gt=5)]),
    (Annotated[int, Field(gt=1)], Annotated[int, Field(gt=5)]),
    (str, Annotated[str, Field(pattern="a+")]),
    (str, UUID),
    (date, datetime),
    (Line, LineWithCurrency),
    (LineWithNote, ClosedLine),
    (ClosedLineWithNote, ClosedLine),
    (Tree, TreeOfNames),
    (Any, int),
    (str, bytes),
]


@pytest.mark.parametrize(("old", "new"), WIDER, ids=str)
def test_a_wider_or_equal_type_fits(old: Any, new: Any) -> None:
    assert fits(schema_of(old), schema_of(new))


@pytest.mark.parametrize(("old", "new"), NARROWER, ids=str)
def test_a_narrower_or_another_type_does_not_fit(old: Any, new: Any) -> None:
    assert not fits(schema_of(old), schema_of(new))


def test_bytes_are_described_as_our_wire_writes_them() -> None:
    assert schema_of(bytes) == {"type": "string", "format": "base64"}
