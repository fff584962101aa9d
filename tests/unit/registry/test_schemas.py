"""`schemas.py`: one schema for each type, one config for both ends."""

from typing import Annotated

import pytest
import typing_extensions
from pydantic import ConfigDict, Field

from scalr_tasks import InvalidArgumentsError
from scalr_tasks.registry.schemas import piece_of
from tests.support.wire import round_trip, wire_for


class Keys(typing_extensions.TypedDict):
    a: int


class Loose(typing_extensions.TypedDict):
    __pydantic_config__ = ConfigDict(strict=False, extra="ignore")  # type: ignore[misc]
    a: int


def test_a_type_that_many_tasks_use_is_looked_at_once() -> None:
    assert piece_of(list[int]) is piece_of(list[int])


def test_equal_unions_of_another_order_are_different_types() -> None:
    assert [each["type"] for each in piece_of(int | str).schema["choices"]] == ["int", "str"]
    assert [each["type"] for each in piece_of(str | int).schema["choices"]] == ["str", "int"]


def test_a_constraint_is_kept() -> None:
    assert piece_of(Annotated[int, Field(gt=3)]).schema["gt"] == 3


@pytest.mark.parametrize("value", [{"a": "1"}, {"a": 1, "b": 2}])
def test_a_typed_dict_inside_is_as_strict_as_the_task(value: object) -> None:
    with pytest.raises(InvalidArgumentsError):
        wire_for(list[Keys]).arguments.write((), {"v": [value]})


def test_a_typed_dict_with_a_config_of_its_own_keeps_it() -> None:
    assert round_trip(Loose, {"a": "1", "b": 2}) == {"a": 1}
