"""The mypy plugin: tasks that are named in a string are checked like tasks that are imported.

    [tool.mypy]
    plugins = ["scalr_tasks.typecheck.mypy_plugin"]

    [tool.scalr_tasks]
    tasks = ["app.tasks"]

`enqueue("send_invoice_email", ...)` and `registry.enqueue(...)` take the
signature of the task's own handle. Every file that mentions `enqueue` depends
on the task modules, in mypy's cache and in its daemon, so a renamed task or
argument is seen in the next run.

Reads next: `table.py` for what is known, `index.py` for names, `manifest.py` for tasks whose source is elsewhere.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from mypy.checker import TypeChecker
from mypy.errorcodes import ErrorCode
from mypy.nodes import (
    ARG_POS,
    CallExpr,
    Decorator,
    Expression,
    FuncDef,
    MemberExpr,
    MypyFile,
    RefExpr,
    StrExpr,
    Var,
)
from mypy.options import Options
from mypy.plugin import (
    FunctionContext,
    FunctionSigContext,
    MethodContext,
    MethodSigContext,
    Plugin,
    ReportConfigContext,
)
from mypy.server.trigger import make_trigger, make_wildcard_trigger
from mypy.types import CallableType, ExtraAttrs, Instance, LiteralType, Parameters, Type, UnionType, get_proper_type

from scalr_tasks.names import nearest
from scalr_tasks.typecheck.config import CheckConfig, ConfigError, read_config
from scalr_tasks.typecheck.index import Sources
from scalr_tasks.typecheck.manifest import Manifest, ManifestTask, read_manifest, task_signature
from scalr_tasks.typecheck.table import DEFAULT_MODULE, DEFAULT_REGISTRY, KnownTask, TaskTable, as_task, type_of

UNKNOWN_TASK: Final = ErrorCode("unknown-task", "A task named in a string that is not declared", "scalr_tasks")
DUPLICATE_TASK: Final = ErrorCode("duplicate-task", "Two tasks of one name", "scalr_tasks")
NON_LITERAL_TASK: Final = ErrorCode("non-literal-task", "A task name that no checker can know", "scalr_tasks")

_VERSION: Final = 1
"""Of what the plugin puts into mypy's cache."""

_JOB: Final = "scalr_tasks.jobs.job.Job"
_REGISTRY: Final = "scalr_tasks.registry.registry.Registry"
_ENQUEUE: Final = "enqueue"
_BARE_DECORATORS: Final = frozenset({f"{DEFAULT_MODULE}.task", f"{_REGISTRY}.task"})
_DECORATORS: Final = frozenset(
    f"scalr_tasks.registry.decorator.{name}.__call__" for name in ("CtxDecorator", "PlainDecorator", "DeclareDecorator")
)
_LOW: Final = 20
"""mypy's priority of an import inside a function: real imports win where there is a circle."""

_SigContext = FunctionSigContext | MethodSigContext


