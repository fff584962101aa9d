"""pydantic-core schemas of type hints, and the config that both ends of the wire share.

A hint's schema comes from pydantic's public `TypeAdapter`. It is kept, because
two hundred tasks use a dozen types between them. Validators and serializers are
built from these schemas here, with one config: a `TypeAdapter`'s own serializer
would write bytes as text and its validator read them as base64.

Reads next: `arguments.py`, `results.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic_core import SchemaSerializer, SchemaValidator
from pydantic_core.core_schema import CoreConfig, CoreSchema

from scalr_tasks.registry.wire_types import Schema, Survey, survey


@dataclass(frozen=True, slots=True)
class Piece:
    """The schema of one hint."""

    schema: Schema
    definitions: Mapping[str, Schema]
    """Types that hold themselves, by the name that `schema` uses."""
    survey: Survey
    """What happens to its values on the wire."""


def piece_of(hint: Any) -> Piece:
    """Return the schema of a hint.

    Raises:
        PydanticSchemaGenerationError: pydantic knows no schema for it.
        PydanticUserError: it is a type that pydantic refuses, or a model that is not fully defined yet.
        NameError: a name inside it cannot be resolved yet.
    """
    if isinstance(hint, type):
        return _kept(hint, "")
    # Equal is not the same: `int | str` equals `str | int`, and pydantic tries them in order.
    if _is_hashable(hint):
        return _kept(hint, repr(hint))
    return _made(hint)


def _is_hashable(hint: Any) -> bool:
    try:
        hash(hint)
    except TypeError:  # Annotated[int, Field(...)]: the metadata cannot be hashed
        return False
    return True


def _made(hint: Any, _written: str = "") -> Piece:
    schema: Schema = cast("Any", TypeAdapter(hint).core_schema)  # one of fifty kinds of TypedDict
    definitions: dict[str, Schema] = {}
    if schema["type"] == "definitions":
        definitions = {each["ref"]: each for each in schema["definitions"]}
        schema = schema["schema"]
    return Piece(schema, definitions, survey(schema, definitions))


_kept = lru_cache(maxsize=1024)(_made)


def config(title: str, *, strict: bool) -> CoreConfig:
    """Return the config of one task's validators and serializers."""
    return CoreConfig(
        title=title,
        strict=strict,
        extra_fields_behavior="forbid",
        ser_json_bytes="base64",
        val_json_bytes="base64",
        ser_json_inf_nan="constants",
        hide_input_in_errors=True,
    )


@dataclass(frozen=True, slots=True)
class Machine:
    """A validator and a serializer of one schema."""

    validator: SchemaValidator
    serializer: SchemaSerializer


def machine(schema: Schema, definitions: Mapping[str, Schema], core: CoreConfig, *, typed_dicts: bool) -> Machine:
    """Build both ends of the wire for one schema.

    Args:
        schema: the schema.
        definitions: types that hold themselves.
        core: the config of both.
        typed_dicts: whether there is a TypedDict in it.
    """
    whole: dict[str, Any] = dict(schema)
    if definitions:
        whole = {"type": "definitions", "schema": whole, "definitions": list(definitions.values())}
    if typed_dicts:
        whole = _configured(whole, core)
    finished = cast("CoreSchema", whole)
    return Machine(SchemaValidator(finished, core), SchemaSerializer(finished, core))


def _configured(part: Any, core: CoreConfig) -> Any:
    """Give each TypedDict the config, under its own: unlike a list, it does not take it from what it stands in."""
    if isinstance(part, dict):
        copy = {
            key: value if key in {"metadata", "default"} else _configured(value, core) for key, value in part.items()
        }
        if copy.get("type") == "typed-dict":
            own = copy.get("config", {})
            copy["config"] = {**core, **own}
            if "extra_fields_behavior" not in own and copy.get("extra_behavior", "ignore") == "ignore":
                copy["extra_behavior"] = "forbid"  # a key that nobody declared would be dropped without a word
        return copy
    if isinstance(part, (list, tuple)):
        return type(part)(_configured(each, core) for each in part)
    return part
