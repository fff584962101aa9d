"""Every task as JSON Schema, and the app as an AsyncAPI 3 document: for readers outside Python.

Reads next: `contract.py`, whose lock file is made of the same schemas.
"""

from collections.abc import Mapping
from importlib.metadata import version
from inspect import Parameter
from typing import Any, Final

from scalr_tasks.registry.app import App
from scalr_tasks.registry.contract import hints_of, schema_of
from scalr_tasks.registry.declaration import Declaration
from scalr_tasks.registry.signature import RETURN

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_DEFS: Final = "#/$defs/"


def schema_document(app: App) -> dict[str, Any]:
    """Return the JSON Schema of every task's arguments and result, by the task's name.

    schema_document(registry.app())["tasks"]["send_invoice_email"]["arguments"]
    """
    tasks = {
        name: {
            "version": one.version,
            "queue": one.queue,
            "description": one.doc,
            "arguments": arguments_schema(one),
            "result": schema_of(hints_of(one)[RETURN], mode="serialization"),
        }
        for name, one in app.declarations.items()
    }
    return {"$schema": DIALECT, "registry": app.name, "tasks": tasks}


def arguments_schema(declaration: Declaration) -> dict[str, Any]:
    """Return the JSON Schema of the second line of a job: one object of all arguments."""
    hints = hints_of(declaration)
    properties: dict[str, Any] = {}
    required: list[str] = []
    rest: Any = False
    for each in declaration.parameters:
        schema = _moved(schema_of(hints[each.name]), each.name)
        if each.kind is Parameter.VAR_KEYWORD:
            rest = schema
            continue
        properties[each.name] = schema
        if each.default is Parameter.empty:
            required.append(each.name)
    document: dict[str, Any] = {"title": declaration.name, "type": "object", "properties": properties}
    if required:
        document["required"] = required
    definitions = {
        key: part
        for schema in [*properties.values(), rest]
        if isinstance(schema, dict)
        for key, part in schema.pop("$defs", {}).items()
    }
    document["additionalProperties"] = rest
    if definitions:
        document["$defs"] = definitions
    return document


def asyncapi_document(app: App) -> dict[str, Any]:
    """Return an AsyncAPI 3.0 document: a channel for each queue, a message for each task.

    Path("asyncapi.json").write_text(json.dumps(asyncapi_document(registry.app())))
    """
    channels: dict[str, Any] = {
        name: {"address": queue.key, "messages": {}, "description": "The jobs of one queue, in Redis."}
        for name, queue in app.queues.items()
    }
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for name, one in app.declarations.items():
        result = schema_of(hints_of(one)[RETURN], mode="serialization")
        messages[name] = {
            "name": name,
            "contentType": "application/json",
            "description": one.doc,
            "payload": _component(arguments_schema(one), name, schemas),
            "x-task-version": one.version,
            "x-result": _component(result, f"{name}.result", schemas),
        }
        channels[one.queue]["messages"][name] = {"$ref": f"#/components/messages/{name}"}
        channel = f"#/channels/{one.queue}"
        operations[name] = {
            "action": "receive",
            "channel": {"$ref": channel},
            "messages": [{"$ref": f"{channel}/messages/{name}"}],
        }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": app.name, "version": version("scalr-tasks")},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }


def _moved(schema: Mapping[str, Any], parameter: str) -> dict[str, Any]:
    """Give the definitions of one parameter names of their own: two classes may be called alike."""
    definitions = schema.get("$defs", {})
    names = {f"{_DEFS}{key}": f"{_DEFS}{parameter}.{key}" for key in definitions}
    moved: dict[str, Any] = _renamed({key: value for key, value in schema.items() if key != "$defs"}, names)
    if definitions:
        moved["$defs"] = {f"{parameter}.{key}": _renamed(value, names) for key, value in definitions.items()}
    return moved


def _component(schema: dict[str, Any], name: str, shared: dict[str, Any]) -> dict[str, Any]:
    """Move definitions to where AsyncAPI looks for them: its references begin at the whole document."""
    definitions = schema.pop("$defs", {})
    names = {f"{_DEFS}{key}": f"#/components/schemas/{name}.{key}" for key in definitions}
    shared.update({f"{name}.{key}": _renamed(value, names) for key, value in definitions.items()})
    moved: dict[str, Any] = _renamed(schema, names)
    return moved


def _renamed(part: Any, names: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {
            key: names.get(value, value) if key == "$ref" else _renamed(value, names) for key, value in part.items()
        }
    return [_renamed(each, names) for each in part] if isinstance(part, list) else part
