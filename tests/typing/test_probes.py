"""The checkers find what they must in the probes, and the package tells them the type of everything."""

import json
import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

import scalr_tasks
from tests.typing.run_probes import GATES, Found, judge, probe_files, run

BIN = Path(sysconfig.get_path("scripts"))
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("checker", GATES)
def test_a_checker_reports_every_marked_line_and_no_other(checker: str) -> None:
    files = probe_files()

    verdicts = judge(checker, files, run(checker, BIN, ROOT, files))

    assert {name: str(each) for name, each in verdicts.items() if not each.good} == {}
    assert sum(each.expected for each in verdicts.values()) > 90


def test_a_line_that_is_missed_and_a_line_that_is_wrong_are_told() -> None:
    (file,) = probe_files("p06")

    verdict = judge("mypy", [file], [Found(file.name, 1, "misc", "made up")])[file.name]

    assert str(verdict) == "0/2 miss 4,10 extra 1"


def test_the_type_of_every_public_symbol_is_known(tmp_path: Path) -> None:
    # Looked at from elsewhere, as an installed package: a link to it stands for the installation.
    site = tmp_path / "site"
    site.mkdir()
    (site / "scalr_tasks").symlink_to(Path(scalr_tasks.__file__).parent)
    # `--verifytypes` asks the first Python on PATH where packages are, whatever `--pythonpath` says.
    here = dict(os.environ, PYTHONPATH=str(site), PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}")

    done = subprocess.run(
        [BIN / "pyright", "--verifytypes", "scalr_tasks", "--ignoreexternal", "--outputjson"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120, env=here,
    )  # fmt: skip

    found = json.loads(done.stdout)["typeCompleteness"]
    unknown = [
        each["name"]
        for each in found["symbols"]
        if each["isExported"] and (not each["isTypeKnown"] or each["isTypeAmbiguous"])
    ]
    assert unknown == []
    assert found["completenessScore"] == 1
    assert {f"scalr_tasks.{name}" for name in scalr_tasks.__all__} <= {each["name"] for each in found["symbols"]}
