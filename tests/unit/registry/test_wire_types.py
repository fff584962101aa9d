"""`wire_types.py`: what a type's values would come to on the wire."""

import dataclasses
import datetime as dt
import enum
import uuid
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Generator, Hashable, Iterable, Iterator, Mapping
from typing import Any, Literal

import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    Secret,
    SecretBytes,
    SecretStr,
    computed_field,
)

from scalr_tasks import DefinitionError
from tests.support.wire import round_trip, wire_for


class Level(enum.IntEnum):
    LOW = 1


class Mixed(enum.Enum):
    A = 1
    B = "b"


class WithSecret(BaseModel):
    token: SecretStr


@dataclasses.dataclass
class WithInitVar:
    a: int
    key: dataclasses.InitVar[int]


class Excluded(BaseModel):
    kept: int = 0
    lost: int = Field(default=1, exclude=True)


class ReadOtherwise(BaseModel):
    total: int = Field(validation_alias="sum")


class ReadDeeper(BaseModel):
    total: int = Field(validation_alias=AliasPath("sums", 0))


class Aliased(BaseModel):
    total: int = Field(alias="sum")


class Chosen(BaseModel):
    total: int = Field(validation_alias=AliasChoices("sum", "total"))


class Computed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int

    @computed_field
    @property
    def double(self) -> int:
        return self.a * 2


REFUSED: list[tuple[Any, str]] = [
    (Iterator[int], "holds a type that cannot be checked and has no JSON form"),
    (Iterable[int], "an iterator reaches the worker as pydantic's own iterator"),
    (Generator[int, None, None], "an iterator reaches the worker"),
    (type, "its values have no JSON form"),
    (SecretBytes, "a secret reaches the worker"),
    (Secret[int], "a secret reaches the worker"),
    (WithSecret, "a secret reaches the worker"),
    (list[WithSecret | None], "a secret reaches the worker"),
    (dict[tuple[int, int], int], "keys of a JSON object are text, and these do not come back"),
    (dict[frozenset[int], int], "keys of a JSON object are text, and these do not come back"),
    (dict[None, int], "keys of a JSON object are text, and these do not come back"),
    (dict[int | None, int], "keys of a JSON object are text, and these do not come back"),
    (dict[complex, int], "keys of a JSON object are text, and these do not come back"),
    (dict[Mixed, int], "keys of a JSON object are text, and these do not come back"),
    (dict[Literal[1], int], "keys of a JSON object are text, and these do not come back"),
    (dict[int | str, int], "keys of several types are all text in JSON"),
    (list[dict[tuple[int], int]], "keys of a JSON object are text"),
    (WithInitVar, "field 'key' of WithInitVar is an InitVar, which is not written"),
    (Excluded, "field 'lost' is excluded from JSON and would be lost"),
    (ReadOtherwise, "field 'total' is written as 'total' and read as 'sum'"),
    (ReadDeeper, "field 'total' is written as 'total' and read as"),
]


@pytest.mark.parametrize(("hint", "problem"), REFUSED, ids=[str(each[0]) for each in REFUSED])
def test_a_type_whose_values_do_not_come_back_is_refused_with_a_way_out(hint: Any, problem: str) -> None:
    with pytest.raises(DefinitionError, match=rf"parameter 'v'.*{problem}.*\(task .*\); \w"):
        wire_for(hint)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Aliased, Aliased(sum=3)),
        (Chosen, Chosen(total=3)),
        (Computed, Computed(a=2)),
        (dict[Level, int], {Level.LOW: 1}),
        (dict[Literal["a"], int], {"a": 1}),
        (dict[uuid.UUID, int], {uuid.UUID(int=1): 1}),
        (dict[bytes, int], {b"\xff": 1}),
        (Mapping[str, dt.date], {"a": dt.date(2026, 1, 1)}),
        (OrderedDict[str, int], OrderedDict(a=1)),
        (Counter[str], Counter("aab")),
        (defaultdict[str, int], defaultdict(int, a=1)),
    ],
    ids=str,
)
def test_a_value_whose_form_changes_on_the_way_comes_back_whole(hint: Any, value: Any) -> None:
    assert round_trip(hint, value) == value


@pytest.mark.parametrize("hint", [list[Any], dict[str, object], dict[str, list[Any]], Hashable])
def test_what_json_makes_of_it_is_a_warning(hint: Any) -> None:
    assert len(wire_for(hint).warnings) == 1


def test_any_in_a_result_is_warned_of_as_the_result() -> None:
    assert wire_for(int, result=dict[str, Any]).warnings[0].startswith("the result of task 'probe'")
