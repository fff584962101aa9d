from pathlib import Path

import pytest

from scalr_tasks.typecheck.config import CheckConfig, ConfigError, read_config


def test_the_section_of_a_toml_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text('[tool.scalr_tasks]\ntasks = ["a", "b"]\nmanifests = ["x.json"]\nliteral_names = true\n')

    assert read_config(str(path)) == CheckConfig(("a", "b"), (str(tmp_path / "x.json"),), True)


@pytest.mark.parametrize("written", ["a b", "a, b", "\n  a\n  b"])
def test_the_section_of_an_ini_file_is_read(tmp_path: Path, written: str) -> None:
    path = tmp_path / "mypy.ini"
    path.write_text(f"[mypy]\n[scalr_tasks]\ntasks = {written}\nliteral_names = True\n")

    assert read_config(str(path)) == CheckConfig(("a", "b"), (), True)


def test_the_pyproject_beside_an_ini_file_without_the_section_is_read(tmp_path: Path) -> None:
    (tmp_path / "mypy.ini").write_text("[mypy]\n")
    (tmp_path / "pyproject.toml").write_text('[tool.scalr_tasks]\ntasks = ["a"]\n')

    assert read_config(str(tmp_path / "mypy.ini")).tasks == ("a",)


def test_no_section_is_an_empty_one(tmp_path: Path) -> None:
    assert read_config(str(tmp_path / "mypy.ini")) == CheckConfig()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('task = ["a"]', "no option 'task'; did you mean 'tasks'"),
        ('tasks = "a"', "expected tasks to be a list of strings"),
        ("manifests = [1]", "expected manifests to be a list of strings"),
        ('literal_names = "yes"', "expected literal_names to be true or false"),
    ],
)
def test_a_section_that_cannot_be_used_is_refused(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(f"[tool.scalr_tasks]\n{line}\n")

    with pytest.raises(ConfigError, match=problem):
        read_config(str(path))
