"""The part of `check` that looks at declarations: a broken one does not hide the next."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scalr_tasks.cli.findings import Line
from scalr_tasks.cli.modules import load_registries
from scalr_tasks.errors import DefinitionError, ModuleError, ScalrTasksWarning
from scalr_tasks.registry.definition import collecting_errors
from scalr_tasks.registry.registry import Registry


@dataclass(frozen=True, slots=True)
class Loaded:
    """The registries of some modules, and what could not be declared."""

    registries: Sequence[Registry[Any, Any]]
    errors: Sequence[DefinitionError]


def load(modules: Sequence[str]) -> Loaded:
    """Import modules; declarations that cannot work are noted and not raised.

    Raises:
        ModuleError: a module cannot be imported, or gives no registry or several.
    """
    with collecting_errors() as errors, warnings.catch_warnings():
        warnings.simplefilter("ignore", ScalrTasksWarning)  # `definition_lines` tells them
        try:
            return Loaded(load_registries(modules), errors)
        except ModuleError:
            if errors:  # none of the module's tasks could be declared, and that is what is wrong
                return Loaded([], errors)
            raise


def definition_lines(loaded: Loaded) -> list[Line]:
    """Return what is wrong with declarations, and one line for each registry in which nothing is."""
    lines = [Line("definitions", "error", f"[{error.code}] {error}") for error in loaded.errors]
    for registry in loaded.registries:
        findings = registry.check()
        lines += [Line("definitions", finding.level, finding.text) for finding in findings]
        if not any(finding.level == "error" for finding in findings) and not loaded.errors:
            count = len(registry.tasks)
            tasks = f"{count} task{'' if count == 1 else 's'}"
            lines.append(Line("definitions", "ok", f"{registry.name}: {tasks} on {', '.join(registry.queues)}"))
    return lines
