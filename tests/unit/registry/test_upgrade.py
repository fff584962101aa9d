from typing import Any

import pytest

from scalr_tasks import Call, Registry
from scalr_tasks.envelope import stamp, write_head
from scalr_tasks.errors import DefinitionError, RegistryFrozenError
from scalr_tasks.registry.delivery import Delivery, Misfit, receive


def payload(arguments: bytes, version: int) -> bytes:
    return stamp(write_head("send", "nonce", task_version=version), arguments, enqueued_at_ms=1)


@pytest.fixture
def registry() -> Registry[Any, str]:
    """A task of version 3 that reads payloads of version 1."""
    registry = Registry[Any, str]("shop")

    @registry.task(version=3, ctx=False)
    async def send(invoice_id: int, language: str) -> None: ...

    @send.upgrade(from_version=1)
    def from_version_1(invoice: int, dear: str = "") -> Call[None]:
        return send.call(invoice_id=invoice, language=dear or "de")

    return registry


def delivered(registry: Registry[Any, str], raw: bytes) -> Delivery:
    delivery = receive(raw, registry.snapshot().declarations)
    assert isinstance(delivery, Delivery)
    return delivery


def test_an_old_payload_reaches_the_function_as_the_upgrade_made_it(registry: Registry[Any, str]) -> None:
    delivery = delivered(registry, payload(b'{"invoice":7}', 1))

    assert (delivery.refused, delivery.kwargs) == (None, {"invoice_id": 7, "language": "de"})


def test_a_payload_of_this_version_is_not_upgraded(registry: Registry[Any, str]) -> None:
    delivery = delivered(registry, payload(b'{"invoice_id":7,"language":"en"}', 3))

    assert delivery.kwargs == {"invoice_id": 7, "language": "en"}


def test_a_version_without_an_upgrade_is_read_as_it_is(registry: Registry[Any, str]) -> None:
    delivery = delivered(registry, payload(b'{"invoice":7}', 2))

    assert "invoice_id" in str(delivery.refused)


def test_an_old_payload_that_does_not_fit_its_own_version_is_refused(registry: Registry[Any, str]) -> None:
    delivery = delivered(registry, payload(b'{"invoice":"seven"}', 1))

    assert "invoice" in str(delivery.refused)
    assert "seven" not in str(delivery.refused)


def test_a_newer_payload_is_parked(registry: Registry[Any, str]) -> None:
    answer = receive(payload(b"{}", 4), registry.snapshot().declarations)

    assert isinstance(answer, Misfit)
    assert (answer.reason, answer.version) == ("newer task version", 4)


def test_an_upgrade_that_raises_makes_the_job_dead_and_shows_no_value() -> None:
    registry = Registry[Any, str]("shop")

    @registry.task(version=2, ctx=False)
    async def send(invoice_id: int) -> None: ...

    @send.upgrade(from_version=1)
    def broken(invoice: str) -> Call[None]:
        raise ValueError(invoice)

    delivery = delivered(registry, payload(b'{"invoice":"secret"}', 1))

    assert "ValueError" in str(delivery.refused)
    assert "secret" not in str(delivery.refused)


def test_an_upgrade_that_answers_with_another_task_is_refused() -> None:
    registry = Registry[Any, str]("shop")

    @registry.task(ctx=False)
    async def other(invoice_id: int) -> None: ...

    @registry.task(version=2, ctx=False)
    async def send(invoice_id: int) -> None: ...

    @send.upgrade(from_version=1)
    def confused(invoice: int) -> Call[None]:
        return other.call(invoice_id=invoice)

    delivery = delivered(registry, payload(b'{"invoice":1}', 1))

    assert "did not return a call of this task" in str(delivery.refused)


@pytest.mark.parametrize("from_version", [0, -1, 2, 3, True])
def test_a_version_that_did_not_come_before_is_refused(from_version: int) -> None:
    registry = Registry[Any, str]("shop")

    @registry.task(version=2, ctx=False)
    async def send(invoice_id: int) -> None: ...

    with pytest.raises(DefinitionError, match="from_version"):

        @send.upgrade(from_version=from_version)
        def made(invoice: int) -> Call[None]: ...


def test_a_second_upgrade_from_one_version_is_refused(registry: Registry[Any, str]) -> None:
    with pytest.raises(DefinitionError, match="there is an upgrade from version 1 already"):

        @registry.tasks["send"].upgrade(from_version=1)
        def again(invoice: int) -> Call[None]: ...


def test_an_upgrade_after_the_registry_was_compiled_is_refused(registry: Registry[Any, str]) -> None:
    registry.app()

    with pytest.raises(RegistryFrozenError):

        @registry.tasks["send"].upgrade(from_version=2)
        def late(invoice: int) -> Call[None]: ...


def test_an_upgrade_written_with_async_def_is_refused(registry: Registry[Any, str]) -> None:
    async def asynchronous(invoice: int) -> Call[None]: ...

    with pytest.raises(DefinitionError, match="written with def"):
        registry.tasks["send"].upgrade(from_version=2)(asynchronous)  # type: ignore[type-var]  # what is refused
