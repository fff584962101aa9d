"""`signature.py`: what a function that is to be a task may look like."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from scalr_tasks import Context, DefinitionError
from scalr_tasks.registry.signature import UnresolvedError, resolve_hints, show, where_of
from tests.support.wire import signature_of


class MyContext(Context[int]): ...


async def no_parameters() -> None: ...
async def keyword_context(*, ctx: Context) -> None: ...
async def bare_first(ctx, a: int) -> None: ...
async def any_first(payload: Any) -> None: ...
async def object_first(payload: object) -> None: ...
async def optional_context(ctx: Context | None, a: int) -> None: ...
async def context_of_a_subclass(ctx: MyContext) -> None: ...
async def second_context(ctx: Context, a: int, other: Context) -> None: ...
async def method(self, a: int) -> None: ...
async def class_method(cls, a: int) -> None: ...
async def bare_parameter(ctx: Context, a) -> None: ...
async def bare_result(ctx: Context, a: int): ...
async def star(ctx: Context, *ids: int) -> None: ...
async def agen(ctx: Context) -> AsyncIterator[int]:
    yield 1


def gen(ctx: Context) -> Iterator[int]:
    yield 1


REFUSED: list[tuple[Callable[..., Any], str]] = [
    (no_parameters, r"takes no context .*; put ctx: Context first, or declare it with @task\(ctx=False\)"),
    (keyword_context, "first parameter 'ctx' cannot be the context: it is not given by position"),
    (bare_first, "first parameter 'ctx' has no annotation .*; write ctx: Context"),
    (any_first, r"first parameter 'payload' is Any, not exactly Context\[...\]"),
    (object_first, r"first parameter 'payload' is object, not exactly Context\[...\]"),
    (optional_context, r"first parameter 'ctx' is .*Context.* \| None, not exactly"),
    (context_of_a_subclass, r"first parameter 'ctx' is .*MyContext, not exactly"),
    (second_context, "parameter 'other' is a context and not the first parameter"),
    (method, "a method cannot be a task, its 'self' does not exist on the worker .*; .*@staticmethod over @task"),
    (class_method, "a method cannot be a task, its 'cls'"),
    (bare_parameter, "parameter 'a' has no annotation .*; write its type: a: int"),
    (bare_result, "the result has no annotation .*; write it: -> None"),
    (star, r"\*ids has no name on the wire .*; take a list: ids: list\[...\]"),
    (agen, "a task cannot be a generator .*; return a list"),
    (gen, "a task cannot be a generator"),
]


@pytest.mark.parametrize(("function", "problem"), REFUSED, ids=[each[0].__name__ for each in REFUSED])
def test_a_function_that_cannot_be_a_task_is_refused_with_its_place_and_the_way_out(
    function: Callable[..., Any], problem: str
) -> None:
    with pytest.raises(DefinitionError, match=problem) as caught:
        resolve_hints(signature_of(function, takes_context=True), None)

    assert caught.value.task == function.__name__
    assert caught.value.where == f"tests/unit/registry/test_signature.py:{function.__code__.co_firstlineno}"


def test_a_context_under_ctx_false_is_refused() -> None:
    async def has_context(ctx: Context, a: int) -> None: ...

    with pytest.raises(DefinitionError, match="'ctx' is the context, and ctx=False says there is none"):
        resolve_hints(signature_of(has_context), None)


@pytest.mark.parametrize("state", [Context, Context[int], Context[dict[str, int]]])
def test_a_context_of_any_state_is_a_context(state: Any) -> None:
    async def body(ctx: Any, a: int) -> None: ...

    body.__annotations__["ctx"] = state

    assert resolve_hints(signature_of(body, takes_context=True), None) == {"a": int, "return": type(None)}


def test_names_that_are_not_there_are_told_with_their_parameters() -> None:
    async def body(ctx: Context, a: "Missing", b: int) -> "list[Gone]": ...  # noqa: F821

    with pytest.raises(UnresolvedError) as caught:
        resolve_hints(signature_of(body, takes_context=True), None)

    assert caught.value.missing == {"a": "Missing", "return": "Gone"}


def test_names_around_the_function_are_found() -> None:
    class Local: ...

    async def body(a: "Local") -> None: ...

    assert resolve_hints(signature_of(body), locals())["a"] is Local


def test_an_annotation_that_cannot_be_read_is_refused() -> None:
    async def body(a: "1 +") -> None: ...  # noqa: F722

    with pytest.raises(DefinitionError, match="an annotation cannot be read: SyntaxError"):
        resolve_hints(signature_of(body), None)


def test_a_place_is_relative_to_the_current_folder() -> None:
    assert where_of(star) == f"tests/unit/registry/test_signature.py:{star.__code__.co_firstlineno}"


@pytest.mark.parametrize(
    ("hint", "text"), [(int, "int"), (list[int], "list[int]"), (int | None, "int | None"), (type(None), "None")]
)
def test_a_type_is_shown_as_it_is_written(hint: Any, text: str) -> None:
    assert show(hint) == text
