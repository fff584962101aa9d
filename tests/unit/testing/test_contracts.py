"""`testing/contracts.py`: what other processes rely on."""

from pathlib import Path

import pytest

from scalr_tasks import ModuleError, Registry
from scalr_tasks.errors import KitError
from scalr_tasks.registry.contract import lock_document, lock_text
from scalr_tasks.testing.contracts import assert_contract_unchanged, assert_payload_compatible


def billing(*, changed: bool = False) -> Registry[None]:
    registry: Registry[None] = Registry("billing")

    if changed:

        @registry.task(ctx=False, name="send")
        async def send_differently(invoice: str) -> None: ...

        @registry.task(ctx=False)
        async def added() -> None: ...
    else:

        @registry.task(ctx=False)
        async def send(invoice_id: int, subject: str = "") -> None: ...

    return registry


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.lock.json"
    path.write_text(lock_text(lock_document([billing().snapshot()])), "utf-8")
    return path


def test_an_unchanged_contract_passes(lock: Path) -> None:
    assert_contract_unchanged(billing(), lock)


def test_a_change_fails_and_what_breaks_comes_first(lock: Path) -> None:
    with pytest.raises(AssertionError) as caught:
        assert_contract_unchanged(billing(changed=True), str(lock))

    first, *rest = str(caught.value).splitlines()
    assert first == f"the tasks of registry 'billing' are not those of {lock}:"
    assert rest[0].startswith("  breaking: send: ")
    assert rest[-2] == "  safe: added: a new task"
    assert "scalr-tasks lock" in rest[-1]


def test_a_file_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match="there is no such file"):
        assert_contract_unchanged(billing(), tmp_path / "no.json")


@pytest.mark.parametrize(
    "payload",
    [
        '{"invoice_id": 1}',
        b'{"invoice_id":1}',
        {"invoice_id": 1},
        '{"v":1,"et":1700000000000,"f":"send","n":"abc"}\n{"invoice_id":1}',
    ],
)
def test_a_payload_that_fits_gives_its_arguments_with_defaults(payload: str) -> None:
    send = billing().tasks["send"]

    read = assert_payload_compatible(send, payload)

    assert (read.invoice_id, read.subject) == (1, "")


def test_a_payload_that_does_not_fit_fails_and_says_why() -> None:
    send = billing().tasks["send"]

    with pytest.raises(AssertionError, match=r"a job of task 'send' would be dead: .*invoce_id"):
        assert_payload_compatible(send, {"invoce_id": 1})


def test_a_payload_of_newer_code_would_be_parked() -> None:
    send = billing().tasks["send"]

    with pytest.raises(AssertionError, match="task 'send' would park this job: newer task version"):
        assert_payload_compatible(send, {"invoice_id": 1}, version=2)


def test_a_whole_job_tells_its_own_version() -> None:
    send = billing().tasks["send"]

    with pytest.raises(KitError, match="version= was given with a whole job"):
        assert_payload_compatible(send, '{"v":1,"et":1,"f":"send","n":"a"}\n{"invoice_id":1}', version=1)