class ScalrTasksPlugin(Plugin):
    """Checks task names in strings, their arguments, and their results."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._config = _config_of(options)
        self._sources = Sources()
        self._last: TaskTable | None = None

    # -- what depends on what ------------------------------------------------------------

    def get_additional_deps(self, file: MypyFile) -> list[tuple[int, str, int]]:
        """Make files that enqueue depend on the task modules, and each task module on those before it."""
        modules = self._config.tasks
        if file.fullname in modules:
            first = modules[: modules.index(file.fullname)]
            wanted = modules if self._enqueues(file.fullname, file.path) else first
        else:
            wanted = modules if self._enqueues(file.fullname, file.path) else ()
        return [(_LOW, module, -1) for module in wanted if module != file.fullname]

    def report_config_data(self, ctx: ReportConfigContext) -> Any:
        """Put names into the cache of task modules, and the config into that of files that enqueue."""
        if ctx.id in self._config.tasks:
            found = self._sources.tasks(ctx.path)
            return {
                "version": _VERSION,
                "config": self._config_data(),
                "tasks": [[each.task or "", each.symbol, each.decorator] for each in found],
            }
        if self._enqueues(ctx.id, ctx.path):
            return {"version": _VERSION, "config": self._config_data()}
        return None

    def _config_data(self) -> dict[str, Any]:
        versions = [_version_of(path) for path in self._config.manifests]
        return {"tasks": list(self._config.tasks), "manifests": versions, "literal": self._config.literal_names}

    @staticmethod
    def _enqueues(module: str, path: str) -> bool:
        """Tell whether a file may name a task; libraries do not, and ours would be made to import the user's."""
        if module.partition(".")[0] == "scalr_tasks" or "site-packages" in path or "typeshed" in path:
            return False
        try:
            return b"enqueue" in Path(path).read_bytes()
        except OSError:
            return False

    # -- hooks ---------------------------------------------------------------------------

    def get_function_signature_hook(self, fullname: str) -> Callable[[FunctionSigContext], CallableType] | None:
        """Check `enqueue("...")`."""
        return self._facade_call if fullname == f"{DEFAULT_MODULE}.{_ENQUEUE}" else None

    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], CallableType] | None:
        """Check `registry.enqueue("...")`."""
        return self._registry_call if fullname.endswith(f".{_ENQUEUE}") and self._is_set else None

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        """Look for a second task of one name."""
        return self._declared if fullname in _BARE_DECORATORS and self._is_set else None

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        """Look for a second task of one name."""
        return self._declared if fullname in _DECORATORS | _BARE_DECORATORS and self._is_set else None

    @property
    def _knows_tasks(self) -> bool:
        return bool(self._config.tasks or self._config.manifests)

    @property
    def _is_set(self) -> bool:
        return self._knows_tasks or self._config.literal_names

    def _facade_call(self, ctx: FunctionSigContext) -> CallableType:
        return self._check(ctx, DEFAULT_REGISTRY) if self._is_set else ctx.default_signature

    def _registry_call(self, ctx: MethodSigContext) -> CallableType:
        if not isinstance(ctx.type, Instance) or not ctx.type.type.has_base(_REGISTRY):
            return ctx.default_signature
        callee = ctx.context.callee if isinstance(ctx.context, CallExpr) else None
        owner = callee.expr if isinstance(callee, MemberExpr) else None
        return self._check(ctx, owner.fullname if isinstance(owner, RefExpr) else None)

    # -- one call ------------------------------------------------------------------------

    def _check(self, ctx: _SigContext, registry: str | None) -> CallableType:
        api = ctx.api
        assert isinstance(api, TypeChecker)
        given = ctx.args[0] if ctx.args else []
        if not given:
            return ctx.default_signature
        names = _literal(api, given[0])
        if not names:
            text = "Task name is not a literal string, so neither it nor the arguments can be checked"
            if self._config.literal_names:
                api.fail(text, given[0], code=NON_LITERAL_TASK)
            return ctx.default_signature
        found = [self._check_name(ctx, api, given[0], name, registry) for name in names]
        return found[0] if len(found) == 1 and found[0] is not None else ctx.default_signature

    def _check_name(
        self, ctx: _SigContext, api: TypeChecker, at: Expression, name: str, registry: str | None
    ) -> CallableType | None:
        table = self._table(api)
        for module in self._config.tasks:
            _depend(api, make_wildcard_trigger(module))
        same = table.named(name)
        is_known = registry in table.registries or registry == DEFAULT_REGISTRY
        here = [each for each in same if not is_known or each.registry in {registry, None}]
        if here:
            return self._typed(ctx, api, here[0], name) if len(here) == 1 else None
        for manifest in self._manifests():
            described = manifest.tasks.get(name)
            if described is not None:
                return _from_manifest(ctx, api, described)
        if (
            self._knows_tasks and not table.has_unreadable
        ):  # else a task whose name only the run time knows may be the one
            self._unknown(api, at, name, table)
        return None

    def _unknown(self, api: TypeChecker, at: Expression, name: str, table: TaskTable) -> None:
        for each in table.tasks:
            _depend(api, make_trigger(each.place))
        missing = [module for module in self._config.tasks if module not in api.modules]
        elsewhere = table.named(name)
        if missing:
            text = f'Unknown task "{name}"; task module "{missing[0]}" of [tool.scalr_tasks] cannot be found'
        elif elsewhere:
            text = f'Task "{name}" is not declared on this registry, but on "{elsewhere[0].registry}"'
        else:
            near = nearest(name, {*table.names, *(one for each in self._manifests() for one in each.tasks)})
            text = f'Unknown task "{name}"; did you mean "{near}"?' if near else f'Unknown task "{name}"'
        api.fail(text, at, code=UNKNOWN_TASK)

    def _typed(self, ctx: _SigContext, api: TypeChecker, task: KnownTask, name: str) -> CallableType | None:
        node = task.node()
        _depend(api, make_trigger(f"{task.module.fullname}.{task.written.symbol}"))
        handle = type_of(node)
        if handle is None:
            if isinstance(node, (Decorator, Var)) and _can_wait(api):
                api.handle_cannot_determine_type(name, ctx.context)
            return None
        base = as_task(handle)
        if base is None:
            return None
        parameters = get_proper_type(base.args[0])
        result = _job_of(ctx, base.args[1])
        if not isinstance(parameters, Parameters):
            return ctx.default_signature.copy_modified(ret_type=result)
        return ctx.default_signature.copy_modified(
            arg_types=[api.named_generic_type("builtins.str", []), *parameters.arg_types],
            arg_kinds=[ARG_POS, *parameters.arg_kinds],
            arg_names=[None, *parameters.arg_names],
            ret_type=result,
            name=f'{_ENQUEUE}("{name}")',
            definition=None,
        )

    # -- one declaration -----------------------------------------------------------------

    def _declared(self, ctx: FunctionContext | MethodContext) -> Type:
        api = ctx.api
        made = ctx.default_return_type
        if not isinstance(api, TypeChecker) or not isinstance(ctx.context, Decorator):
            return made
        module = api.tree
        if module.fullname not in self._config.tasks or as_task(made) is None:
            return made
        tasks = self._table(api).tasks
        for number, own in enumerate(tasks):
            if own.module is not module or own.node() is not ctx.context or own.written.task is None:
                continue
            for first in tasks[:number]:
                if first.written.task == own.written.task and first.registry == own.registry:
                    text = f'Two tasks are named "{own.written.task}"; the first is "{first.place}"'
                    api.fail(text, ctx.context, code=DUPLICATE_TASK)
            if self.options.fine_grained_incremental:
                return _with_name(api, made, own.written.task)
        return made

    # -- all tasks -----------------------------------------------------------------------

    def _table(self, api: TypeChecker) -> TaskTable:
        modules = [module for name in self._config.tasks if (module := api.modules.get(name)) is not None]
        sources = [(module, self._sources.tasks(module.path)) for module in modules]
        if self._last is None or not self._last.is_of(sources):
            self._last = TaskTable(sources)
        return self._last

    def _manifests(self) -> list[Manifest]:
        return [read_manifest(path) for path in self._config.manifests]


