from pathlib import Path

from tests.support.cli import run

BROKEN = """
from typing import Any
from scalr_tasks import Context, Queue, Registry

registry = Registry("shop", queues=[Queue("default"), Queue("bulk"), Queue("bluk")])


@registry.task(retries=-1)
async def refund(ctx: Context, order: int) -> None: ...


@registry.task
async def ship(ctx: Context, order) -> None: ...


@registry.task(queue="mail")
async def tell(ctx: Context, order: int) -> None: ...


@registry.task
async def fine(ctx: Context, order: dict[str, Any]) -> None: ...
"""

FINE = """
from scalr_tasks import Context, Queue, Registry

registry = Registry("shop", queues=[Queue("default"), Queue("bulk")])


@registry.task
async def add(ctx: Context, a: int) -> int:
    return a
"""


def test_every_broken_declaration_of_a_module_is_listed_and_the_exit_status_is_1(folder: Path) -> None:
    (folder / "broken_shop.py").write_text(BROKEN)

    check = run("check", "broken_shop", "--definitions")

    assert check.status == 1
    failures = [line for line in check.out.splitlines() if line.startswith("FAIL")]
    assert len(failures) == 3
    for task in ("refund", "ship", "tell"):
        assert any(f"'{task}'" in line and "broken_shop.py:" in line for line in failures), task


def test_near_equal_queue_names_and_nested_any_are_warnings(folder: Path) -> None:
    (folder / "broken_shop.py").write_text(BROKEN)

    warnings = [line for line in run("check", "broken_shop", "--definitions").out.splitlines() if "warn" in line[:4]]

    assert len(warnings) == 2
    assert any("'bluk' and 'bulk' are one typing mistake apart" in line for line in warnings)
    assert any("fine" in line and "Any" in line for line in warnings)


def test_warnings_alone_leave_the_exit_status_0(folder: Path) -> None:
    (folder / "near_shop.py").write_text(FINE.replace('Queue("bulk")', 'Queue("bulk"), Queue("bluk")'))

    check = run("check", "near_shop", "--definitions")

    assert check.status == 0
    assert check.out.startswith("warn")


def test_a_module_in_which_nothing_is_wrong_is_one_line(folder: Path) -> None:
    (folder / "fine_shop.py").write_text(FINE)

    check = run("check", "fine_shop", "--definitions")

    assert (check.status, check.out) == (0, "ok   shop: 1 task on default, bulk\n")


def test_a_module_whose_only_task_is_broken_says_so_and_not_that_it_has_no_tasks(folder: Path) -> None:
    (folder / "sole_shop.py").write_text(
        "from scalr_tasks import Context, Registry\nregistry = Registry('shop')\n\n"
        "@registry.task(timeout=0)\nasync def add(ctx: Context, a: int) -> int: ...\n"
    )

    check = run("check", "sole_shop", "--definitions")

    assert check.status == 1
    assert "timeout" in check.out
    assert "declares no task" not in check.out + check.err


def test_the_findings_are_one_json_document(folder: Path) -> None:
    (folder / "broken_shop.py").write_text(BROKEN)

    check = run("check", "broken_shop", "--definitions", "--json")

    found = check.document
    assert check.status == 1
    assert [line["level"] for line in found].count("error") == 3
    assert {line["part"] for line in found} == {"definitions"}


def test_a_module_that_is_not_there_exits_2(folder: Path) -> None:
    check = run("check", "no_such_shop", "--definitions")

    assert check.status == 2
    assert "no_such_shop: there is no such module" in check.err


def test_definitions_without_a_module_is_wrong_usage(folder: Path) -> None:
    check = run("check", "--definitions")

    assert check.status == 2
    assert "--definitions needs a MODULE" in check.err
