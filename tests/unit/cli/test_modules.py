"""From a module's name to its registry: old `tasks` lists too, and what is wrong on one line."""

from pathlib import Path

import pytest

from scalr_tasks import DefinitionError, ModuleError, Registry
from scalr_tasks.cli import modules
from scalr_tasks.cli.modules import load_registries
from tests.support.cli import run

TYPED = """
from scalr_tasks import Context


async def send(ctx: Context, invoice_id: int) -> None: ...
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """A default registry of the test's own, since that of the process keeps what it is given."""
    monkeypatch.setattr(modules, "default_registry", Registry("default"))


def load(module: str) -> Registry:
    return load_registries([module])[0]


def test_the_functions_of_an_old_list_become_tasks_once(folder: Path) -> None:
    (folder / "old_list.py").write_text(TYPED + "\n\ntasks = [send]\n")

    first = load("old_list")
    again = load("old_list")

    assert "send" in first.tasks
    assert again is first


def test_a_list_beside_a_registry_is_declared_in_it(folder: Path) -> None:
    (folder / "both.py").write_text(
        TYPED + "\n\nfrom scalr_tasks import Registry\n\nregistry = Registry('both')\ntasks = (send,)\n"
    )

    registry = load("both")

    assert (registry.name, list(registry.tasks)) == ("both", ["send"])


@pytest.mark.parametrize("listed", ["[]", "['send']", "3"])
def test_something_else_that_is_called_tasks_is_left_alone(folder: Path, listed: str) -> None:
    (folder / "other.py").write_text(
        "from scalr_tasks import Context, Registry\n\nregistry = Registry('other')\n\n\n"
        f"@registry.task\nasync def add(ctx: Context) -> None: ...\n\n\ntasks = {listed}\n"
    )

    assert list(load("other").tasks) == ["add"]


@pytest.mark.parametrize(
    ("parameter", "found"), [("ctx: dict", "is not a Context"), ("ctx", "has no annotation"), ("a: int", "is not a")]
)
def test_a_function_for_plain_arq_is_refused_with_what_to_write(folder: Path, parameter: str, found: str) -> None:
    (folder / "for_arq.py").write_text(f"async def send({parameter}) -> None: ...\n\n\ntasks = [send]\n")

    with pytest.raises(DefinitionError) as caught:
        load("for_arq")

    assert found in str(caught.value)
    assert "with `from scalr_tasks import Context`" in str(caught.value)
    assert "for_arq.py:1" in str(caught.value)


def test_check_lists_every_function_of_the_list_that_cannot_be_a_task(folder: Path) -> None:
    (folder / "for_arq.py").write_text("async def a(ctx): ...\n\n\nasync def b(ctx: dict): ...\n\n\ntasks = [a, b]\n")

    checked = run("check", "for_arq", "--definitions")

    assert checked.status == 1
    assert checked.out.count("FAIL") == 2


def test_a_list_without_tasks_is_told(folder: Path) -> None:
    (folder / "nothing.py").write_text("from scalr_tasks import Registry\n\nregistry = Registry('no')\ntasks = []\n")

    with pytest.raises(ModuleError, match="its list of tasks is empty"):
        load("nothing")
