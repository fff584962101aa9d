"""The limits that keep the package readable, each over every file."""

import ast
from pathlib import Path

from tests.architecture.source import ROOT, Module, docstring_nodes, files_of_tests, functions, package_modules

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def modules() -> list[Module]:
    return list(package_modules().values())


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def named(node: ast.expr) -> str:
    match node:
        case ast.Attribute(value, attr):
            return f"{named(value)}.{attr}"
        case ast.Name(name):
            return name
        case ast.Call(func):
            return named(func)
    return ""


def formatted_log_calls(tree: ast.AST) -> list[int]:
    """Lines of log calls whose text is put together before the logger wants it."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = named(node.func.value).rpartition(".")[2].lower()
        if node.func.attr not in LOG_METHODS or not owner.endswith(("log", "logger")):
            continue
        for argument in node.args:
            eager = isinstance(argument, (ast.JoinedStr, ast.BinOp)) or (
                isinstance(argument, ast.Call) and named(argument.func).endswith(".format")
            )
            if eager:
                found.append(node.lineno)
    return found


def bare_raises(tree: ast.AST) -> list[int]:
    bare = {"RuntimeError", "Exception", "BaseException"}
    return [
        node.lineno for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc and named(node.exc) in bare
    ]


def clock_reads(tree: ast.AST) -> list[int]:
    """Lines that read the wall clock."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Attribute() if named(node) in {
                "time.time",
                "time.time_ns",
                "datetime.now",
                "datetime.utcnow",
                "datetime.datetime.now",
                "date.today",
            }:
                found.append(node.lineno)
            case ast.ImportFrom(module="time", names=names) if {alias.name for alias in names} & {"time", "time_ns"}:
                found.append(node.lineno)
    return found


def sleeps(tree: ast.AST) -> list[int]:
    """Lines that wait for time to pass; `sleep(0)` only gives others a turn."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and named(node.func).rpartition(".")[2] == "sleep"
        and not (len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)
    ]


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {module.file: len(module.source.splitlines()) for module in modules()}

    assert {file: lines for file, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_no_function_is_longer_than_60_lines() -> None:
    long = [
        f"{module.file}:{node.lineno} {node.name} has {length(node)} lines"
        for module in modules()
        for node in functions(module.tree)
        if length(node) > MAX_FUNCTION_LINES
    ]

    assert long == []


def test_no_log_call_formats_its_text_itself() -> None:
    assert [f"{m.file}:{line}" for m in modules() for line in formatted_log_calls(m.tree)] == []


def test_no_bare_error_is_raised() -> None:
    assert [f"{m.file}:{line}" for m in modules() for line in bare_raises(m.tree)] == []


def test_only_the_clock_reads_the_time() -> None:
    readers = [f"{m.file}:{line}" for m in modules() if m.name != "scalr_tasks.clock" for line in clock_reads(m.tree)]

    assert readers == []


def test_no_test_sleeps() -> None:
    sleepers = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in files_of_tests()
        if path.name.startswith("test_")
        for line in sleeps(ast.parse(path.read_text("utf-8")))
    ]

    assert sleepers == []


def test_every_redis_key_is_spelled_in_one_file() -> None:
    prefixes = key_prefixes(package_modules()["scalr_tasks.broker.keys"])
    spelled = []
    for module in modules():
        if module.name == "scalr_tasks.broker.keys":
            continue
        documentation = docstring_nodes(module.tree)
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
                spelled += [
                    f"{module.file}:{node.lineno} {prefix}" for prefix in prefixes if node.value.startswith(prefix)
                ]

    assert len(prefixes) >= 14
    assert spelled == []


def key_prefixes(keys: Module) -> list[str]:
    return [
        node.value.value
        for node in keys.tree.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]


def test_no_file_of_ours_is_missed_by_these_tests() -> None:
    files = {Path(ROOT, module.file) for module in modules()}

    assert files == set((ROOT / "scalr_tasks").rglob("*.py"))


def test_the_finders_find_what_they_look_for() -> None:
    bad = ast.parse(
        "import time\n"
        "log.info(f'{x}')\n"
        "self._log.warning('%s' % x)\n"
        "logging.getLogger('a').error('{}'.format(x))\n"
        "raise RuntimeError('x')\n"
        "now = time.time()\n"
        "await asyncio.sleep(1)\n"
        "await asyncio.sleep(0)\n"
        "log.info('%s', x)\n"
    )

    assert formatted_log_calls(bad) == [2, 3, 4]
    assert bare_raises(bad) == [5]
    assert clock_reads(bad) == [6]
    assert sleeps(bad) == [7]
