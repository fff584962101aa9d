"""The section `[tool.scalr_tasks]` of pyproject.toml (`[scalr_tasks]` in an ini file), for type checks.

    [tool.scalr_tasks]
    tasks = ["app.tasks", "billing.tasks"]
    manifests = ["tasks.lock.json"]
    literal_names = true

Reads next: `mypy_plugin.py`.
"""

import configparser
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scalr_tasks.names import did_you_mean

_LISTS: Final = ("tasks", "manifests")
_SWITCH: Final = "literal_names"
_OPTIONS: Final = (*_LISTS, _SWITCH)


class ConfigError(ValueError):
    """The section cannot be used."""


@dataclass(frozen=True, slots=True)
class CheckConfig:
    """What a type check is told."""

    tasks: tuple[str, ...] = ()
    """Modules that declare tasks, in order."""
    manifests: tuple[str, ...] = ()
    """Files that `scalr-tasks lock` wrote, for tasks whose source is not here; paths from the file of the section."""
    literal_names: bool = False
    """Whether a name that is not a literal string is an error."""


def read_config(file: str | None) -> CheckConfig:
    """Return the section of a config file, or of the pyproject.toml beside it; empty where there is none.

    Raises:
        ConfigError: the section holds an option that there is not, or a value that is no list of strings.
    """
    candidates = [] if file is None else [Path(file)]
    beside = (Path(file).parent if file is not None else Path()) / "pyproject.toml"
    for path in (*candidates, beside):
        section = _section(path)
        if section is not None:
            return _read(section, path)
    return CheckConfig()


def _section(path: Path) -> Mapping[str, object] | None:
    if not path.is_file():
        return None
    if path.suffix == ".toml":
        tool = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
        found: Mapping[str, object] | None = tool.get("scalr_tasks")
        return found
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(path, encoding="utf-8")
    if "scalr_tasks" not in parser:
        return None
    written = dict(parser.items("scalr_tasks"))
    values: dict[str, object] = {key: value.replace(",", " ").split() for key, value in written.items()}
    if _SWITCH in written:
        values[_SWITCH] = _WORDS.get(written[_SWITCH].lower(), written[_SWITCH])
    return values


_WORDS: Final = {"true": True, "false": False}


def _read(section: Mapping[str, object], path: Path) -> CheckConfig:
    place = f"{path.name}: [tool.scalr_tasks]"
    for key, value in section.items():
        if key not in _OPTIONS:
            raise ConfigError(f"{place} has no option {key!r}; {did_you_mean(key, _OPTIONS)}")
        if key == _SWITCH and not isinstance(value, bool):
            raise ConfigError(f"{place} expected {key} to be true or false")
        if key in _LISTS and not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
            raise ConfigError(f"{place} expected {key} to be a list of strings")
    tasks, manifests = (tuple(str(each) for each in _list(section.get(key))) for key in _LISTS)
    return CheckConfig(tasks, tuple(str(path.parent / each) for each in manifests), section.get(_SWITCH) is True)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
