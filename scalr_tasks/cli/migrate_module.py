"""A module with tasks, rebuilt: decorators, contexts, a registry with its queues and lifespan.

What is taken out leaves its comments behind, above what follows it.
"""

from collections.abc import Sequence

import libcst as cst

from scalr_tasks.cli.migrate_plan import ModulePlan, TaskPlan
from scalr_tasks.cli.migrate_source import every

Added = list[tuple[str, str, str | None]]


def rebuild(tree: cst.Module, plan: ModulePlan, added: Added) -> cst.Module:
    """Return the module with its plan carried out; what it must import is added to `added`."""
    names = _Names(plan)
    listed = {plan.source.tree.body.index(line) for line in plan.lists}
    body: list[cst.BaseStatement | cst.SimpleStatementLine] = []
    waiting: list[cst.EmptyLine] = []
    for number, line in enumerate(tree.body):
        new: cst.BaseStatement | cst.SimpleStatementLine | None = line
        if number in listed:
            new = _shorter(line, plan)
        elif isinstance(line, cst.FunctionDef) and line.name.value in plan.tasks:
            new = _as_task(line, plan.tasks[line.name.value], names, plan)
        elif isinstance(line, cst.FunctionDef) and line.name.value in {plan.startup, plan.shutdown}:
            new = _as_hook(line, added)
        elif plan.settings is not None and line is tree.body[plan.source.tree.body.index(plan.settings)]:
            new = _as_assignment(line, plan, names)
        if new is None:
            waiting += [*_comments_above(line), *_comments(line)]
        else:
            body.append(_under(waiting, new) if waiting else new)
            waiting = []
    body[_after_imports(body) : _after_imports(body)] = _prelude(plan, names, added)
    added.append(("scalr_tasks", "Context", None))
    if not plan.needs_registry:
        added.append(("scalr_tasks", "task", None if names.task == "task" else names.task))
    return tree.with_changes(body=body, footer=[*waiting, *tree.footer])


class _Names:
    """What is free in the module."""

    def __init__(self, plan: ModulePlan) -> None:
        bound = plan.source.bound
        self.task = "scalr_task" if "task" in bound else "task"
        self.registry = "tasks_registry" if "registry" in bound else "registry"
        self.lifespan = "tasks_lifespan" if "lifespan" in bound else "lifespan"


def _as_task(node: cst.FunctionDef, task: TaskPlan, names: _Names, plan: ModulePlan) -> cst.FunctionDef:
    options = dict(task.options)
    if plan.queue != "default":
        options["queue"] = f'"{plan.queue}"'
    called = f"{names.registry}.task" if plan.needs_registry else names.task
    written = ", ".join(f"{name}={value}" for name, value in options.items())
    decorator = cst.Decorator(cst.parse_expression(f"{called}({written})" if options else called))
    first, *others = node.params.params
    first = first.with_changes(annotation=cst.Annotation(cst.Name("Context")))
    params = node.params.with_changes(params=[first, *others])
    return _typed(node).with_changes(params=params, decorators=[decorator, *node.decorators])


def _as_hook(node: cst.FunctionDef, added: Added) -> cst.FunctionDef:
    """Type what prepares or clears the state: it is a dict, as in arq."""
    if not node.params.params:
        return node
    added.append(("typing", "Any", None))
    first = node.params.params[0].with_changes(annotation=cst.Annotation(cst.parse_expression("dict[str, Any]")))
    return _typed(node).with_changes(params=node.params.with_changes(params=[first, *node.params.params[1:]]))


def _typed(node: cst.FunctionDef) -> cst.FunctionDef:
    return node if node.returns is not None else node.with_changes(returns=cst.Annotation(cst.Name("None")))


def _shorter(line: cst.BaseStatement | cst.SimpleStatementLine, plan: ModulePlan) -> cst.SimpleStatementLine | None:
    """Return the list with what could not become a task, or None where all of it could."""
    if not plan.left_in_list:
        return None
    left = cst.parse_statement(f"tasks = [{', '.join(plan.left_in_list)}]")
    assert isinstance(left, cst.SimpleStatementLine)
    return left.with_changes(leading_lines=[*_comments_above(line), *_comments(line)])


