"""`decorator.py`: a function becomes the handle that the types promise; the types are tested in `tests/typing/`."""

from typing import Any

import pytest

from scalr_tasks import AsyncTask, Context, Registry, SyncTask
from scalr_tasks.registry.declare import DeclaredTask


@pytest.fixture
def shop() -> Registry[Any, str]:
    return Registry[Any, str]("shop")


def test_an_async_function_becomes_an_async_task_and_another_one_a_sync_task(shop: Registry[Any, str]) -> None:
    @shop.task(retries=1)
    async def waits(ctx: Context, invoice_id: int) -> None: ...
    @shop.task(retries=1)
    def works(ctx: Context, invoice_id: int) -> None: ...
    @shop.task(ctx=False)
    async def waits_alone(invoice_id: int) -> None: ...
    @shop.task(ctx=False)
    def works_alone(invoice_id: int) -> None: ...

    assert [type(each) for each in (waits, works, waits_alone, works_alone)] == [AsyncTask, SyncTask] * 2


def test_a_declaration_becomes_a_declared_task(shop: Registry[Any, str]) -> None:
    @shop.declare()
    async def send(invoice_id: int) -> None: ...

    assert type(send) is DeclaredTask
