"""Carries the plans out: calls, tasks and settings of a module in the typed forms, comments kept.

Reads next: `migrate_module.py` for the module with tasks itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import libcst as cst
from libcst.codemod import CodemodContext
from libcst.codemod.visitors import AddImportsVisitor, RemoveImportsVisitor

from scalr_tasks.cli.migrate_module import rebuild
from scalr_tasks.cli.migrate_plan import ModulePlan, TaskPlan, queue_name, tasks_by_name
from scalr_tasks.cli.migrate_source import Source, circles, dotted, every
from scalr_tasks.names import nearest

BRIDGE: Final = "scalr_tasks.integrations.scalr_queue"

_OPTIONS: Final = {
    "_queue_name": "queue",
    "_defer_by": "delay",
    "_defer_until": "at",
    "_job_id": "job_id",
    "_expires": "expires",
}
_ARQ: Final = frozenset({"arq", "arq.worker"})


@dataclass(frozen=True, slots=True)
class Imports:
    """What a changed module imports and no longer needs."""

    added: list[tuple[str, str, str | None]] = field(default_factory=list)
    dropped: list[tuple[str, str]] = field(default_factory=list)


def rewrite_all(sources: Sequence[Source], plans: Sequence[ModulePlan]) -> list[tuple[Source, str]]:
    """Return the new text of every module that changes; notes go to the sources."""
    tasks = tasks_by_name(plans)
    for source in sources:
        _collect_queues(source, tasks)
    reached = circles(sources)
    by_name = {plan.source.name: plan for plan in plans}
    changed = []
    for source in sources:
        imports = Imports()
        tree = source.tree.visit(Calls(source, tasks, reached, imports))
        plan = by_name.get(source.name)
        if plan is not None:
            tree = rebuild(tree, plan, imports.added)
        if tree.code != source.text:
            changed.append((source, _with_imports(tree, source, imports)))
    return [(source, text) for source, text in changed if text != source.text]


def _with_imports(tree: cst.Module, source: Source, imports: Imports) -> str:
    context = CodemodContext(full_module_name=source.name)
    for module, name, alias in imports.added:
        AddImportsVisitor.add_needed_import(context, module, name, alias)
    tree = AddImportsVisitor(context).transform_module(tree)
    for module, name in (*imports.dropped, ("arq", "cron"), ("arq", "func"), ("arq.connections", "RedisSettings")):
        RemoveImportsVisitor.remove_unused_import(context, module, name)
    for module in ("arq.cron", "arq.worker"):
        RemoveImportsVisitor.remove_unused_import(context, module, module.rpartition(".")[2].replace("worker", "func"))
    return RemoveImportsVisitor(context).transform_module(tree).code


# -- calls -------------------------------------------------------------------------------


def _task_in(call: cst.Call, enqueue: str | None) -> str | None:
    """Return the literal name in `enqueue("name", ...)`."""
    match call:
        case cst.Call(func=cst.Name(value=called), args=[cst.Arg(value=cst.SimpleString() as name, keyword=None), *_]):
            return str(name.evaluated_value) if called == enqueue else None
    return None


def _collect_queues(source: Source, tasks: Mapping[str, tuple[ModulePlan, TaskPlan]]) -> None:
    for call in every(source.tree, cst.Call):
        assert isinstance(call, cst.Call)
        found = tasks.get(_task_in(call, source.old_enqueue) or "")
        for arg in call.args:
            is_queue = arg.keyword is not None and arg.keyword.value == "_queue_name"
            if found and is_queue and isinstance(arg.value, cst.SimpleString):
                queue = queue_name(str(arg.value.evaluated_value))
                if queue != found[0].queue:
                    found[0].extra_queues.add(queue)


class Calls(cst.CSTTransformer):
    """Rewrites the calls of one module."""

    def __init__(
        self,
        source: Source,
        tasks: Mapping[str, tuple[ModulePlan, TaskPlan]],
        reached: Mapping[str, set[str]],
        imports: Imports,
    ) -> None:
        super().__init__()
        self._source = source
        self._tasks = tasks
        self._reached = reached
        self._imports = imports
        self._enqueue = source.old_enqueue
        self._retry = source.local_name(_ARQ, "Retry")

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:  # noqa: N802  libcst's name
        """Rewrite `enqueue("name", ...)` and arq's `Retry(defer=...)`."""
        if isinstance(updated_node.func, cst.Attribute) and updated_node.func.attr.value == "enqueue_job":
            self._source.note(original_node, "enqueue_job is plain arq's: write await TASK.enqueue(...); not touched")
        if dotted(updated_node.func) == "scalr_queue.enqueue":
            self._source.note(original_node, "scalr_queue.enqueue is called by its module: import enqueue; not touched")
        match updated_node.func:
            case cst.Name(value=name) if name == self._enqueue:
                return self._enqueued(original_node, updated_node)
            case cst.Name(value=name) if name == self._retry:
                self._imports.added.append(("scalr_tasks", "Retry", None if name == "Retry" else name))
                return updated_node.with_changes(args=[_delayed(arg) for arg in updated_node.args])
        return updated_node

    def leave_ImportFrom(  # noqa: N802  libcst's name
        self,
        original_node: cst.ImportFrom,  # noqa: ARG002  libcst gives it
        updated_node: cst.ImportFrom,
    ) -> cst.ImportFrom | cst.RemovalSentinel:
        """Let what still calls the old `enqueue` import the bridge; leave arq's `Retry` out."""
        module = updated_node.module
        if isinstance(updated_node.names, cst.ImportStar) or not isinstance(module, cst.Name):
            return updated_node
        if module.value == "scalr_queue":
            self._imports.dropped.append((BRIDGE, "enqueue"))
            return updated_node.with_changes(module=cst.parse_expression(BRIDGE))
        if module.value in _ARQ and self._retry is not None:
            kept = [alias for alias in updated_node.names if alias.evaluated_name != "Retry"]
            if not kept:
                return cst.RemoveFromParent()
            kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
            return updated_node.with_changes(names=kept)
        return updated_node

    def _enqueued(self, original: cst.Call, call: cst.Call) -> cst.BaseExpression:
        name = _task_in(call, self._enqueue)
        problem = self._refusal(name, call)
        if problem or name is None:
            self._source.note(original, f"{problem}; not touched")
            return call
        options = [arg for arg in call.args[1:] if arg.keyword is not None and arg.keyword.value in _OPTIONS]
        given = [arg for arg in call.args[1:] if arg not in options]
        if not every(call, cst.Comment):  # else the lines stay as they are: a comment ends with its line
            options, given = [_plain(arg) for arg in options], [_plain(arg) for arg in given]
        handle: cst.BaseExpression = cst.Name(self._handle(name))
        if options:
            using = [_option(arg) for arg in options]
            handle = cst.Call(cst.Attribute(handle, cst.Name("using")), _without_last_comma(using))
        enqueue = cst.Attribute(handle, cst.Name("enqueue"))
        return call.with_changes(
            func=enqueue, args=_without_last_comma(given), whitespace_before_args=cst.SimpleWhitespace("")
        )

    def _refusal(self, name: str | None, call: cst.Call) -> str | None:
        if name is None:
            return "the task's name is no literal"
        if name not in self._tasks:
            near = nearest(name, self._tasks)
            return f"no task {name!r} was found" + (f", did you mean {near!r}?" if near else "")
        if any(arg.star for arg in call.args):
            return "* or ** may hold options of the old enqueue"
        if any(arg.keyword is not None and arg.keyword.value == "_job_try" for arg in call.args):
            return "_job_try has no counterpart, attempts are counted by the worker"
        home = self._tasks[name][0].source.name
        if self._source.name in self._reached[home] and home != self._source.name:
            return f"importing {name!r} from {home} here would be a circle: move the task to a module of its own"
        return None

    def _handle(self, name: str) -> str:
        """Return what the task is called in this module, and see that it is imported."""
        plan, task = self._tasks[name]
        if plan.source.name == self._source.name:
            return task.function
        taken = task.function in self._source.bound
        alias = f"{task.function}_task" if taken else None
        self._imports.added.append((plan.source.name, task.function, alias))
        return alias or task.function


def _option(arg: cst.Arg) -> cst.Arg:
    assert arg.keyword is not None
    value = arg.value
    if arg.keyword.value == "_queue_name" and isinstance(value, cst.SimpleString):
        value = cst.SimpleString(f'"{queue_name(str(value.evaluated_value))}"')
    return arg.with_changes(keyword=cst.Name(_OPTIONS[arg.keyword.value]), value=value)


def _plain(arg: cst.Arg) -> cst.Arg:
    """Return an argument without the line breaks around it."""
    space = cst.SimpleWhitespace("")
    return arg.with_changes(comma=cst.MaybeSentinel.DEFAULT, whitespace_after_arg=space)


def _delayed(arg: cst.Arg) -> cst.Arg:
    if arg.keyword is not None and arg.keyword.value == "defer":
        return arg.with_changes(keyword=cst.Name("delay"))
    return arg


def _without_last_comma(args: Sequence[cst.Arg]) -> list[cst.Arg]:
    if not args:
        return []
    comma = args[-1].comma
    on_own_line = isinstance(comma, cst.Comma) and not isinstance(comma.whitespace_after, cst.SimpleWhitespace)
    last = args[-1] if on_own_line else args[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return [*args[:-1], last]
