"""The deprecated bridge: old calls work, are checked, and say what to write instead."""

import gc
import re
import warnings
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scalr_tasks import (
    Context,
    DefinitionError,
    InvalidArgumentsError,
    JobState,
    OptionError,
    Queue,
    Registry,
    Settings,
    UnknownQueueError,
    UnknownTaskError,
)
from scalr_tasks.errors import DuplicateTaskError
from scalr_tasks.integrations.scalr_queue import adopt, enqueue


@pytest.fixture
async def registry(redis_url: str) -> AsyncIterator[Registry]:
    gc.collect()  # the bridge looks in every registry of the process: those of earlier tests must be gone
    registry = Registry("bridged", queues=[Queue("default"), Queue("bulk")], settings=Settings(redis=redis_url))

    @registry.task
    async def post_bridged_letter(ctx: Context, invoice_id: int, to: str = "") -> None: ...

    async with registry:
        yield registry


async def old(*args: Any, **kwargs: Any) -> Any:
    """Call the bridge where its warning is expected."""
    with pytest.warns(DeprecationWarning, match="is deprecated; import the task"):
        return await enqueue(*args, **kwargs)


async def test_an_old_call_enqueues(registry: Registry) -> None:
    job = await old("post_bridged_letter", invoice_id=1)

    assert await job.status() is JobState.QUEUED


async def test_an_id_that_is_taken_answers_the_job_that_has_it_and_not_none(registry: Registry) -> None:
    first = await old("post_bridged_letter", 1, _job_id="inv-1")

    second = await old("post_bridged_letter", 1, _job_id="inv-1")

    assert (first.duplicate, second.duplicate) == (False, True)
    assert second.job_id == "inv-1"


@pytest.mark.parametrize(
    ("options", "state"),
    [
        ({"_defer_by": 60}, JobState.DEFERRED),
        ({"_defer_by": timedelta(minutes=1)}, JobState.DEFERRED),
        ({"_defer_until": datetime(2999, 1, 1, tzinfo=UTC)}, JobState.DEFERRED),
        ({"_expires": 5, "_job_try": 1}, JobState.QUEUED),
        ({"_queue_name": "bulk"}, JobState.QUEUED),
    ],
)
async def test_the_old_options_do_what_they_said(registry: Registry, options: dict[str, Any], state: JobState) -> None:
    job = await old("post_bridged_letter", invoice_id=1, **options)

    info = await job.info()
    assert info.state is state
    assert info.queue_key == f"arq:queue:{options.get('_queue_name', 'default')}"


async def test_the_warning_names_the_typed_form_and_the_file_of_the_call(registry: Registry) -> None:
    with pytest.warns(DeprecationWarning, match="deprecated") as caught:
        await enqueue("post_bridged_letter", 1, _defer_by=5, _queue_name="bulk", to="a@b.c")

    warning = caught.list[-1]
    assert "await post_bridged_letter.using(queue=..., delay=...).enqueue(..., to=...)" in str(warning.message)
    assert warning.filename == __file__
    assert "a@b.c" not in str(warning.message)


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "says"),
    [
        (["post_brigded_letter"], {"invoice_id": 1}, UnknownTaskError, "did you mean 'post_bridged_letter'?"),
        (["post_bridged_letter"], {"invoce_id": 1}, InvalidArgumentsError, "did you mean 'invoice_id'?"),
        (["post_bridged_letter"], {"invoice_id": "1"}, InvalidArgumentsError, "invoice_id"),
        (["post_bridged_letter"], {}, InvalidArgumentsError, "invoice_id: is missing"),
        (["post_bridged_letter", 1], {"_queue": "bulk"}, InvalidArgumentsError, "did you mean '_queue_name'?"),
        (["post_bridged_letter", 1], {"_queue_name": "bluk"}, UnknownQueueError, "did you mean 'bulk'?"),
        (["post_bridged_letter", 1], {"_defer_until": datetime(2999, 1, 1)}, OptionError, "time zone"),
        (["post_bridged_letter", 1], {"_job_try": 3}, OptionError, "attempts are counted by the worker"),
    ],
)
async def test_a_wrong_call_is_refused_before_anything_is_written(
    registry: Registry, args: list[Any], kwargs: dict[str, Any], error: type[Exception], says: str
) -> None:
    warnings.simplefilter("ignore", DeprecationWarning)

    with pytest.raises(error, match=re.escape(says)):
        await enqueue(*args, **kwargs)

    assert await registry.broker().client.keys("*") == []


async def test_a_name_of_two_registries_is_refused(registry: Registry) -> None:
    other = Registry("other")

    @other.task
    async def post_bridged_letter(ctx: Context, invoice_id: int) -> None: ...

    with pytest.raises(OptionError, match="several registries: bridged, other"):
        await enqueue("post_bridged_letter", invoice_id=1)


# -- lists of plain functions ------------------------------------------------------------


async def typed(ctx: Context, a: int) -> int:
    return a


async def for_arq(ctx: dict, a: int) -> int:  # type: ignore[type-arg]  # as arq's users write it
    return a


async def bare(ctx, a: int) -> int:  # type: ignore[no-untyped-def]  # likewise
    return a


async def by_name(ctx: "Context", a: int) -> int:
    return a


def test_a_list_of_typed_functions_becomes_tasks_once() -> None:
    registry = Registry("adopting")

    first = adopt([typed, by_name], registry)
    again = adopt([typed, *first], registry)

    assert sorted(registry.tasks) == ["by_name", "typed"]
    assert again[0] is first[0]


@pytest.mark.parametrize(("function", "found"), [(for_arq, "is not a Context"), (bare, "has no annotation")])
def test_a_function_written_for_arq_is_refused_with_what_to_write(function: Any, found: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        adopt([function], Registry("adopting"))

    text = str(caught.value)
    assert f"the first parameter 'ctx' {found}, as in functions for plain arq" in text
    assert "write ctx: Context, with `from scalr_tasks import Context`" in text
    assert f"test_scalr_queue.py:{function.__code__.co_firstlineno}" in text


def test_two_functions_of_one_name_are_refused() -> None:
    registry = Registry("adopting")
    adopt([typed], registry)

    async def other(ctx: Context) -> None: ...

    other.__name__ = "typed"
    with pytest.raises(DuplicateTaskError, match=r"^the name is taken by the task declared at tests/.*:\d+ "):
        adopt([other], registry)
