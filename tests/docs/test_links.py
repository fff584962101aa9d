"""Every file that a page names is there."""

import re
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, repository_files

PAGES = [path for path in repository_files() if path.suffix == ".md"]
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)(?:#[^)]*)?\)")
NAMED = re.compile(r"`((?:scalr_tasks|tests|docs|examples|benchmarks|\.ci)/[\w./*-]+)`")


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_leads_to_a_file(page: Path) -> None:
    broken = [target for target in LINK.findall(page.read_text("utf-8")) if not (page.parent / target).exists()]

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_file_that_is_named_is_there(page: Path) -> None:
    missing = [name for name in NAMED.findall(page.read_text("utf-8")) if not list(ROOT.glob(name.rstrip("/")))]

    assert missing == []


def test_every_decision_is_in_the_list_of_decisions() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = set(LINK.findall((folder / "README.md").read_text("utf-8")))

    assert listed == {path.name for path in folder.glob("0*.md")}


def test_every_decision_has_its_parts_in_order() -> None:
    parts = ["Status", "Context", "Decision", "Consequences", "Turned down", "Proof"]

    for path in sorted((ROOT / "docs" / "decisions").glob("0*.md")):
        assert re.findall(r"^## (.+)$", path.read_text("utf-8"), re.MULTILINE) == parts, path.name


def test_every_setting_is_in_the_reference() -> None:
    from scalr_tasks.settings import VARIABLES

    page = (ROOT / "docs" / "reference" / "settings.md").read_text("utf-8")

    assert [name for name in VARIABLES if f"`{name}`" not in page] == []


def test_every_make_target_that_a_page_names_is_in_the_makefile() -> None:
    makefiles = [ROOT / "Makefile", *ROOT.glob("examples/*/Makefile")]
    targets = {name for path in makefiles for name in re.findall(r"^([a-z]+):", path.read_text("utf-8"), re.MULTILINE)}
    named = {
        name for page in PAGES for name in re.findall(r"(?:`|^)make ([a-z]+)\b", page.read_text("utf-8"), re.MULTILINE)
    }

    assert {"demo", "test", "check"} <= named
    assert named <= targets
