"""The facade: every public name, and nothing else, imported when it is used."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import scalr_tasks
from scalr_tasks import errors

SOURCE = ast.parse(Path(inspect.getfile(scalr_tasks)).read_text())
CONTRACT = """
    Context Queue Registry task Job enqueue_many enqueue_many_sync enqueue close declare current_context default_registry
    Retry Snooze GiveUp Backoff JobState Task AsyncTask SyncTask DeclaredTask Call Settings
"""


def imported_for_checkers() -> set[str]:
    """The names that a type checker sees."""
    (block,) = [node for node in SOURCE.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_all_is_sorted_and_what_checkers_see() -> None:
    assert scalr_tasks.__all__ == sorted(scalr_tasks.__all__)
    assert set(scalr_tasks.__all__) == imported_for_checkers()


@pytest.mark.parametrize("name", scalr_tasks.__all__)
def test_every_name_is_there_at_run_time_and_in_dir(name: str) -> None:
    assert getattr(scalr_tasks, name) is not None
    assert name in dir(scalr_tasks)


def test_what_the_contract_names_and_every_error_is_there() -> None:
    kinds = [
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, (Exception, Warning))
    ]

    assert set(CONTRACT.split()) | {each.__name__ for each in kinds} <= set(scalr_tasks.__all__)


def test_checkers_and_run_time_import_a_name_from_the_same_module() -> None:
    (block,) = [node for node in SOURCE.body if isinstance(node, ast.If)]
    homes = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}

    assert homes == scalr_tasks._HOMES


def test_a_misspelled_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        AttributeError, match=r"module 'scalr_tasks' has no attribute 'Contxt'; did you mean 'Context'\?"
    ):
        scalr_tasks.Contxt  # type: ignore[attr-defined]  # noqa: B018  what is tested


def test_a_misspelled_import_fails() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from scalr_tasks import tsak"], check=False, capture_output=True, text=True, timeout=60
    )

    assert "ImportError" in done.stderr


def test_a_submodule_is_not_in_the_way() -> None:
    import scalr_tasks.errors as module

    assert scalr_tasks.errors is module
