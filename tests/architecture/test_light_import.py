"""`import scalr_tasks` costs a caller nothing that it does not use."""

import subprocess
import sys

from tests.architecture.source import ROOT

HEAVY = {"arq", "pydantic", "pydantic_core", "redis", "click", "rich", "cronsim", "hiredis"}


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return {name.split(".")[0] for name in done.stdout.split()}


def test_importing_the_package_loads_neither_arq_nor_pydantic_nor_redis() -> None:
    assert loaded_by("import scalr_tasks") & HEAVY == set()


def test_the_settings_load_neither_arq_nor_redis() -> None:
    assert loaded_by("import scalr_tasks.settings") & {"arq", "redis", "click"} == set()


def test_a_module_that_is_loaded_is_seen() -> None:
    assert "pydantic" in loaded_by("import scalr_tasks.settings")
