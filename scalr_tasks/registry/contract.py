"""The contract of an app's tasks: what its lock file says, and which changes break those who rely on it.

Three rely on it: jobs that are queued now, services that still have the old
code, and readers of results. A change is breaking where one of them would
fail. The document is pure data, the comparison a pure function.

Reads next: `schema_fits.py` for types, `schema_documents.py` for the same tasks as JSON Schema and AsyncAPI.
"""

import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema

from scalr_tasks.errors import DefinitionError, ModuleError
from scalr_tasks.names import nearest
from scalr_tasks.registry.app import App
from scalr_tasks.registry.arguments import TaskArguments
from scalr_tasks.registry.assemble import PendingArguments
from scalr_tasks.registry.declaration import Declaration
from scalr_tasks.registry.schema_fits import fits, same
from scalr_tasks.registry.signature import RETURN
from scalr_tasks.registry.type_text import written

LOCK_FILE: Final = "tasks.lock.json"
"""What `scalr-tasks lock` writes where nothing else is said."""

LOCK_VERSION: Final = 1
"""Of the document."""

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between a lock file and the code."""

    kind: Literal["breaking", "safe"]
    task: str
    text: str

    def __str__(self) -> str:
        """Return the change on one line."""
        return f"{self.kind}: {self.task}: {self.text}"


# -- the document ------------------------------------------------------------------------


def lock_document(apps: list[App]) -> dict[str, Any]:
    """Return what a lock file holds: name, version, arguments and result of every task.

        Path("tasks.lock.json").write_text(lock_text(lock_document([registry.app()])))

    Raises:
        DefinitionError: two registries have a task of one name, which one file cannot hold.
    """
    tasks: dict[str, Any] = {}
    for app in apps:
        for name, declaration in app.declarations.items():
            if name in tasks:
                raise DefinitionError(
                    "two registries declare a task of this name",
                    task=name,
                    where=declaration.where,
                    way_out="write a lock file for each: scalr-tasks lock MODULE:registry --out FILE",
                )
            tasks[name] = task_document(declaration)
    return {"lock": LOCK_VERSION, "tasks": dict(sorted(tasks.items()))}


def task_document(declaration: Declaration) -> dict[str, Any]:
    """Return one task of the document."""
    hints = hints_of(declaration)
    parameters = [
        {
            "name": each.name,
            "kind": each.kind.name.lower(),
            "required": each.default is inspect.Parameter.empty,
            "type": written(hints[each.name]).text,
            "schema": schema_of(hints[each.name]),
        }
        for each in declaration.parameters
    ]
    return {
        "version": declaration.version,
        "upgrades": sorted(declaration.upgrades),
        "parameters": parameters,
        "returns": written(hints[RETURN]).text,
        "result": schema_of(hints[RETURN], mode="serialization"),
    }


def hints_of(declaration: Declaration) -> Mapping[str, Any]:
    """Return the types of a task's parameters and, as `return`, of its result.

    Raises:
        DefinitionError: an annotation names something that is not there.
    """
    arguments = declaration.arguments
    if isinstance(arguments, PendingArguments):
        arguments = arguments.wire.resolve().arguments
    assert isinstance(arguments, TaskArguments)
    assert arguments.shape.hints is not None
    return arguments.shape.hints


def schema_of(hint: Any, *, mode: Literal["validation", "serialization"] = "validation") -> dict[str, Any]:
    """Return the JSON Schema of a type; one that accepts anything where pydantic knows none.

    >>> schema_of(int)
    {'type': 'integer'}
    """
    try:
        return TypeAdapter(hint).json_schema(mode=mode, schema_generator=_Base64)
    except PydanticInvalidForJsonSchema:
        return {}


class _Base64(GenerateJsonSchema):
    """Writes bytes as what our wire makes of them."""

    def bytes_schema(self, schema: Any) -> dict[str, Any]:
        found = super().bytes_schema(schema)
        return {**found, "format": "base64"}


def lock_text(document: Document) -> str:
    """Return the document as the file holds it: the same text for the same tasks."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def read_lock(path: Path) -> Document:
    """Read a lock file.

    Raises:
        ModuleError: there is no such file, or it is no lock file that this version reads.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise ModuleError(str(path), "there is no such file", way_out="write it: scalr-tasks lock MODULE") from None
    except ValueError:
        raise ModuleError(str(path), "is no JSON", way_out="write it anew: scalr-tasks lock MODULE") from None
    if not isinstance(document, dict) or document.get("lock") != LOCK_VERSION:
        raise ModuleError(
            str(path), "is no lock file of this version", way_out="write it anew: scalr-tasks lock MODULE"
        )
    return document


# -- the comparison ----------------------------------------------------------------------


def compare(old: Document, new: Document) -> list[Change]:
    """Return what is different in the new document, by task.

    changes = compare(read_lock(path), lock_document([registry.app()]))
    """
    found: list[Change] = []
    before, after = old["tasks"], new["tasks"]
    for name in before:
        if name not in after:
            near = nearest(name, set(after) - set(before))
            hint = f"; was it renamed to {near!r}?" if near else ""
            found.append(Change("breaking", name, f"the task is gone{hint}"))
        else:
            found += _task_changes(name, before[name], after[name])
    found += [Change("safe", name, "a new task") for name in after if name not in before]
    return found


def _task_changes(name: str, old: Document, new: Document) -> Iterator[Change]:
    if new["version"] < old["version"]:
        text = f"version {old['version']} became {new['version']}: queued jobs of the newer one would be parked"
        yield Change("breaking", name, text)
    elif new["version"] > old["version"]:
        yield Change("safe", name, f"version {old['version']} became {new['version']}")
    migrated = new["version"] > old["version"] and old["version"] in new["upgrades"]
    for change in _argument_changes(name, old["parameters"], new["parameters"]):
        if change.kind == "breaking" and migrated:
            yield Change("safe", name, f"{change.text}; upgrade(from_version={old['version']}) migrates it")
        else:
            yield change
    if not same(old["result"], new["result"]):
        yield Change("breaking", name, f"the result was {old['returns']} and is {new['returns']}")


def _argument_changes(name: str, old: list[Document], new: list[Document]) -> Iterator[Change]:
    before, after = _named(old), _named(new)
    rest = next((each for each in new if each["kind"] == _REST), None)
    gone = [each for each in before.values() if each["name"] not in after]
    added = [each for each in after.values() if each["name"] not in before]
    for each in gone:
        renamed = _renamed(each, added)
        if rest is not None and fits(each["schema"], rest["schema"]):
            yield Change("safe", name, f"argument {each['name']!r} is taken by **{rest['name']} now")
        elif renamed is not None:
            yield Change("breaking", name, f"argument {each['name']!r} was renamed to {renamed['name']!r}")
            added.remove(renamed)
        else:
            yield Change("breaking", name, f"argument {each['name']!r} is gone")
    for each in added:
        kind: Literal["breaking", "safe"] = "breaking" if each["required"] else "safe"
        yield Change(kind, name, f"a new {'required ' if each['required'] else 'optional '}argument {each['name']!r}")
    for key, was in before.items():
        if key in after:
            yield from _one_argument(name, was, after[key])
    if rest is None and any(each["kind"] == _REST for each in old):
        yield Change("breaking", name, "further arguments are not taken any more")


_REST: Final = "var_keyword"


def _named(parameters: list[Document]) -> dict[str, Document]:
    return {each["name"]: each for each in parameters if each["kind"] != _REST}


def _renamed(gone: Document, added: list[Document]) -> Document | None:
    """Return the new argument that the old one became: the nearest name, or the only one, of the same type."""
    alike = {each["name"]: each for each in added if same(gone["schema"], each["schema"])}
    near = nearest(gone["name"], alike)
    if near is not None:
        return alike[near]
    return next(iter(alike.values())) if len(alike) == 1 and len(added) == 1 else None


def _one_argument(name: str, old: Document, new: Document) -> Iterator[Change]:
    what = f"argument {old['name']!r}"
    if new["required"] and not old["required"]:
        yield Change("breaking", name, f"{what} has no default any more")
    elif old["required"] and not new["required"]:
        yield Change("safe", name, f"{what} has a default now")
    if not fits(old["schema"], new["schema"]):
        verb = "narrowed" if fits(new["schema"], old["schema"]) else "changed"
        yield Change("breaking", name, f"{what} was {verb} from {old['type']} to {new['type']}")
    elif not fits(new["schema"], old["schema"]):
        yield Change("safe", name, f"{what} was widened from {old['type']} to {new['type']}")
