import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scalr_tasks import Call, Registry
from scalr_tasks.errors import DefinitionError, ModuleError
from scalr_tasks.registry.contract import compare, lock_document, lock_text, read_lock

Declare = Callable[[Registry[Any, str]], Any]


def lock_of(declare: Declare) -> dict[str, Any]:
    registry = Registry("shop")
    declare(registry)
    return json.loads(lock_text(lock_document([registry.snapshot()])))  # type: ignore[no-any-return]  # as a file is read


def v1(registry: Registry[Any, str]) -> None:
    @registry.task(ctx=False)
    async def send(invoice_id: int, subject: str = "") -> int: ...


def another_name(registry: Registry[Any, str]) -> None:
    @registry.task(ctx=False, name="sned")
    async def send(invoice_id: int, subject: str = "") -> int: ...


def one_more_task(registry: Registry[Any, str]) -> None:
    v1(registry)

    @registry.task(ctx=False)
    async def charge() -> None: ...


def required_argument(registry: Registry[Any, str]) -> None:
    @registry.task(ctx=False)
    async def send(invoice_id: int, copies: int, subject: str = "") -> int: ...


def optional_argument(registry: Registry[Any, str]) -> None:
    @registry.task(ctx=False)
    async def send(invoice_id: int, subject: str = "", *, copies: int = 1) -> int: ...


def renamed_argument(registry: Registry[Any, str]) -> None:
    @registry.task(ctx=False)
    async def send(invoice: int, subject: str = "") -> int: ...


def removed_argument(registry: Registry[Any, str]) -> None:
    @registry.task(ctx=False)
    async def send(invoice_id: int) -> int: ...


def removed_and_caught(registry: Registry[Any, str]) -> None:
    @registry.task(ctx=False)
    async def send(invoice_id: int, **rest: str) -> int: ...


def narrowed(registry: Registry[Any, str]) -> None:
    @registry.task(ctx=False)
    async def send(invoice_id: int, subject: bool = False) -> int: ...


def widened(registry: Registry[Any, str]) -> None:
    @registry.task(ctx=False)
    async def send(invoice_id: int | str, subject: str = "") -> int: ...


def no_default(registry: Registry[Any, str]) -> None:
    @registry.task(ctx=False)
    async def send(invoice_id: int, subject: str) -> int: ...


def other_default(registry: Registry[Any, str]) -> None:
    @registry.task(ctx=False)
    async def send(invoice_id: int = 1, subject: str = "hi") -> int: ...


def other_result(registry: Registry[Any, str]) -> None:
    @registry.task(ctx=False)
    async def send(invoice_id: int, subject: str = "") -> int | None: ...


def new_version(registry: Registry[Any, str]) -> None:
    @registry.task(ctx=False, version=2)
    async def send(invoice: int) -> int: ...


def new_version_with_upgrade(registry: Registry[Any, str]) -> None:
    @registry.task(ctx=False, version=2)
    async def send(invoice: int) -> int: ...

    @send.upgrade(from_version=1)
    def from_version_1(invoice_id: int, subject: str = "") -> Call[int]:
        return send.call(invoice=invoice_id)


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (v1, []),
        (another_name, ["breaking: send: the task is gone; was it renamed to 'sned'?", "safe: sned: a new task"]),
        (one_more_task, ["safe: charge: a new task"]),
        (required_argument, ["breaking: send: a new required argument 'copies'"]),
        (optional_argument, ["safe: send: a new optional argument 'copies'"]),
        (renamed_argument, ["breaking: send: argument 'invoice_id' was renamed to 'invoice'"]),
        (removed_argument, ["breaking: send: argument 'subject' is gone"]),
        (removed_and_caught, ["safe: send: argument 'subject' is taken by **rest now"]),
        (narrowed, ["breaking: send: argument 'subject' was changed from str to bool"]),
        (widened, ["safe: send: argument 'invoice_id' was widened from int to int | str"]),
        (no_default, ["breaking: send: argument 'subject' has no default any more"]),
        (other_default, ["safe: send: argument 'invoice_id' has a default now"]),
        (other_result, ["breaking: send: the result was int and is int | None"]),
        (
            new_version,
            [
                "safe: send: version 1 became 2",
                "breaking: send: argument 'invoice_id' was renamed to 'invoice'",
                "breaking: send: argument 'subject' is gone",
            ],
        ),
        (
            new_version_with_upgrade,
            [
                "safe: send: version 1 became 2",
                "safe: send: argument 'invoice_id' was renamed to 'invoice'; upgrade(from_version=1) migrates it",
                "safe: send: argument 'subject' is gone; upgrade(from_version=1) migrates it",
            ],
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_change_is_told_breaking_or_safe(after: Declare, found: list[str]) -> None:
    assert [str(each) for each in compare(lock_of(v1), lock_of(after))] == found


def test_a_narrowed_type_is_breaking_in_one_direction_only() -> None:
    assert [str(each) for each in compare(lock_of(widened), lock_of(v1))] == [
        "breaking: send: argument 'invoice_id' was narrowed from int | str to int"
    ]


def test_a_lowered_version_is_breaking() -> None:
    changes = compare(lock_of(new_version), lock_of(v1))

    assert str(changes[0]) == "breaking: send: version 2 became 1: queued jobs of the newer one would be parked"


def test_the_same_tasks_give_the_same_text_in_whatever_order_they_are_declared() -> None:
    def reversed_order(registry: Registry[Any, str]) -> None:
        @registry.task(ctx=False)
        async def charge() -> None: ...

        v1(registry)

    assert lock_text(lock_of(reversed_order)) == lock_text(lock_of(one_more_task))


def test_a_declared_task_needs_no_implementation_for_its_lock() -> None:
    def contract(registry: Registry[Any, str]) -> None:
        @registry.declare()
        async def send(invoice_id: int, subject: str = "") -> int:
            raise NotImplementedError

    assert compare(lock_of(v1), lock_of(contract)) == []


def test_two_registries_with_one_name_are_refused() -> None:
    one, two = Registry("one"), Registry("two")
    v1(one)
    v1(two)

    with pytest.raises(DefinitionError, match="two registries declare a task of this name"):
        lock_document([one.snapshot(), two.snapshot()])


@pytest.mark.parametrize(
    ("text", "problem"),
    [(None, "there is no such file"), ("{", "is no JSON"), ("{}", "is no lock file"), ("[]", "is no lock file")],
)
def test_a_file_that_is_no_lock_is_refused(tmp_path: Path, text: str | None, problem: str) -> None:
    path = tmp_path / "tasks.lock.json"
    if text is not None:
        path.write_text(text)

    with pytest.raises(ModuleError, match=problem):
        read_lock(path)
