"""`arguments.py`: a call becomes one line of JSON, or says what is wrong with it."""

import datetime as dt
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import AfterValidator, BaseModel, Field, JsonValue, PlainSerializer, field_serializer

from scalr_tasks import InvalidArgumentsError, NotSerialisableError
from scalr_tasks.envelope import UnreadableError
from scalr_tasks.registry.arguments import TaskArguments
from tests.support.wire import wire_for, wire_of


async def send(invoice_id: int, subject: str = "", *, copies: int = 1, due: dt.date | None = None) -> None: ...
async def split(a: int, b: int = 7, /, c: int = 3) -> None: ...


def codec(function: Callable[..., Any]) -> TaskArguments:
    return wire_of(function).arguments


def refusal(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(InvalidArgumentsError) as caught:
        codec(function).write(args, kwargs)
    return str(caught.value).partition("; expected ")[0]


# -- writing -----------------------------------------------------------------------------


def test_a_call_is_written_as_readable_json_by_name() -> None:
    raw = codec(send).write((1, "Your invoice"), {"due": dt.date(2026, 1, 31)})

    assert raw == b'{"invoice_id":1,"subject":"Your invoice","due":"2026-01-31"}'


def test_a_default_is_the_functions_own_and_is_not_written() -> None:
    assert codec(send).write((1,), {}) == b'{"invoice_id":1}'


def test_the_nearest_parameter_is_named_for_an_unknown_one() -> None:
    assert refusal(send, invoice_idd=1) == (
        "send: invoice_idd: is not a parameter, did you mean 'invoice_id'?; invoice_id: is missing"
    )


def test_a_parameter_that_is_given_already_is_not_suggested() -> None:
    assert refusal(send, 1, invoice_ids=1) == "send: invoice_ids: is not a parameter"


def test_one_positional_argument_too_many_is_refused() -> None:
    assert refusal(send, 1, "x", 3) == "send: argument 3: is one too many, it takes 2 positional arguments"


def test_an_argument_that_is_given_twice_is_refused() -> None:
    assert refusal(send, 1, invoice_id=1) == "send: invoice_id: is given twice, by position and by name"


def test_a_positional_only_argument_by_name_is_refused() -> None:
    assert refusal(split, a=1) == "send: a: can be given by position only".replace("send", "split")


def test_every_wrong_argument_is_named_with_its_type_and_without_its_value() -> None:
    text = refusal(send, "hunter2", copies=None)

    assert (
        text == "send: invoice_id: should be a valid integer, got str; copies: should be a valid integer, got NoneType"
    )


def test_the_error_shows_what_was_expected() -> None:
    with pytest.raises(InvalidArgumentsError, match=r"; expected \(invoice_id: int, subject: str = '', \*, copies"):
        codec(send).write((), {})


def test_an_error_survives_pickling() -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        codec(send).write((), {"invoice_idd": 1})

    copy = pickle.loads(pickle.dumps(caught.value))

    assert (str(copy), copy.problems) == (str(caught.value), caught.value.problems)


def test_lax_takes_what_strict_refuses() -> None:
    assert wire_of(send, strict=False).arguments.write(("1",), {"due": "2026-01-31"}) == (
        b'{"invoice_id":1,"due":"2026-01-31"}'
    )


# -- values that cannot be written -------------------------------------------------------


class Line(BaseModel):
    price: float


class SubLine(Line):
    discount: float = 0


class Order(BaseModel):
    lines: list[Line] = Field(default_factory=list)


class Odd(BaseModel):
    a: int

    @field_serializer("a")
    def write(self, a: int) -> int:
        raise RuntimeError(f"cannot write {a}")


@dataclass
class Counted:
    a: int
    seen: int = field(init=False, default=0)


def counted() -> Counted:
    value = Counted(1)
    value.seen = 5
    return value


def itself() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


def changed(model: BaseModel, **values: Any) -> BaseModel:
    model.__dict__.update(values)
    return model


UNWRITABLE: list[tuple[str, Any, Any, str]] = [
    ("an object", list[Any], [object()], "argument 'v' .*: it holds an object that has no JSON form"),
    ("half a character", str, "\ud800", "argument 'v' .*: it is not valid UTF-8"),
    ("a list that holds itself", list[Any], itself(), "argument 'v' .*: it holds itself, or nests too deep"),
    ("too deep", JsonValue, nested(64), "the arguments .*: they nest deeper than 64 levels"),
    ("too many digits", int, 10**4300, "argument 'v' .*: .*a whole number of more than 4,300 digits"),
    ("too much", str, "x" * 1_000_000, r"argument 'v' .*: the arguments have 1,000,008 bytes, more than the 1,000,000"),
    ("nan in a model", Line, Line(price=float("nan")), r"argument 'v\.price' .*: .*should be a valid number"),
    ("a subclass", Line, SubLine(price=1), "argument 'v' .*: SubLine would come back as Line, without what it adds"),
    ("a subclass inside", Order, Order(lines=[Line(price=1), SubLine(price=1)]), "SubLine would come back as Line"),
    ("a changed model", Line, changed(Line(price=1), price="x"), "argument 'v' .*: it holds a value that does not fit"),
    ("a serializer that fails", Odd, Odd(a=1), "argument 'v' .*: .*does not fit its type|its serializer raised"),
    ("a field outside the constructor", Counted, counted(), "field 'seen' of Counted is not given to its constructor"),
    (
        "an offset with seconds",
        dt.datetime,
        dt.datetime(1900, 1, 1, tzinfo=dt.timezone(dt.timedelta(seconds=61))),
        "the offset from UTC of a datetime has seconds",
    ),
]


@pytest.mark.parametrize(("_name", "hint", "value", "problem"), UNWRITABLE, ids=[each[0] for each in UNWRITABLE])
def test_a_value_that_would_not_come_back_is_refused_before_anything_is_stored(
    _name: str, hint: Any, value: Any, problem: str
) -> None:
    with pytest.raises(NotSerialisableError, match=f"^probe: .*{problem}"):
        wire_for(hint).arguments.write((), {"v": value})


@pytest.mark.parametrize("value", ["x" * 999_992, nested(63)])
def test_a_value_at_the_limit_is_taken(value: Any) -> None:
    arguments = wire_for(JsonValue).arguments

    assert arguments.read(arguments.write((), {"v": value})) == ((), {"v": value})


def test_brackets_inside_a_text_do_not_nest() -> None:
    arguments = wire_for(JsonValue).arguments

    assert arguments.write((), {"v": '["' + "[" * 100})


def test_the_argument_that_cannot_be_written_is_named_among_others() -> None:
    async def body(a: int, b: list[Any], c: str) -> None: ...

    with pytest.warns(UserWarning, match="holds Any"):
        arguments = codec(body)
    with pytest.raises(NotSerialisableError, match="argument 'b' cannot be written"):
        arguments.write((1, [object()], "x"), {})


# -- reading -----------------------------------------------------------------------------


def test_arguments_come_back_as_keywords() -> None:
    arguments = codec(send)

    assert arguments.read(b'{"invoice_id":1,"due":"2026-01-31"}') == (
        (),
        {"invoice_id": 1, "due": dt.date(2026, 1, 31)},
    )


@pytest.mark.parametrize(
    ("raw", "expected"),
    [(b'{"a":1,"b":2,"c":4}', ((1, 2), {"c": 4})), (b'{"a":1}', ((1, 7), {})), (b'{"c":4,"a":1}', ((1, 7), {"c": 4}))],
)
def test_positional_only_arguments_come_back_by_position(raw: bytes, expected: Any) -> None:
    assert codec(split).read(raw) == expected


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b'{"invoice_id":1', b"[" * 1000])
def test_bytes_that_are_no_json_are_unreadable(raw: bytes) -> None:
    with pytest.raises(UnreadableError) as caught:
        codec(send).read(raw)

    assert (caught.value.reason, caught.value.task) == ("unreadable", "send")


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"[1]", "should be an object|valid dictionary|does not fit"),
        (b"{}", "invoice_id: is missing"),
        (b'{"invoice_id":"1"}', "invoice_id: should be a valid integer, got str"),
        (b'{"invoice_id":1,"old":2}', "old: is not a parameter"),
    ],
)
def test_json_that_does_not_fit_this_code_is_refused(raw: bytes, problem: str) -> None:
    with pytest.raises(InvalidArgumentsError, match=problem):
        codec(send).read(raw)


