"""From `MODULE[:registry]` to a Registry: the only place that imports a user's modules."""

import importlib
import inspect
import pkgutil
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

from scalr_tasks.errors import ModuleError, ScalrTasksError
from scalr_tasks.integrations.scalr_queue import adopt
from scalr_tasks.names import did_you_mean, nearest
from scalr_tasks.registry.registry import Registry, default_registry
from scalr_tasks.registry.task import Task

_LIKELY: Final = ("tasks", "worker", "jobs")
"""What a module with tasks is often called."""


def load_registries(targets: Sequence[str]) -> list[Registry]:
    """Import modules and return their registries, each once.

    The current folder comes first on `sys.path`, as with `python -m`.

    Raises:
        ModuleError: a module cannot be imported, or gives no registry or several.
        DefinitionError: a declaration in it cannot work.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return list(dict.fromkeys(load_registry(target) for target in targets))


def load_registry(target: str) -> Registry:
    """Import `MODULE[:registry]` and return the registry that it names or holds."""
    name, colon, attribute = target.partition(":")
    module = _import(name)
    if colon:
        return _named(module, attribute)
    found = {id(value): value for value in vars(module).values() if isinstance(value, Registry)}
    found.pop(id(default_registry), None)
    if len(found) > 1:
        names = [key for key, value in vars(module).items() if isinstance(value, Registry)]
        raise ModuleError(
            name,
            f"holds several registries: {', '.join(sorted(names))}",
            way_out=f"say which: {name}:{min(names)}",
        )
    registry = next(iter(found.values()), default_registry)
    _adopt_list(module, registry)
    if not registry.tasks:
        raise ModuleError(name, "declares no task", way_out=_hint_for_empty(module))
    return registry


def _adopt_list(module: ModuleType, registry: Registry) -> None:
    """Declare the plain functions of an old `tasks = [...]` list."""
    listed = getattr(module, "tasks", None)
    if not isinstance(listed, (list, tuple)) or (registry.tasks and not all(map(_may_be_task, listed))):
        return  # something else of that name
    if not listed and not registry.tasks:
        raise ModuleError(module.__name__, "its list of tasks is empty", way_out="put @task over a function in it")
    adopt(listed, registry)


def _may_be_task(listed: object) -> bool:
    return inspect.isroutine(listed) or isinstance(listed, Task)


def _named(module: ModuleType, attribute: str) -> Registry:
    value = getattr(module, attribute, None)
    if isinstance(value, Registry):
        return value
    known = [key for key, one in vars(module).items() if isinstance(one, Registry)]
    hint = did_you_mean(attribute, known) or "it holds no registry"
    raise ModuleError(f"{module.__name__}:{attribute}", "is no Registry", way_out=hint)


def _import(name: str) -> ModuleType:
    if name.endswith(".py") or "/" in name or name.startswith("."):
        dotted = name.removesuffix(".py").strip("./").replace("/", ".")
        raise ModuleError(name, "is a file's name, not a module's", way_out=f"did you mean {dotted!r}?")
    try:
        return importlib.import_module(name)
    except ScalrTasksError:
        raise
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(missing + "."):
            near = _nearest_module(name, missing)
            way_out = f"did you mean {near!r}?" if near else f"looked in {Path.cwd()} and the installed packages"
            raise ModuleError(name, "there is no such module", way_out=way_out) from None
        raise _broken(name, error) from error
    except Exception as error:
        raise _broken(name, error) from error
    except SystemExit as error:
        raise ModuleError(name, "ends the process while it is imported", way_out="see it with --debug") from error


def _broken(name: str, error: Exception) -> ModuleError:
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError):
        where = f"{error.filename}:{error.lineno}"
    else:
        own = [frame for frame in frames if not frame.filename.startswith("<") and frame.filename != __file__]
        where = f"{own[-1].filename}:{own[-1].lineno}" if own else ""
    text = str(error).splitlines()[0] if str(error) else ""
    problem = (
        f"cannot be imported: {type(error).__name__}: {text}" if text else f"cannot be imported: {type(error).__name__}"
    )
    return ModuleError(
        name, f"{problem} at {where}" if where else problem, way_out="the traceback is shown with --debug"
    )


def _nearest_module(name: str, missing: str) -> str | None:
    """Return the module of the same folder whose name is nearest to the part that is missing."""
    parent, _, leaf = missing.rpartition(".")
    try:
        paths = importlib.import_module(parent).__path__ if parent else [str(Path.cwd())]
    except (ImportError, AttributeError):
        return None
    near = nearest(leaf, [module.name for module in pkgutil.iter_modules(list(paths))])
    if near is None:
        return None
    rest = name.removeprefix(missing)
    return f"{parent}.{near}{rest}" if parent else f"{near}{rest}"


def _hint_for_empty(module: ModuleType) -> str:
    children = [child.name for child in pkgutil.iter_modules(getattr(module, "__path__", []))]
    siblings = _siblings(module)
    for base, names in ((module.__name__, children), (module.__name__.rpartition(".")[0], siblings)):
        for likely in _LIKELY:
            full = f"{base}.{likely}" if base else likely
            if likely in names and full != module.__name__:
                return f"did you mean {full!r}?"
    return "put @task over a function in it, or name the module that does"


def _siblings(module: ModuleType) -> list[str]:
    if module.__file__ is None:
        return []
    folder = Path(module.__file__).parent
    if hasattr(module, "__path__"):
        folder = folder.parent
    return [child.name for child in pkgutil.iter_modules([str(folder)])]
