"""`definition.py`: what `@task` is put over, and all errors of a module at once."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

from scalr_tasks import Context, DefinitionError, DuplicateTaskError, Registry, Settings
from scalr_tasks.registry.definition import collecting_errors


def new_registry() -> Registry:
    return Registry("definitions", settings=Settings(redis="redis://localhost:1/0"))


class Body:
    def __call__(self, ctx: Context) -> None: ...


@pytest.mark.parametrize(
    ("thing", "what"),
    [("name", "a str"), (5, "a int"), (Body, "the class Body"), (Body(), "a Body"), (functools.partial(print), "a partial"), (len, "")],
)  # fmt: skip
def test_task_over_something_that_is_no_function_is_refused(thing: Any, what: str) -> None:
    with pytest.raises(
        DefinitionError, match=f"@task is put over {what}.*, not over a function; options go in by name"
    ):
        new_registry().task(thing)


def test_task_over_a_task_is_refused() -> None:
    registry = new_registry()

    @registry.task
    async def send(ctx: Context) -> None: ...

    with pytest.raises(DefinitionError, match="@task is put over a AsyncTask"):
        registry.task(send)  # type: ignore[arg-type]  # what is tested


def test_a_wrapped_function_is_taken_for_what_it_wraps() -> None:
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return await function(*args, **kwargs)

        return wrapper

    @new_registry().task
    @logged
    async def send(ctx: Context, invoice_id: int) -> str:
        """Send one invoice."""
        return "sent"

    assert (send.name, send.signature, send.declaration.doc) == ("send", "(invoice_id: int)", "Send one invoice.")
    assert send.declaration.is_async


def test_errors_are_collected_and_the_module_goes_on() -> None:
    registry = new_registry()

    with collecting_errors() as errors:

        @registry.task
        async def first(ctx: Context, a) -> None: ...
        @registry.task(retries=-1)
        async def second(ctx: Context) -> None: ...
        @registry.task
        async def third(ctx: Context) -> None: ...
        @registry.task(name="third")
        async def fourth(ctx: Context) -> None: ...

    assert [error.task for error in errors] == ["first", "second", "third"]
    assert isinstance(errors[2], DuplicateTaskError)
    assert list(registry.tasks) == ["third"]


def test_a_task_whose_error_was_collected_raises_it_when_it_is_used() -> None:
    registry = new_registry()

    with collecting_errors():

        @registry.task
        async def send(ctx: Context, a) -> None: ...

    with pytest.raises(DefinitionError, match="parameter 'a' has no annotation"):
        send.call(a=1)


def test_outside_of_it_an_error_is_raised() -> None:
    with collecting_errors():
        pass

    async def send(ctx: Context, a) -> None: ...

    with pytest.raises(DefinitionError):
        new_registry().task(send)
