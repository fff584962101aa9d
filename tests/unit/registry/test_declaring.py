"""`declaring.py`: the options that the checkers are shown are those that are read, in every spelling."""

import inspect
import typing
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from scalr_tasks import Context, DefinitionError, Queue, Registry
from scalr_tasks.registry.declaring import Declares
from scalr_tasks.registry.options import TaskOptions


def shown(overload: Callable[..., Any]) -> dict[str, Any]:
    """Option -> default, as an overload or a signature shows them."""
    return {
        each.name: each.default
        for each in inspect.signature(overload).parameters.values()
        if each.kind is inspect.Parameter.KEYWORD_ONLY
    }


FORMS = {
    "@task(...)": shown(typing.get_overloads(Declares.task)[2]),
    "@task(ctx=False)": shown(typing.get_overloads(Declares.task)[3]),
    "@declare(...)": shown(Declares.declare),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_shows_every_option_and_no_other(form: str) -> None:
    read = {each.name for each in TaskOptions.__dataclass_fields__.values()}

    assert set(FORMS[form]) | {"ctx"} == read | {"ctx"}


@pytest.mark.parametrize("form", FORMS)
def test_the_defaults_that_are_shown_are_those_that_hold(form: str) -> None:
    registry = Registry[Any, str]("shop")
    written = {name: value for name, value in FORMS[form].items() if name not in {"ctx", "queue", "name"}}

    @registry.task(ctx=False)
    async def bare(invoice_id: int) -> None: ...
    @registry.task(ctx=False, **written)
    async def spelled(invoice_id: int) -> None: ...

    one, other = bare.declaration, spelled.declaration
    assert (one.policy, one.schedule, one.version, one.queue) == (
        other.policy,
        other.schedule,
        other.version,
        other.queue,
    )


def test_all_spellings_make_the_same_task() -> None:
    registry = Registry[Any, str]("shop", queues=["default"])

    @registry.task
    async def one(ctx: Context, invoice_id: int) -> None: ...
    @registry.task()
    async def two(ctx: Context, invoice_id: int) -> None: ...
    @registry.task(queue=Queue("default"))
    async def three(ctx: Context, invoice_id: int) -> None: ...

    assert {each.signature for each in (one, two, three)} == {"(invoice_id: int)"}
    assert {each.declaration.queue for each in (one, two, three)} == {"default"}


def test_a_type_that_stands_only_in_the_function_around_is_found_in_every_spelling() -> None:
    registry = Registry[Any, str]("shop")

    class Line(BaseModel):
        item: str

    @registry.task
    async def one(ctx: Context, line: "Line") -> None: ...
    @registry.task(ctx=False)
    async def two(line: "Line") -> None: ...
    @registry.declare()
    async def three(line: "Line") -> None: ...

    assert [each.task for each in registry.check()] == ["three"]  # it is only not implemented


def test_an_option_that_does_not_exist_is_refused_with_the_nearest_name() -> None:
    registry = Registry[Any, str]("shop")

    with pytest.raises(DefinitionError, match="did you mean 'retries'"):
        registry.task(retires=3)(lambda: None)  # type: ignore[call-overload]  # what is tested
