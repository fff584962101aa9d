import enum
import typing
from datetime import date
from typing import Annotated, Any, Literal, NewType, Optional
from uuid import UUID

import annotated_types
import pydantic
import pytest
from pydantic import Field, JsonValue

from scalr_tasks.registry.type_text import written

Money = NewType("Money", int)


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "int"),
        (None, "None"),
        (type(None), "None"),
        (date, "datetime.date"),
        (UUID | None, "uuid.UUID | None"),
        (Optional[int], "int | None"),  # noqa: UP045  the old spelling is what is tested
        (typing.List[int], "list[int]"),  # noqa: UP006  likewise
        (dict[str, list[date]], "dict[str, list[datetime.date]]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Literal["a", 1], "typing.Literal['a', 1]"),
        (Annotated[int, Field(gt=1)], "int"),
        (JsonValue, "pydantic.types.JsonValue"),
        (Any, "typing.Any"),
        (Colour, f"{__name__}.Colour"),
        (Literal[Colour.RED], f"typing.Literal[{__name__}.Colour.RED]"),
        (Money, f"{__name__}.Money"),
    ],
    ids=str,
)
def test_a_type_is_written_as_source(hint: Any, text: str) -> None:
    assert written(hint).text == text


@pytest.mark.parametrize("hint", [int, dict[str, list[date]] | None, Literal["a", 2], JsonValue, UUID])
def test_what_is_written_means_the_same_where_its_modules_are_imported(hint: Any) -> None:
    made = written(hint)

    space: dict[str, Any] = {}
    for module in made.modules:
        exec(f"import {module}", space)  # the point of the test

    assert eval(made.text, space) == hint


def test_a_class_that_has_no_name_of_its_own_becomes_any() -> None:
    class Local: ...

    assert written(list[Local]).text == "list[typing.Any]"


def test_limits_are_written_where_they_are_asked_for() -> None:
    made = written(Annotated[int, Field(gt=1, le=9), "words"], limits=True)

    assert made.text == "typing.Annotated[int, annotated_types.Gt(gt=1), annotated_types.Le(le=9)]"
    space = {"typing": typing, "annotated_types": annotated_types}
    assert pydantic.TypeAdapter(eval(made.text, space)).validate_python(9) == 9


def test_a_class_is_replaced_by_what_the_caller_says() -> None:
    made = written(list[Colour], replace=lambda kind: "pydantic.JsonValue" if kind is Colour else None)

    assert (made.text, made.modules) == ("list[pydantic.JsonValue]", {"pydantic"})
