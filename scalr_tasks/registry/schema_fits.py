"""Whether everything that one JSON Schema accepts is accepted by another: how a narrowed type is told from a wider one.

The answer errs to the safe side: where two schemas cannot be compared, the new
one does not fit. Schemas are those that pydantic writes, with their `$defs`.

Reads next: `contract.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

Schema = Mapping[str, Any]

_ABOUT: Final = frozenset({"title", "description", "default", "examples", "$defs", "deprecated", "discriminator"})
"""What a schema says beside what it accepts."""

_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EXACT: Final = ("pattern", "format", "multipleOf", "uniqueItems", "prefixItems", "contentEncoding", "propertyNames")
_REF: Final = "#/$defs/"


def fits(old: Schema, new: Schema) -> bool:
    """Tell whether `new` accepts every value that `old` accepts.

    >>> fits({"type": "integer"}, {"anyOf": [{"type": "integer"}, {"type": "null"}]})
    True
    >>> fits({"type": "integer"}, {"type": "integer", "minimum": 1})
    False
    """
    return _Comparison(old.get("$defs", {}), new.get("$defs", {})).fits(old, new)


def same(old: Schema, new: Schema) -> bool:
    """Tell whether two schemas accept the same values, as far as can be told."""
    return fits(old, new) and fits(new, old)


class _Comparison:
    def __init__(self, old_defs: Mapping[str, Schema], new_defs: Mapping[str, Schema]) -> None:
        self._old_defs = old_defs
        self._new_defs = new_defs
        self._assumed: set[tuple[str, str]] = set()

    def fits(self, old: Schema, new: Schema) -> bool:
        if "$ref" in old and "$ref" in new:
            pair = (str(old["$ref"]), str(new["$ref"]))
            if pair in self._assumed:  # a type that holds itself: true unless something else says no
                return True
            self._assumed.add(pair)
        old, new = _resolved(old, self._old_defs), _resolved(new, self._new_defs)
        if not new:
            return True
        for part in ("anyOf", "oneOf"):
            if part in old:
                return all(self.fits(each, new) for each in old[part])
        for part in ("anyOf", "oneOf"):
            if part in new:
                return any(self.fits(old, each) for each in new[part])
        values = _values(old)
        if values is not None:
            return all(_accepts(new, value) for value in values)
        if _values(new) is not None or not old:
            return False
        return self._type_fits(old, new) and _limits_fit(old, new) and self._inside_fits(old, new)

    def _type_fits(self, old: Schema, new: Schema) -> bool:
        is_wider = old.get("type") == "integer" and new.get("type") == "number"
        return "type" not in new or old.get("type") == new["type"] or is_wider

    def _inside_fits(self, old: Schema, new: Schema) -> bool:
        match new.get("type"):
            case "array":
                return self._part_fits(old.get("items", {}), new.get("items", {}))
            case "object":
                return self._object_fits(old, new)
        return True

    def _part_fits(self, old: Any, new: Any) -> bool:
        if new is False or old is False:
            return old is False
        return self.fits({} if old is True else old, {} if new is True else new)

    def _object_fits(self, old: Schema, new: Schema) -> bool:
        mine, theirs = old.get("properties", {}), new.get("properties", {})
        if not set(new.get("required", ())) <= set(old.get("required", ())):
            return False
        rest = new.get("additionalProperties", True)
        for name, schema in mine.items():
            if not self._part_fits(schema, theirs.get(name, rest)):
                return False
        # What the old one takes by any name, the new one may have a type for.
        others = old.get("additionalProperties", not mine)
        if isinstance(others, Mapping):
            return all(self._part_fits(others, each) for each in [rest, *(theirs[n] for n in theirs if n not in mine)])
        return not (others is True and rest is False)


def _resolved(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    while "$ref" in schema:
        schema = definitions.get(str(schema["$ref"]).removeprefix(_REF), {})
    return {key: value for key, value in schema.items() if key not in _ABOUT}


def _values(schema: Schema) -> Sequence[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return schema.get("enum")


_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def _accepts(new: Schema, value: Any) -> bool:
    values = _values(new)
    if values is not None:
        return any(type(each) is type(value) and each == value for each in values)
    kinds = _TYPES.get(str(new.get("type")), ())
    return type(value) in kinds and not new.keys() & {*_LOWER, *_UPPER, *_EXACT}


def _limits_fit(old: Schema, new: Schema) -> bool:
    for key in _LOWER:
        if key in new and (key not in old or old[key] < new[key]):
            return False
    for key in _UPPER:
        if key in new and (key not in old or old[key] > new[key]):
            return False
    return all(key not in new or old.get(key) == new[key] for key in _EXACT)
