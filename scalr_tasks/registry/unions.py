"""Unions whose members write the same JSON, so that the reader cannot tell which one it was.

`datetime | str` is the well-known one: a text that looks like a date comes
back as a date. What is told apart here was measured pair by pair.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from itertools import combinations
from typing import Any, Final

Schema = Mapping[str, Any]

_TEXTS: Final = frozenset(
    {"bytes", "date", "time", "datetime", "timedelta", "decimal", "uuid", "complex", "url", "multi-host-url"}
)
_NUMBERS: Final = frozenset({"int", "float"})
_ARRAYS: Final = frozenset({"list", "tuple", "set", "frozenset", "deque", "named-tuple", "call"})
_MAPS: Final = frozenset({"dict", "ordered-dict", "frozendict", "counter"})
_CLASSES: Final = frozenset({"model", "dataclass", "typed-dict"})

_SAME_TEXT: Final = frozenset(
    frozenset(pair)
    for pair in (
        ("decimal", "date"), ("decimal", "datetime"), ("decimal", "time"), ("decimal", "timedelta"),
        ("time", "timedelta"), ("url", "multi-host-url"),
    )
)  # fmt: skip
"""Pairs of types with a text of their own that nevertheless read each other's."""

_APART: Final = frozenset(
    frozenset(pair) for pair in ((IPv4Address, IPv6Address), (IPv4Network, IPv6Network), (IPv4Interface, IPv6Interface))
)


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a union, as JSON shows it."""

    kind: str
    """Type of the schema; `opaque` where functions decide what is read."""
    schema: Schema
    function: Any = None

    @property
    def label(self) -> str:
        """What an error calls it."""
        cls = self.schema.get("cls") or self.function
        if isinstance(cls, type):
            return cls.__name__
        if self.kind == "literal":
            return "Literal[...]"
        return {"none": "None", "decimal": "Decimal", "uuid": "UUID", "opaque": "a type of its own"}.get(
            self.kind, self.kind
        )


def clash(schema: Schema, definitions: Mapping[str, Schema]) -> tuple[str, str] | None:
    """Tell which two members of a union JSON cannot tell apart, and the way out."""
    members = list(_members(schema, definitions))
    for one, other in combinations(members, 2):
        if _clash(one, other, definitions):
            return (
                f"{one.label} and {other.label} look the same in JSON, so a value of one may come back as the other",
                "use one of them, or models with a discriminator",
            )
    return None


_THROUGH: Final = {
    "nullable": "schema",
    "default": "schema",
    "custom-error": "schema",
    "definitions": "schema",
    "json-or-python": "json_schema",
    "lax-or-strict": "strict_schema",
}
_FUNCTIONS: Final = frozenset({"function-before", "function-after", "function-wrap"})


def _members(schema: Schema, definitions: Mapping[str, Schema], *, made: bool = False) -> Iterator[Member]:
    """Yield the members of a union, flat; `made` where a serializer makes the JSON, so that the value is no `str`."""
    kind = schema["type"]
    made = made or "serialization" in schema
    if kind == "union":
        for choice in schema["choices"]:
            yield from _members(choice[0] if isinstance(choice, tuple) else choice, definitions, made=made)
    elif kind == "definition-ref":
        yield from _members(definitions[schema["schema_ref"]], definitions, made=made)
    elif kind in _THROUGH or (kind in _FUNCTIONS and not made):
        yield from _members(schema[_THROUGH.get(kind, "schema")], definitions, made=made)
    elif kind in _FUNCTIONS:
        yield Member("opaque", schema, schema["function"]["function"])
    elif kind == "function-plain" or (made and kind == "str"):
        yield Member("opaque", schema)
    else:
        yield Member(kind, schema)


def _clash(one: Member, other: Member, definitions: Mapping[str, Schema]) -> bool:
    kinds = {one.kind, other.kind}
    if "none" in kinds or "any" in kinds:
        return False
    if "opaque" in kinds:
        return _opaque_clash(one, other)
    if kinds & {"enum", "literal"}:
        return _values_clash(one, other)
    if kinds <= _TEXTS | {"str"}:
        return _texts_clash(kinds)
    if kinds <= _ARRAYS:
        return _arrays_clash(one, other, definitions)
    if kinds <= _MAPS | _CLASSES:
        return _objects_clash(one, other, definitions)
    return False


def _opaque_clash(one: Member, other: Member) -> bool:
    if frozenset((one.function, other.function)) in _APART:
        return False
    plain = one if other.kind == "opaque" else other
    if plain.kind in {"enum", "literal"}:
        return any(isinstance(value, str) for value in _values(plain))
    return plain.kind in _TEXTS | {"str", "opaque"}


def _texts_clash(kinds: set[str]) -> bool:
    if len(kinds) == 1:
        return False
    return bool(kinds & {"str", "bytes", "complex"}) or frozenset(kinds) in _SAME_TEXT


def _values(member: Member) -> list[Any]:
    if member.kind == "enum":
        return [each.value for each in member.schema["members"]]
    return [each.value if isinstance(each, Enum) else each for each in member.schema["expected"]]


def _values_clash(one: Member, other: Member) -> bool:
    if other.kind in {"enum", "literal"} and one.kind not in {"enum", "literal"}:
        one, other = other, one
    values = _values(one)
    if other.kind in {"enum", "literal"}:
        return not (one.kind == other.kind == "literal") and any(value in _values(other) for value in values)
    texts = any(isinstance(value, str) for value in values)
    numbers = any(isinstance(value, (int, float)) for value in values)
    if one.kind == "literal" and not any(isinstance(each, Enum) for each in one.schema["expected"]):
        # A text that no date and no UUID looks like is the usual "auto" | datetime.
        return (texts and other.kind in {"bytes", "complex", "decimal"}) or (
            numbers and other.kind in {"bool", "float"}
        )
    return (texts and other.kind in _TEXTS | {"str"}) or (numbers and other.kind in _NUMBERS | {"bool", "decimal"})


def _arrays_clash(one: Member, other: Member, definitions: Mapping[str, Schema]) -> bool:
    if one.kind != other.kind or one.kind in {"named-tuple", "call"}:
        return True
    mine, theirs = one.schema.get("items_schema"), other.schema.get("items_schema")
    if mine is None or theirs is None:
        return False
    mine = mine if isinstance(mine, (list, tuple)) else [mine]
    theirs = theirs if isinstance(theirs, (list, tuple)) else [theirs]
    return any(_nested_clash(a, b, definitions) for a in mine for b in theirs)


def _nested_clash(one: Schema, other: Schema, definitions: Mapping[str, Schema]) -> bool:
    if "definition-ref" in {one["type"], other["type"]}:
        return False  # a type that holds itself: its own unions were looked at where it is defined
    return any(_clash(a, b, definitions) for a in _members(one, definitions) for b in _members(other, definitions))


def _objects_clash(one: Member, other: Member, definitions: Mapping[str, Schema]) -> bool:
    if one.kind in _MAPS and other.kind in _MAPS:
        pairs = ("keys_schema", "values_schema")
        return one.kind != other.kind or any(
            _nested_clash(one.schema[name], other.schema[name], definitions)
            for name in pairs
            if name in one.schema and name in other.schema
        )
    if one.kind in _MAPS or other.kind in _MAPS:
        return True
    if one.schema.get("cls") is other.schema.get("cls"):
        return False
    return not _told_apart(_fields(one.schema), _fields(other.schema), definitions)


def _fields(schema: Schema) -> dict[str, Schema]:
    inner = schema
    while "fields" not in inner or inner["type"] == "dataclass":
        if "schema" not in inner:
            return {}  # a root model: its JSON is not an object of fields
        inner = inner["schema"]
    fields = inner["fields"]
    if isinstance(fields, Mapping):
        return {each.get("serialization_alias", name): each for name, each in fields.items()}
    return {each.get("serialization_alias", each["name"]): each for each in fields}


def _told_apart(one: dict[str, Schema], other: dict[str, Schema], definitions: Mapping[str, Schema]) -> bool:
    """Tell whether no object of one can be read as the other."""
    for name in one.keys() & other.keys():
        mine, theirs = (list(_members(each[name]["schema"], definitions)) for each in (one, other))
        tags = [set(_values(members[0])) if _is_tag(members) else None for members in (mine, theirs)]
        if tags[0] is not None and tags[1] is not None and not tags[0] & tags[1]:
            return True
    return any(_required(each) for name, each in one.items() if name not in other) and any(
        _required(each) for name, each in other.items() if name not in one
    )


def _is_tag(members: list[Member]) -> bool:
    return len(members) == 1 and members[0].kind in {"literal", "enum"}


def _required(each: Schema) -> bool:
    return each["schema"]["type"] != "default" and each.get("required") is not False
