"""The repository can be read and built anywhere: it names no machine."""

import re

from tests.architecture.source import ROOT, repository_files

# Put together here, so that this file does not find itself.
MACHINE = re.compile("|".join("/" + name + r"/(?!lib/)\w" for name in ("home", "root", "Users", "work")))
NOT_TEXT = {".png", ".gz", ".whl", ".ico", ".woff2"}


def test_no_file_names_a_path_of_a_machine() -> None:
    found = []
    for path in repository_files():
        if path.suffix in NOT_TEXT:
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if MACHINE.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}")

    assert found == []


def test_a_path_of_a_machine_is_found() -> None:
    assert MACHINE.search("see /" + "home/anna/project")
