"""`catalog.py`: what a registry holds, until it is frozen; the face of it is tested in `test_registry.py`."""

from typing import Any

import pytest

from scalr_tasks import Context, DefinitionError, MissingImplementationError, Registry, RegistryFrozenError
from scalr_tasks.registry.definition import collecting_errors


@pytest.fixture
def shop() -> Registry[Any, str]:
    return Registry[Any, str]("shop", queues=["default", "bulk"])


def frozen(registry: Registry[Any, str]) -> Registry[Any, str]:
    registry.worker_settings("default")
    return registry


def test_a_contract_is_not_implemented_after_the_registry_was_compiled(shop: Registry[Any, str]) -> None:
    @shop.declare()
    async def send(invoice_id: int) -> None: ...
    @send.implement
    async def body(ctx: Context, invoice_id: int) -> None: ...

    frozen(shop)

    with pytest.raises(
        RegistryFrozenError, match=r"registry 'shop' is compiled .* \(task 'send' at tests/.*:\d+\); import"
    ):

        @send.implement
        async def late(ctx: Context, invoice_id: int) -> None: ...


def test_no_upgrade_is_added_after_the_registry_was_compiled(shop: Registry[Any, str]) -> None:
    @shop.task(version=2, ctx=False)
    async def send(invoice_id: int) -> None: ...

    frozen(shop)

    with pytest.raises(RegistryFrozenError, match=r"registry 'shop' is compiled .* \(task 'send' at tests/.*:\d+\)"):

        @send.upgrade(from_version=1)
        def from_version_1(invoice: int) -> Any: ...


def test_a_contract_without_a_function_is_an_error_of_the_registry(shop: Registry[Any, str]) -> None:
    @shop.declare()
    async def send(invoice_id: int) -> None: ...

    with pytest.raises(MissingImplementationError, match=r"declared without an implementation \(task 'send' at .*"):
        shop.worker_settings("default")


def test_a_pending_type_is_resolved_once_it_is_there(shop: Registry[Any, str]) -> None:
    @shop.task(ctx=False)
    async def send(line: "Later") -> None: ...  # type: ignore[name-defined]  # noqa: F821  it comes later

    before = shop.check()
    globals()["Later"] = int
    try:
        after = shop.check()
    finally:
        del globals()["Later"]

    assert ["names 'Later', which is not defined" in each.text for each in before] == [True]
    assert after == []


def test_a_broken_declaration_that_was_noted_raises_its_error_at_every_use(shop: Registry[Any, str]) -> None:
    with collecting_errors() as errors:

        @shop.task(ctx=False, retries=-1)
        async def send(invoice_id: int) -> None: ...

    assert len(errors) == 1
    with pytest.raises(DefinitionError, match="retries"):
        send.call(1)
    assert dict(shop.tasks) == {}


def test_the_queue_of_a_job_is_looked_at_first(shop: Registry[Any, str]) -> None:
    catalog = shop._catalog

    assert catalog.queue_keys("bulk") == ["arq:queue:bulk", "arq:queue:default"]
    assert catalog.queue_keys() == ["arq:queue:default", "arq:queue:bulk"]