def _as_assignment(line: cst.CSTNode, plan: ModulePlan, names: _Names) -> cst.SimpleStatementLine:
    assert isinstance(line, cst.ClassDef)
    queue = "" if plan.queue == "default" else f'"{plan.queue}"'
    made = cst.parse_statement(f"{line.name.value} = {names.registry}.worker_settings({queue})")
    assert isinstance(made, cst.SimpleStatementLine)
    return made.with_changes(leading_lines=[*line.leading_lines, *_comments(line)])


# -- the registry ------------------------------------------------------------------------


def _prelude(plan: ModulePlan, names: _Names, added: Added) -> Sequence[cst.BaseStatement | cst.SimpleStatementLine]:
    if not plan.needs_registry:
        return []
    added += [("scalr_tasks", "Queue", None), ("scalr_tasks", "Registry", None)]
    queues = [_queue(plan.queue, plan.concurrency), *(_queue(name, None) for name in sorted(plan.extra_queues))]
    options = [f"queues=[{', '.join(queues)}]"]
    code = ""
    if plan.startup or plan.shutdown:
        added += [
            ("collections.abc", "AsyncIterator", None),
            ("contextlib", "asynccontextmanager", None),
            ("typing", "Any", None),
        ]
        options.append(f"lifespan={names.lifespan}")
        code = _lifespan(plan, names)
    leaf = plan.source.name.rpartition(".")[2].strip("_") or "tasks"
    code += f'\n\n{names.registry} = Registry("{leaf}", {", ".join(options)})\n'
    first, *others = cst.parse_module(code.lstrip("\n")).body
    blank = [cst.EmptyLine(indent=False)] * (2 if code.lstrip("\n").startswith("@") else 1)
    return [first.with_changes(leading_lines=blank), *others]


def _queue(name: str, concurrency: str | None) -> str:
    return f'Queue("{name}", concurrency={concurrency})' if concurrency else f'Queue("{name}")'


def _lifespan(plan: ModulePlan, names: _Names) -> str:
    enter = f"    await {plan.startup}(state)\n" if plan.startup else ""
    leave = f"    try:\n        yield state\n    finally:\n        await {plan.shutdown}(state)\n"
    return (
        "\n\n@asynccontextmanager\n"
        f"async def {names.lifespan}() -> AsyncIterator[dict[str, Any]]:\n"
        '    """Open what the tasks share: `ctx["name"]` reads it."""\n'
        "    state: dict[str, Any] = {}\n"
        f"{enter}{leave if plan.shutdown else '    yield state' + chr(10)}"
    )


def _after_imports(body: Sequence[cst.CSTNode]) -> int:
    """Return where the first statement stands that is no import and no docstring."""
    place = 0
    for number, line in enumerate(body):
        match line:
            case cst.SimpleStatementLine(body=[cst.Import() | cst.ImportFrom(), *_]):
                place = number + 1
            case cst.SimpleStatementLine(body=[cst.Expr(value=cst.SimpleString())]) if number == 0:
                place = 1
            case cst.FunctionDef() | cst.ClassDef():
                break
    return place


# -- comments ----------------------------------------------------------------------------


def _comments_above(line: cst.CSTNode) -> list[cst.EmptyLine]:
    above: Sequence[cst.EmptyLine] = getattr(line, "leading_lines", ())
    return [each for each in above if each.comment is not None]


def _comments(line: cst.CSTNode) -> list[cst.EmptyLine]:
    """Return every comment inside a statement, each as a line of its own."""
    above = {each.comment for each in _comments_above(line)}
    inside = [each for each in every(line, cst.Comment) if each not in above]
    return [cst.EmptyLine(comment=each) for each in inside if isinstance(each, cst.Comment)]


def _under(
    comments: Sequence[cst.EmptyLine], line: cst.BaseStatement | cst.SimpleStatementLine
) -> cst.BaseStatement | cst.SimpleStatementLine:
    above: Sequence[cst.EmptyLine] = getattr(line, "leading_lines", ())
    new = line.with_changes(leading_lines=[*above, *comments])
    assert isinstance(new, (cst.BaseStatement, cst.SimpleStatementLine))
    return new
