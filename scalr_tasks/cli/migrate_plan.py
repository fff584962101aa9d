"""What becomes of each old task: `tasks = [...]` lists and `WorkerSettings` classes, read into plans.

A module is planned whole or left alone: where one attribute of its settings
has no counterpart, nothing in it is touched and a note says which.

Reads next: `migrate_rewrite.py`, which carries the plans out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import libcst as cst

from scalr_tasks.broker.keys import QUEUE
from scalr_tasks.cli.migrate_cron import KNOWN, NoCounterpartError, crontab
from scalr_tasks.cli.migrate_source import Source, dotted, every

_DROPPED: Final = {
    "redis_settings": "redis_settings is dropped: set REDIS_URL",
    "job_completion_wait": "job_completion_wait is dropped: set SCALR_TASKS_SHUTDOWN_GRACE (60 s)",
    **dict.fromkeys(("health_check_interval", "health_check_key", "log_results", "poll_delay"), ""),
    **dict.fromkeys(("allow_abort_jobs", "allow_pick_jobs", "retry_jobs", "handle_signals"), ""),
}
"""Attributes that need no counterpart -> what to say of them."""

_RULES: Final = {"timeout": "timeout", "job_timeout": "timeout", "keep_result": "keep_result"}
"""Option of arq that is written as it is -> option of `@task`."""

_DICTS: Final = frozenset({"dict", "Dict", "typing.Dict", "Any", "typing.Any", "Context"})


@dataclass(slots=True)
class TaskPlan:
    """One function that becomes a task."""

    function: str
    name: str
    """As it stands in Redis."""
    options: dict[str, str] = field(default_factory=dict)
    """Option of the decorator -> its source text."""


@dataclass(slots=True)
class ModulePlan:
    """What becomes of a module with tasks."""

    source: Source
    tasks: dict[str, TaskPlan] = field(default_factory=dict)
    settings: cst.ClassDef | None = None
    lists: list[cst.SimpleStatementLine] = field(default_factory=list)
    left_in_list: tuple[str, ...] = ()
    """Functions that cannot become tasks as they are."""
    queue: str = "default"
    concurrency: str | None = None
    startup: str | None = None
    shutdown: str | None = None
    extra_queues: set[str] = field(default_factory=set)
    """Queues that calls name."""

    @property
    def needs_registry(self) -> bool:
        """Whether the bare `@task` does not say enough."""
        return self.settings is not None or bool(self.extra_queues)


def plan_module(source: Source) -> ModulePlan | None:
    """Return what becomes of a module, or None where nothing does; notes go to the source."""
    plan = ModulePlan(source)
    try:
        settings = _settings_classes(source)
        if len(settings) > 1:
            raise NoCounterpartError("several settings classes in one module: give each a module")
        if settings:
            _read_settings(plan, settings[0])
    except NoCounterpartError as error:
        source.note(_settings_classes(source)[0], f"{error}; the module is not touched")
        return None
    _read_lists(plan)
    return plan if plan.tasks else None


def _settings_classes(source: Source) -> list[cst.ClassDef]:
    return [
        node
        for node in source.tree.body
        if isinstance(node, cst.ClassDef) and {"functions", "cron_jobs"} & _attributes(node).keys()
    ]


def _attributes(node: cst.ClassDef) -> dict[str, cst.BaseExpression]:
    found: dict[str, cst.BaseExpression] = {}
    for line in node.body.body:
        match line:
            case cst.SimpleStatementLine(
                body=[cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))], value=value)]
            ):
                found[name] = value
            case cst.SimpleStatementLine(
                body=[cst.AnnAssign(target=cst.Name(value=name), value=cst.BaseExpression() as value)]
            ):
                found[name] = value
    return found


# -- lists -------------------------------------------------------------------------------


def _read_lists(plan: ModulePlan) -> None:
    source = plan.source
    for line in source.tree.body:
        names = _listed(line)
        if names is None or not isinstance(line, cst.SimpleStatementLine):
            continue
        refused = []
        for name in names:
            problem = _problem(source, name)
            if problem:
                source.note(source.functions.get(name, line), f"{name}: {problem}; not touched")
                refused.append(name)
            else:
                plan.tasks.setdefault(name, TaskPlan(name, name))
        plan.lists.append(line)
        plan.left_in_list = tuple(refused)


def _listed(line: cst.BaseStatement) -> list[str] | None:
    match line:
        case cst.SimpleStatementLine(
            body=[cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value="tasks"))], value=value)]
        ):
            pass
        case cst.SimpleStatementLine(body=[cst.AnnAssign(target=cst.Name(value="tasks"), value=value)]):
            pass
        case _:
            return None
    if not isinstance(value, (cst.List, cst.Tuple)):
        return None
    names = [element.value.value for element in value.elements if isinstance(element.value, cst.Name)]
    return names if len(names) == len(value.elements) else None


def _problem(source: Source, name: str) -> str | None:
    """Say why a function cannot become a task as it is."""
    node = source.functions.get(name)
    if node is None:
        home = next((home for home, _, here in source.imports() if here == name), None)
        return f"it is imported from {home}: put @task over it there" if home else "no function of this module"
    parameters = [*node.params.params, *node.params.kwonly_params]
    if not node.params.params or not _is_context(node.params.params[0]):
        return "its first parameter is not arq's ctx: declare it with @task(ctx=False), or put ctx: Context first"
    bare = [each.name.value for each in parameters[1:] if each.annotation is None]
    if bare:
        return f"parameter {bare[0]!r} has no annotation: write its type"
    if isinstance(node.params.star_arg, cst.Param):
        return f"*{node.params.star_arg.name.value} has no name on the wire: take a list"
    if node.returns is None and _returns_something(node):
        return "the result has no annotation: write it after ->"
    return None


def _is_context(parameter: cst.Param) -> bool:
    if parameter.annotation is None:
        return parameter.name.value in {"ctx", "context", "_ctx", "_"}
    hint = parameter.annotation.annotation
    return dotted(hint.value if isinstance(hint, cst.Subscript) else hint) in _DICTS


def _returns_something(node: cst.FunctionDef) -> bool:
    return any(isinstance(each, cst.Return) and each.value is not None for each in every(node.body, cst.Return))


# -- settings classes --------------------------------------------------------------------


def _read_settings(plan: ModulePlan, node: cst.ClassDef) -> None:
    source = plan.source
    attributes = _attributes(node)
    if len(attributes) != len([line for line in node.body.body if not _is_text(line)]):
        raise NoCounterpartError("the settings class holds more than plain attributes")
    common: dict[str, str] = {}
    for name, value in attributes.items():
        _read_attribute(plan, name, value, common)
    for element in _elements(attributes.get("functions")):
        _add_function(plan, element, common)
    for element in _elements(attributes.get("cron_jobs")):
        _add_cron(plan, element, common, attributes.get("timezone"))
    for task in plan.tasks.values():
        problem = _problem(source, task.function)
        if problem:
            raise NoCounterpartError(f"{task.function}: {problem}")
    plan.settings = node


def _is_text(line: cst.CSTNode) -> bool:
    """Tell a docstring, or `pass`."""
    match line:
        case cst.SimpleStatementLine(body=[cst.Pass()]):
            return True
        case cst.SimpleStatementLine(body=[cst.Expr(value=cst.SimpleString())]):
            return True
    return False


def _read_attribute(plan: ModulePlan, name: str, value: cst.BaseExpression, common: dict[str, str]) -> None:
    text = plan.source.tree.code_for_node(value)
    if name in {"functions", "cron_jobs", "timezone"}:
        return
    if name in _DROPPED:
        if _DROPPED[name]:
            plan.source.note(value, _DROPPED[name])
    elif name in _RULES:
        common[_RULES[name]] = text
    elif name == "max_tries":
        common["retries"] = _retries(value, text)
    elif name == "max_jobs":
        plan.concurrency = text
    elif name == "queue_name" and isinstance(value, cst.SimpleString):
        plan.queue = queue_name(str(value.evaluated_value))
    elif name in {"on_startup", "on_shutdown"} and isinstance(value, cst.Name):
        _read_hook(plan, name, value.value)
    else:
        raise NoCounterpartError(f"{name} has no counterpart that could be written for you")


def _read_hook(plan: ModulePlan, name: str, function: str) -> None:
    node = plan.source.functions.get(function)
    if node is None:
        raise NoCounterpartError(f"{name}: {function} is no function of this module")
    if '["redis"]' in plan.source.tree.code_for_node(node):
        plan.source.note(
            node, f'{function} uses ctx["redis"], which a lifespan does not have: open a client of its own'
        )
    if name == "on_startup":
        plan.startup = function
    else:
        plan.shutdown = function


def queue_name(key: str) -> str:
    """Return our name of a queue of arq's.

    >>> queue_name("arq:queue"), queue_name("arq:queue:bulk"), queue_name("bulk")
    ('default', 'bulk', 'bulk')
    """
    return "default" if key == QUEUE.removesuffix(":") else key.removeprefix(QUEUE)


def _retries(value: cst.BaseExpression, text: str) -> str:
    return str(max(0, int(value.value, 0) - 1)) if isinstance(value, cst.Integer) else f"{text} - 1"


def _elements(value: cst.BaseExpression | None) -> list[cst.BaseExpression]:
    if value is None:
        return []
    if not isinstance(value, (cst.List, cst.Tuple)):
        raise NoCounterpartError("functions and cron_jobs must be written as lists")
    return [element.value for element in value.elements]


def _called(node: cst.BaseExpression) -> tuple[str, str, dict[str, cst.BaseExpression]]:
    """Return what is called, the name of its first argument, and its keywords."""
    if isinstance(node, cst.Call) and node.args and isinstance(node.args[0].value, cst.Name):
        keywords = {arg.keyword.value: arg.value for arg in node.args[1:] if arg.keyword is not None}
        if len(keywords) == len(node.args) - 1:
            return dotted(node.func).rpartition(".")[2], node.args[0].value.value, keywords
    raise NoCounterpartError("an entry of functions or cron_jobs is neither a name, nor func(f, ...), nor cron(f, ...)")


def _add_function(plan: ModulePlan, element: cst.BaseExpression, common: dict[str, str]) -> None:
    if isinstance(element, cst.Name):
        plan.tasks[element.value] = TaskPlan(element.value, element.value, dict(common))
        return
    called, function, keywords = _called(element)
    if called != "func":
        raise NoCounterpartError(f"{called}(...) in functions")
    plan.tasks[function] = _with_options(plan, function, keywords, common)


def _add_cron(
    plan: ModulePlan, element: cst.BaseExpression, common: dict[str, str], timezone: cst.BaseExpression | None
) -> None:
    called, function, keywords = _called(element)
    unknown = keywords.keys() - KNOWN
    if called != "cron" or unknown:
        raise NoCounterpartError(f"{called}({function}, {', '.join(sorted(unknown))}...) has no counterpart")
    known = plan.tasks.get(function)
    # arq gives a cron job one try, whatever the class says.
    task = known or _with_options(plan, function, keywords, common | {"retries": "0"})
    if "name" in keywords and known is None:
        task.name = function
        task.options.pop("name", None)
    task.options["cron"] = f'"{crontab(keywords)}"'
    if timezone is not None:
        task.options["timezone"] = _zone(timezone)
    plan.tasks[function] = task


def _zone(value: cst.BaseExpression) -> str:
    match value:
        case cst.Call(func=cst.Name(value="ZoneInfo"), args=[cst.Arg(value=cst.SimpleString() as name)]):
            return name.value
        case cst.Name(value="UTC") | cst.Attribute(attr=cst.Name(value="utc")):
            return '"UTC"'
    raise NoCounterpartError('timezone is not ZoneInfo("...")')


def _with_options(
    plan: ModulePlan, function: str, keywords: dict[str, cst.BaseExpression], common: dict[str, str]
) -> TaskPlan:
    task = TaskPlan(function, function, dict(common))
    for name, value in keywords.items():
        text = plan.source.tree.code_for_node(value)
        if name in _RULES:
            task.options[_RULES[name]] = text
        elif name == "max_tries":
            task.options["retries"] = _retries(value, text)
        elif name == "name" and isinstance(value, cst.SimpleString):
            task.name = str(value.evaluated_value)
            task.options["name"] = text
        elif name not in KNOWN:
            raise NoCounterpartError(f"func({function}, {name}=...) has no counterpart")
    return task


def tasks_by_name(plans: Sequence[ModulePlan]) -> dict[str, tuple[ModulePlan, TaskPlan]]:
    """Return every planned task by the name that calls use."""
    return {task.name: (plan, task) for plan in plans for task in plan.tasks.values()}