# -- mypy's own --------------------------------------------------------------------------


def _config_of(options: Options) -> CheckConfig:
    try:
        config = read_config(options.config_file)
        for path in config.manifests:
            read_manifest(path)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    return config


def _version_of(path: str) -> list[Any]:
    return [path, Path(path).stat().st_mtime_ns]


def _literal(api: TypeChecker, expression: Expression) -> list[str]:
    """Return the names that an expression can have; none where that is not known."""
    if isinstance(expression, StrExpr):
        return [expression.value]
    kind = get_proper_type(api.get_expression_type(expression))
    names = []
    for each in kind.items if isinstance(kind, UnionType) else [kind]:
        one = get_proper_type(each)
        if isinstance(one, Instance) and one.last_known_value is not None:
            one = one.last_known_value
        if not isinstance(one, LiteralType) or not isinstance(one.value, str):
            return []
        names.append(one.value)
    return names


def _job_of(ctx: _SigContext, result: Type) -> Type:
    """Return `Coroutine[Any, Any, Job[Any]]` of the signature with the result's own type in it."""
    coroutine = get_proper_type(ctx.default_signature.ret_type)
    if not isinstance(coroutine, Instance) or not coroutine.args:
        return coroutine
    job = get_proper_type(coroutine.args[-1])
    if not isinstance(job, Instance) or job.type.fullname != _JOB:
        return coroutine
    return coroutine.copy_modified(args=[*coroutine.args[:-1], job.copy_modified(args=[result])])


def _from_manifest(ctx: _SigContext, api: TypeChecker, task: ManifestTask) -> CallableType:
    types, kinds, names, result = task_signature(api, task)
    return ctx.default_signature.copy_modified(
        arg_types=[api.named_generic_type("builtins.str", []), *types],
        arg_kinds=[ARG_POS, *kinds],
        arg_names=[None, *names],
        ret_type=_job_of(ctx, result),
        name=f'{_ENQUEUE}("{task.name}")',
        definition=None,
    )


def _with_name(api: TypeChecker, handle: Type, name: str) -> Type:
    """Put a task's name into its handle's type: the daemon looks at nothing else to tell what has changed."""
    handle = get_proper_type(handle)
    if not isinstance(handle, Instance):
        return handle
    literal = LiteralType(name, api.named_generic_type("builtins.str", []))
    named = handle.copy_modified()
    named.extra_attrs = ExtraAttrs({"__scalr_task__": literal}, None)
    return named


def _depend(api: TypeChecker, trigger: str) -> None:
    """Let the daemon check what is being checked again when something changes."""
    api.tree.plugin_deps.setdefault(trigger, set()).add(api.tscope.current_target())


def _can_wait(api: TypeChecker) -> bool:
    return api.pass_num < api.last_pass and isinstance(api.scope.top_level_function(), FuncDef)


def plugin(version: str) -> type[Plugin]:  # noqa: ARG001  mypy's entry point
    """Return the plugin for mypy."""
    return ScalrTasksPlugin
