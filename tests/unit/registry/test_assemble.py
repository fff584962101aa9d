"""`assemble.py`: from a signature to codecs, now or when its names are there."""

import enum
from datetime import date
from typing import Annotated, Any, Generic, TypedDict, TypeVar, Unpack

import pytest
import typing_extensions
from pydantic import BaseModel, Field, JsonValue

from scalr_tasks import Context, DefinitionError, Registry, ScalrTasksWarning, Settings
from scalr_tasks.registry.assemble import PendingArguments
from tests.support.wire import wire_for, wire_of

T = TypeVar("T")


class Options(typing_extensions.TypedDict):
    a: int


class Box(BaseModel, Generic[T]):
    x: T


class Level(enum.Enum):
    LOW = 1


def new_registry() -> Registry:
    return Registry("pending", settings=Settings(redis="redis://localhost:1/0"))


@pytest.mark.parametrize("hint", [list[T], dict[str, list[T]], Annotated[T, Field()]])
def test_a_type_variable_anywhere_in_a_type_is_refused(hint: Any) -> None:
    with pytest.raises(DefinitionError, match="parameter 'v' holds the type variable T, which takes anything"):
        wire_for(hint)


def test_unpacked_keywords_are_refused() -> None:
    async def body(**options: Unpack[Options]) -> None: ...

    with pytest.raises(DefinitionError, match=r"parameter 'options' is Unpack\[...\].*name the parameters one by one"):
        wire_of(body)


def test_a_type_that_pydantic_refuses_is_refused_in_its_words() -> None:
    class Old(TypedDict):
        a: int

    with pytest.raises(DefinitionError, match=r"parameter 'v': Please use `typing_extensions\.TypedDict`"):
        wire_for(Old)


def test_any_inside_a_type_is_warned_of_at_the_function() -> None:
    async def body(payload: dict[str, Any]) -> None: ...

    with pytest.warns(
        ScalrTasksWarning, match=r"parameter 'payload' of task 'body' .* holds Any .*JsonValue"
    ) as caught:
        wire_of(body)

    assert caught[0].filename == __file__
    assert caught[0].lineno == body.__code__.co_firstlineno


@pytest.mark.parametrize("hint", [JsonValue, dict[str, JsonValue], list[int], Box[int]])
def test_what_json_can_hold_is_not_warned_of(hint: Any) -> None:
    assert wire_for(hint).warnings == ()


def test_the_text_of_a_signature_is_python() -> None:
    async def body(
        a: int, /, b: str = "x", *, c: date | None = None, d: Annotated[int, Field(gt=0)] = 1, e: Level = Level.LOW
    ) -> None: ...

    assert wire_of(body).arguments.text == (
        "(a: int, /, b: str = 'x', *, c: datetime.date | None = None, d: int = 1, "
        "e: tests.unit.registry.test_assemble.Level = ...)"
    ).replace("tests.unit.registry.test_assemble", Level.__module__)


def test_a_long_default_is_left_out_of_the_text() -> None:
    async def body(token: str = "x" * 100) -> None: ...

    assert wire_of(body).arguments.text == "(token: str = ...)"


def test_further_keywords_of_one_type_travel() -> None:
    async def body(a: int, /, **extra: bytes) -> None: ...

    arguments = wire_of(body).arguments
    raw = arguments.write((1,), {"x": b"\xff"})

    assert arguments.text == "(a: int, /, **extra: bytes)"
    assert arguments.read(raw) == ((1,), {"x": b"\xff"})


# -- types that are not there yet --------------------------------------------------------


class Declares:
    """Stands for a module in which a type is defined after the task that names it."""


def test_a_type_that_is_defined_later_is_found_at_the_first_enqueue() -> None:
    registry = new_registry()

    @registry.task
    async def send(ctx: Context, level: "DefinedLater") -> None: ...  # noqa: F821

    globals()["DefinedLater"] = Level
    try:
        call = send.call(level=Level.LOW)
    finally:
        del globals()["DefinedLater"]

    assert call.new.arguments == b'{"level":1}'


def test_a_type_that_is_defined_later_is_found_by_check() -> None:
    registry = new_registry()

    @registry.task
    async def send(ctx: Context, level: "DefinedLater") -> None: ...  # noqa: F821

    assert isinstance(send.declaration.arguments, PendingArguments)
    globals()["DefinedLater"] = Level
    try:
        assert registry.check() == []
    finally:
        del globals()["DefinedLater"]

    assert send.signature == f"(level: {Level.__module__}.Level)"


def test_a_local_type_is_found_at_the_decoration() -> None:
    registry = new_registry()

    class Local(BaseModel):
        a: int

    @registry.task
    async def send(ctx: Context, value: "Local") -> None: ...

    assert send.call(value=Local(a=1)).new.arguments == b'{"value":{"a":1}}'


def test_a_local_type_that_is_defined_below_is_found_later() -> None:
    registry = new_registry()

    @registry.task(retries=1)
    async def send(ctx: Context, value: "Below") -> None: ...

    class Below(BaseModel):
        a: int

    with pytest.raises(DefinitionError, match="names 'Below', which is not defined in the module"):
        send.call(value=Below(a=1))


@pytest.mark.parametrize("moment", ["enqueue", "read", "check", "compile"])
def test_a_name_that_never_comes_is_refused_with_parameter_name_and_way_out(moment: str) -> None:
    registry = new_registry()

    @registry.task
    async def send(ctx: Context, user: "User") -> None: ...  # noqa: F821

    expected = (
        "the annotation of parameter 'user' names 'User', which is not defined in the module "
        f"(task 'send' at {send.declaration.where}); "
        "move the import of 'User' out of TYPE_CHECKING, or define it at the top of the module"
    )
    match moment:
        case "check":
            (finding,) = registry.check()
            assert (finding.level, finding.text) == ("error", expected)
        case "compile":
            with pytest.raises(DefinitionError) as caught:
                registry.compile()
            assert str(caught.value) == expected
        case "read":
            with pytest.raises(DefinitionError) as caught:
                send.declaration.arguments.read(b"{}")
            assert str(caught.value) == expected
        case _:
            with pytest.raises(DefinitionError) as caught:
                send.call(user=1)
            assert str(caught.value) == expected


def test_a_result_type_that_never_comes_is_refused_as_the_result() -> None:
    registry = new_registry()

    @registry.task
    async def send(ctx: Context) -> "User": ...  # noqa: F821

    with pytest.raises(DefinitionError, match="the annotation of the result names 'User'"):
        send.declaration.result.write(1)
    with pytest.raises(DefinitionError, match="the annotation of the result names 'User'"):
        send.declaration.result.read(b"1", "job")


def test_a_pending_signature_is_shown_as_it_is_written() -> None:
    registry = new_registry()

    @registry.task
    async def send(ctx: Context, user: "User", count: int = 1) -> None: ...  # noqa: F821

    assert send.signature == "(user: User, count: int = 1)"


def test_a_model_that_is_not_whole_yet_may_come_later() -> None:
    registry = new_registry()

    class Outer(BaseModel):
        inner: "Inner"

    @registry.task
    async def send(ctx: Context, value: Outer) -> None: ...

    class Inner(BaseModel):
        a: int

    Outer.model_rebuild()

    assert send.call(value=Outer(inner=Inner(a=1))).new.arguments == b'{"value":{"inner":{"a":1}}}'
