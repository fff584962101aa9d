"""`problems.py`: what pydantic says, without anything that was made of a value."""

import enum
import uuid
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, AwareDatetime, BaseModel, Discriminator, Field, HttpUrl, Tag
from pydantic_core import PydanticCustomError

from scalr_tasks import InvalidArgumentsError
from tests.support.wire import wire_for

SECRET = "hunter2"


def fails(value: Any) -> Any:
    raise ValueError(f"{value} is not good")


def asserts(value: Any) -> Any:
    raise AssertionError(f"{value} is not good")


def custom(value: Any) -> Any:
    raise PydanticCustomError("int_type", "the value {value} is bad", {"value": value})


class Color(enum.Enum):
    RED = "red"


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Order(BaseModel):
    counts: dict[str, int] = {}
    numbers: dict[int, str] = {}
    lines: list[int] = []


TAGGED = Annotated[Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")], Discriminator(lambda value: value["kind"])]

PROBLEMS: list[tuple[Any, Any, str]] = [
    (int, SECRET, "v: should be a valid integer, got str"),
    (Annotated[str, AfterValidator(fails)], SECRET, "v: was refused by its validator"),
    (Annotated[str, AfterValidator(asserts)], SECRET, "v: was refused by its validator"),
    (Annotated[str, AfterValidator(custom)], SECRET, "v: does not fit its type"),
    (Annotated[str, Field(max_length=3)], SECRET, "v: string should have at most 3 characters"),
    (Annotated[str, Field(pattern="^x")], SECRET, "v: string should match pattern '^x'"),
    (Annotated[int, Field(gt=5)], 3, "v: should be greater than 5"),
    (Literal["a", "b"], SECRET, "v: should be 'a' or 'b'"),
    (Color, SECRET, "v: should be an instance of Color, got str|v: should be 'red'"),
    (TAGGED, {"kind": SECRET}, "v: has a tag that no member of the union has"),
    (Annotated[Cat | Dog, Field(discriminator="kind")], {"kind": SECRET}, "v: has a tag that no member"),
    (Annotated[Cat | Dog, Field(discriminator="kind")], {}, "v: lacks the tag that tells"),
    (int | None, SECRET, "v: should be a valid integer, got str"),
    (int | float, SECRET, "v: should be a valid integer, got str or should be a valid number, got str"),
    (Order, {"counts": {SECRET: "x"}}, "v.counts: should be a valid integer"),
    (Order, {"numbers": {4242: 1}}, "v.numbers: should be a valid string"),
    (dict[str, int], {SECRET: "x"}, "v: should be a valid integer, got str"),
    (dict[int, int], {4242: "x"}, "v: should be a valid integer, got str"),
    (list[int], [1, "x"], "v.1: should be a valid integer, got str"),
    (AwareDatetime, datetime(2026, 1, 1), "v: should have timezone info"),
]


@pytest.mark.parametrize(("hint", "value", "problem"), PROBLEMS, ids=[each[2] for each in PROBLEMS])
def test_a_problem_names_the_place_and_the_rule_and_never_the_value(hint: Any, value: Any, problem: str) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        wire_for(hint).arguments.write((), {"v": value})

    text = str(caught.value).partition("; expected")[0]
    assert any(text.startswith(f"probe: {each}") for each in problem.split("|"))
    assert SECRET not in text
    assert "4242" not in text


@pytest.mark.parametrize(
    ("hint", "raw", "problem"),
    [
        (uuid.UUID, b'"hunter2"', "v: should be a valid UUID"),
        (date, b'"hunter2"', "v: should be a valid date"),
        (time, b'"hunter2"', "v: should be a valid time"),
        (datetime, b'"hunter2"', "v: should be a valid datetime"),
        (timedelta, b'"hunter2"', "v: should be a valid timedelta"),
        (HttpUrl, b'"hunter2"', "v: should be a valid URL"),
        (bytes, b'"hunter2!"', "v: should be valid base64"),
    ],
)
def test_a_text_on_the_wire_that_cannot_be_read_is_not_shown(hint: Any, raw: bytes, problem: str) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        wire_for(hint).arguments.read(b'{"v":' + raw + b"}")

    assert str(caught.value).startswith(f"probe: {problem}")
    assert SECRET not in str(caught.value)
