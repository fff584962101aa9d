"""Which types survive the wire: a walk over a parameter's pydantic-core schema.

A type is refused where a value that passes the enqueue would reach the worker
as something else, or not at all. The walk reads the schema as JSON is read:
of a `json-or-python` node it takes the JSON side. What it says was measured
type by type, see `tests/unit/registry/test_wire_matrix.py`.

Reads next: `unions.py` for types that read the same JSON, `schemas.py` for
where the schemas come from.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import Secret, SecretBytes, SecretStr

from scalr_tasks.registry.unions import clash

Schema = Mapping[str, Any]

JSON_VALUE_ERROR: Final = "invalid-json-value"
"""pydantic marks the schema of `JsonValue` with it."""

_SECRETS: Final = (SecretStr, SecretBytes, Secret)

_EXACT: Final = frozenset(
    {
        "none", "bool", "int", "float", "str", "bytes", "date", "time", "timedelta", "decimal", "uuid",
        "literal", "enum", "list", "tuple", "set", "frozenset", "deque", "dict", "nullable", "union", "definition-ref",
        "complex",
    }
)  # fmt: skip
"""What the validator looks at whole, so that nothing it lets through fails on the worker."""

_NO_JSON: Final = {
    "callable": "a callable has no JSON form",
    "is-subclass": "a class has no JSON form",
    "is-instance": "its values have no JSON form",
    "generator": "an iterator reaches the worker as pydantic's own iterator",
    "json": "pydantic.Json reads back only text, and what is written is the value",
    "arguments": "a call has no JSON form",
}
_WAYS_OUT: Final = {
    "callable": "pass a name, and look the function up in the task",
    "is-subclass": "pass a name, and look the class up in the task",
    "is-instance": "use a pydantic model or a dataclass",
    "generator": "use list[...]",
    "json": "declare the type inside Json[...] itself",
    "arguments": "pass the values",
}

_KEYS: Final = frozenset(
    {"str", "int", "float", "bool", "bytes", "date", "time", "datetime", "timedelta", "decimal", "uuid"}
)
"""Types whose values come back from the key of a JSON object."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a type cannot travel, and what to use instead."""

    problem: str
    way_out: str


@dataclass(slots=True)
class Survey:
    """What the walk found out about one or more schemas."""

    refusals: list[Refusal] = field(default_factory=list)
    loose: bool = False
    """`Any` or `object` somewhere inside: what is read back is whatever JSON makes of it."""
    exact: bool = True
    """The validator sees every part of every value, so that what it lets through can be read back."""
    bottomless: bool = False
    """Values may nest without a bound that the type gives."""
    has_maps: bool = False
    typed_dicts: bool = False
    names: set[str] = field(default_factory=set)
    """Names of fields, which error texts may show; keys of a dict are values, and are not among them."""

    def refuse(self, problem: str, way_out: str) -> None:
        """Add a refusal, once."""
        refusal = Refusal(problem, way_out)
        if refusal not in self.refusals:
            self.refusals.append(refusal)

    def join(self, other: "Survey") -> None:
        """Add what another walk found out, but for its refusals."""
        self.loose |= other.loose
        self.exact &= other.exact
        self.bottomless |= other.bottomless
        self.has_maps |= other.has_maps
        self.typed_dicts |= other.typed_dicts
        self.names |= other.names


def survey(schema: Schema, definitions: Mapping[str, Schema]) -> Survey:
    """Walk one schema and tell what would happen to its values on the wire."""
    found = Survey()
    if _holds_secret(schema) or any(_holds_secret(each) for each in definitions.values()):
        found.refuse("a secret reaches the worker as '**********'", "pass an id, and read the secret in the task")
    _Walk(found, definitions).visit(schema)
    return found


