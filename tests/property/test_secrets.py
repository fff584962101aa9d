"""No error of ours shows what a caller passed: not in its text, its fields, its traceback or what was logged."""

import json
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field, PlainSerializer
from typing_extensions import TypedDict

from scalr_tasks import DefinitionError, Registry, ScalrTasksError
from scalr_tasks.envelope import UnreadableError
from tests.support.wire import wire_for

SECRET = "hunter2-5ecret"
DIGITS = 900_719_925_474_099_1177


class Card(BaseModel):
    number: int
    holder: Annotated[str, Field(max_length=3)]


class Point(NamedTuple):
    x: int


class Extra(TypedDict):
    size: int


@dataclass
class Box:
    width: int


def _refused(value: str) -> str:
    raise ValueError(f"bad {value}")


def _unwritable(value: str) -> str:
    raise ValueError(f"cannot write {value}")


HINTS: list[Any] = [
    int, float, bool, date, UUID, bytes, Card, Box, Extra, Point, list[int], dict[str, int], dict[int, str],
    tuple[int, str], int | None, Literal["a", "b"], list[Card], dict[str, list[Card]],
    Annotated[str, Field(pattern="^x$")], Annotated[str, Field(max_length=2)], Annotated[str, AfterValidator(_refused)],
    Annotated[str, PlainSerializer(_unwritable)], Annotated[int, Field(lt=5)],
]  # fmt: skip
VALUES = st.recursive(
    st.sampled_from([SECRET, SECRET.encode(), DIGITS, f"\ud800{SECRET}", float(DIGITS)]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(["number", "holder", "x", "width", "size", SECRET]), inner, max_size=3),
        st.tuples(inner, inner),
        st.builds(lambda value: {SECRET: value}, inner),
    ),
    max_leaves=4,
)


def shown(error: BaseException) -> str:
    """Everything that a log, a debugger's first look or an error tracker would show of an error."""
    lines = "".join(traceback.format_exception(error))
    return "\n".join([str(error), repr(error), repr(error.args), repr(vars(error)), lines])


def assert_hides(error: BaseException) -> None:
    text = shown(error) + shown(pickle.loads(pickle.dumps(error)))

    assert "hunter2" not in text
    assert "5ecret" not in text
    assert str(DIGITS) not in text
    assert str(float(DIGITS)) not in text


WIRES = {repr(hint): wire_for(hint, result=hint) for hint in HINTS}


def refusal(act: Callable[..., object], *args: Any) -> BaseException:
    """The error of an act; an act that is fine is no example."""
    try:
        act(*args)
    except (ScalrTasksError, UnreadableError) as error:
        return error
    return reject()


def as_json(value: Any) -> bytes:
    return json.dumps(value, default=repr).encode("utf-8", "surrogatepass")


@given(st.sampled_from(sorted(WIRES)), VALUES)
def test_an_argument_that_is_refused_is_not_shown(hint: str, value: Any) -> None:
    error = refusal(WIRES[hint].arguments.write, (), {"v": value})

    assert_hides(error)


@given(st.sampled_from(sorted(WIRES)), VALUES, st.booleans())
def test_an_argument_in_a_place_that_there_is_not_is_not_shown(hint: str, value: Any, by_name: bool) -> None:
    call = ((), {"v": value, "w": value}) if by_name else ((value, value), {})

    error = refusal(WIRES[hint].arguments.write, *call)

    assert_hides(error)


@given(st.sampled_from(sorted(WIRES)), VALUES)
def test_what_a_worker_cannot_read_is_not_shown(hint: str, value: Any) -> None:
    error = refusal(WIRES[hint].arguments.read, as_json({"v": value}))

    assert_hides(error)


@given(st.sampled_from(sorted(WIRES)), VALUES)
def test_a_result_that_does_not_fit_is_not_shown_where_it_is_written(hint: str, value: Any) -> None:
    error = refusal(WIRES[hint].result.write, value)

    assert_hides(error)


@given(st.sampled_from(sorted(WIRES)), VALUES)
def test_a_result_that_does_not_fit_is_not_shown_where_it_is_read(hint: str, value: Any) -> None:
    error = refusal(WIRES[hint].result.read, as_json(value), "inv-1")

    assert_hides(error)


def test_a_default_value_is_not_shown_when_the_declaration_is_refused() -> None:
    registry = Registry[Any, str]("shop")

    with pytest.raises(DefinitionError) as caught:

        @registry.task(ctx=False)
        async def send(password: object = SECRET) -> None: ...

    text = "\n".join([str(caught.value), repr(caught.value), repr(vars(caught.value))])
    assert "hunter2" not in text