def test_values_keep_their_types_on_the_way() -> None:
    async def body(a: UUID, b: Decimal, c: tuple[int, ...], d: set[str], e: bytes) -> None: ...

    values = {"a": UUID(int=1), "b": Decimal("1.10"), "c": (1, 2), "d": {"x"}, "e": b"\xff"}
    arguments = codec(body)

    assert arguments.read(arguments.write((), values)) == ((), values)


def test_a_serializer_that_failed_once_and_not_again_is_told_of_the_arguments_as_a_whole() -> None:
    failures = ["the first time"]

    def unsteady(value: int) -> int:
        if failures:
            raise ValueError(failures.pop())
        return value

    arguments = wire_for(Annotated[int, PlainSerializer(unsteady)]).arguments

    with pytest.raises(NotSerialisableError) as caught:
        arguments.write((), {"v": 1})

    assert str(caught.value).startswith("probe: the arguments cannot be written as JSON: it holds a value")


def test_half_a_surrogate_pair_in_the_text_of_a_validator_is_refused_without_the_value() -> None:
    def quoting(value: str) -> str:
        raise ValueError(f"bad {value}")

    arguments = wire_for(Annotated[str, AfterValidator(quoting)]).arguments

    with pytest.raises(NotSerialisableError, match=r"^probe: the arguments cannot be written as JSON: it is not valid"):
        arguments.write((), {"v": "\ud800s3cr3t"})