class _Walk:
    def __init__(self, found: Survey, definitions: Mapping[str, Schema]) -> None:
        self.found = found
        self.definitions = definitions
        self.entered: set[str] = set()

    def visit(self, schema: Schema) -> None:
        kind = schema["type"]
        if kind not in _EXACT:
            self.found.exact = False
        if kind in _NO_JSON:
            self.found.refuse(_NO_JSON[kind], _WAYS_OUT[kind])
            return
        visitor = getattr(self, "visit_" + kind.replace("-", "_"), None)
        if visitor is not None:
            visitor(schema)
            return
        for child in children(schema):
            self.visit(child)

    # -- wrappers ------------------------------------------------------------------------

    def visit_definitions(self, schema: Schema) -> None:
        self.visit(schema["schema"])

    def visit_definition_ref(self, schema: Schema) -> None:
        name = schema["schema_ref"]
        if name in self.entered:
            self.found.bottomless = True
            return
        self.entered.add(name)
        self.visit(self.definitions[name])
        self.entered.discard(name)

    def visit_json_or_python(self, schema: Schema) -> None:
        if schema["python_schema"].get("custom_error_type") == JSON_VALUE_ERROR:
            self.found.bottomless = self.found.has_maps = True
            return
        self.visit(schema["json_schema"])

    def visit_lax_or_strict(self, schema: Schema) -> None:
        self.visit(schema["strict_schema"])

    def visit_chain(self, schema: Schema) -> None:
        self.visit(schema["steps"][0])

    def visit_any(self, _schema: Schema) -> None:
        self.found.loose = self.found.bottomless = self.found.has_maps = True

    # -- containers ----------------------------------------------------------------------

    def visit_dict(self, schema: Schema) -> None:
        self.found.has_maps = True
        key = schema.get("keys_schema")
        if key is not None:
            problem = self._key_problem(key)
            if problem:
                self.found.refuse(problem, "use text, a number, a date or a UUID as the key, or a list of pairs")
            self.visit(key)
        for name in ("values_schema", "extras_schema"):
            if name in schema:
                self.visit(schema[name])

    visit_ordered_dict = visit_frozendict = visit_counter = visit_dict

    def visit_union(self, schema: Schema) -> None:
        problem = clash(schema, self.definitions)
        if problem:
            self.found.refuse(*problem)
        for child in children(schema):
            self.visit(child)

    # -- classes -------------------------------------------------------------------------

    def visit_model(self, schema: Schema) -> None:
        self.visit(schema["schema"])

    visit_dataclass = visit_model

    def visit_model_fields(self, schema: Schema) -> None:
        self._fields(schema["fields"].items())
        if "extras_schema" in schema:
            self.visit(schema["extras_schema"])

    def visit_typed_dict(self, schema: Schema) -> None:
        self.found.typed_dicts = True
        self.visit_model_fields(schema)

    def visit_dataclass_args(self, schema: Schema) -> None:
        for each in schema["fields"]:
            if each.get("init_only"):
                self.found.refuse(
                    f"field {each['name']!r} of {schema['dataclass_name']} is an InitVar, which is not written",
                    "make it a field",
                )
        self._fields((each["name"], each) for each in schema["fields"])

    def _fields(self, fields: Any) -> None:
        for name, each in fields:
            self.found.names.add(name)
            self._check_field(name, each)
            self.visit(each["schema"])

    def _check_field(self, name: str, each: Schema) -> None:
        if each.get("serialization_exclude"):
            self.found.refuse(f"field {name!r} is excluded from JSON and would be lost", "remove exclude=True")
        written = each.get("serialization_alias", name)
        read = each.get("validation_alias")
        if read is None:
            readable = {name}
        elif isinstance(read, str):
            readable = {read}
        else:
            readable = {path[0] for path in read if len(path) == 1} if isinstance(read[0], list) else set(read[:1])
        self.found.names.update(map(str, readable))
        if written not in readable:
            self.found.refuse(
                f"field {name!r} is written as {written!r} and read as {' or '.join(map(repr, sorted(readable)))}",
                "give it one alias for both ways: Field(alias=...)",
            )

    def _key_problem(self, key: Schema) -> str | None:
        kinds = list(self._leaves(key))
        for leaf in kinds:
            kind = leaf["type"]
            if kind in {"literal", "enum"}:
                values = leaf["expected"] if kind == "literal" else [each.value for each in leaf["members"]]
                if leaf.get("sub_type") not in {"int", "str"} and not all(isinstance(value, str) for value in values):
                    return "keys of a JSON object are text, and these do not come back from it"
            elif kind not in _KEYS and kind not in {"any", "url", "multi-host-url", "function-plain"}:
                return "keys of a JSON object are text, and these do not come back from it"
        if len(kinds) > 1:
            return "keys of several types are all text in JSON"
        return None

    def _leaves(self, schema: Schema) -> Iterator[Schema]:
        match schema["type"]:
            case "union":
                for choice in children(schema):
                    yield from self._leaves(choice)
            case "definition-ref":
                yield from self._leaves(self.definitions[schema["schema_ref"]])
            case "json-or-python":
                yield from self._leaves(schema["json_schema"])
            case "lax-or-strict":
                yield from self._leaves(schema["strict_schema"])
            case "function-after" | "function-before" | "function-wrap" | "custom-error" | "default":
                yield from self._leaves(schema["schema"])
            case _:
                yield schema


_ONE: Final = ("schema", "values_schema", "extras_schema", "return_schema")


def children(schema: Schema) -> Iterator[Schema]:
    """Yield the schemas directly inside one that holds nothing but schemas."""
    for name in _ONE:
        child = schema.get(name)
        if child is not None:
            yield child
    items = schema.get("items_schema")
    if items is not None:
        yield from items if isinstance(items, (list, tuple)) else (items,)
    choices = schema.get("choices")
    if choices is not None:
        for choice in choices.values() if isinstance(choices, Mapping) else choices:
            yield choice[0] if isinstance(choice, tuple) else choice
    if schema["type"] == "call":
        yield schema["arguments_schema"]
    if schema["type"] == "named-tuple":
        yield from (each["schema"] for each in schema["fields"])


def _holds_secret(part: Any) -> bool:
    """Look everywhere: pydantic's secrets are ordinary functions over ordinary text in a schema."""
    if isinstance(part, Mapping):
        return any(_holds_secret(value) for key, value in part.items() if key not in {"metadata", "config"})
    if isinstance(part, (list, tuple)):
        return any(_holds_secret(each) for each in part)
    if isinstance(part, type):
        return issubclass(part, _SECRETS)
    return getattr(part, "__module__", "") == "pydantic.types" and "secret" in getattr(part, "__name__", "")
