"""Executes the table of layers: a unit imports only from rows above it, and there is no circle anywhere."""

from graphlib import CycleError, TopologicalSorter

import pytest

from tests.architecture.source import PACKAGE, Module, imports, package_modules

NOUNS = {"errors", "clock", "names", "state", "policy", "envelope", "events", "address", "settings"}
FACADE = "(facade)"
MAIN = "__main__"
ROWS: list[set[str]] = [
    NOUNS,
    {"broker"},
    {"attempt", "jobs"},
    {"registry"},
    {FACADE, "worker", "observe", "typecheck"},
    {"testing", "integrations", "web"},
    {"cli"},
    {MAIN},
]
ROW_OF = {unit: number for number, row in enumerate(ROWS) for unit in row}
MAY_IMPORT_ARQ = ("scalr_tasks.registry.compile", "scalr_tasks.worker")


def unit_of(module: str) -> str:
    parts = module.split(".")
    if parts[-1] == MAIN:
        return MAIN
    return FACADE if len(parts) == 1 else parts[1]


def forbidden(modules: dict[str, Module]) -> list[str]:
    """Every import that the table does not allow."""
    found = []
    for module in modules.values():
        here = unit_of(module.name)
        for target in sorted(imports(module, modules)):
            if target.startswith("."):
                found.append(f"{module.name} imports {target}: only absolute imports")
            if target.split(".")[0] != PACKAGE:
                continue
            there = unit_of(target)
            allowed = here == there or ROW_OF[there] < ROW_OF[here] or {here, there} <= NOUNS
            if not allowed:
                found.append(f"{module.name} imports {target}")
    return found


def circle(modules: dict[str, Module]) -> list[str] | None:
    """The names of one import circle, or None."""
    graph = {
        module.name: {target for target in imports(module, modules) if target in modules and target != module.name}
        for module in modules.values()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [str(name) for name in error.args[1]]
    return None


def made(**sources: str) -> dict[str, Module]:
    """Modules of an imagined package: `broker_redis="import x"` is `scalr_tasks.broker.redis`."""
    names = {f"{PACKAGE}.{name.replace('_', '.', 1)}": source for name, source in sources.items()}
    return {name: Module(name, source, name) for name, source in names.items()}


def test_every_unit_has_a_row() -> None:
    units = {unit_of(name) for name in package_modules()}

    assert units <= set(ROW_OF), f"give a row to {units - set(ROW_OF)}"


def test_a_unit_imports_only_from_rows_above_it() -> None:
    assert forbidden(dict(package_modules())) == []


def test_there_is_no_circle_inside_folders_either() -> None:
    assert circle(dict(package_modules())) is None


def test_arq_is_imported_only_where_it_is_compiled_for_or_run() -> None:
    importers = {
        module.name
        for module in package_modules().values()
        if any(target.split(".")[0] == "arq" for target in imports(module, package_modules()))
    }

    assert {name for name in importers if not name.startswith(MAY_IMPORT_ARQ)} == set()


@pytest.mark.parametrize(
    "source",
    [
        "from scalr_tasks.worker.worker import Worker",
        "from scalr_tasks.worker import worker",
        "import scalr_tasks.worker.worker",
        "def f():\n    from scalr_tasks.worker.worker import Worker",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from scalr_tasks.worker.worker import Worker",
        "from importlib import import_module\nimport_module('scalr_tasks.worker.worker')",
    ],
)
def test_an_import_from_a_lower_row_is_found_however_it_is_written(source: str) -> None:
    assert len(forbidden(made(jobs_job=source, worker_worker=""))) == 1


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("attempt_call", "from scalr_tasks.jobs.job import Job"),
        ("observe_logs", "from scalr_tasks.worker.worker import Worker"),
        ("broker_redis", "from scalr_tasks import task"),
        ("broker_redis", "from .keys import JOB"),
    ],
)
def test_a_sibling_the_facade_and_a_relative_import_are_refused(where: str, source: str) -> None:
    assert len(forbidden(made(**{where: source}, jobs_job="", worker_worker=""))) == 1


def test_a_circle_through_a_local_import_is_found() -> None:
    modules = made(
        broker_redis="from scalr_tasks.broker import scripts",
        broker_scripts="def f():\n    from scalr_tasks.broker.redis import RedisBroker",
    )

    assert circle(modules) is not None


def test_the_lazy_table_of_the_facade_counts_as_imports() -> None:
    facade = Module(PACKAGE, "TABLE = {'Worker': 'scalr_tasks.worker.worker'}", "scalr_tasks/__init__.py", True)

    assert len(forbidden({PACKAGE: facade, **made(worker_worker="")})) == 1
