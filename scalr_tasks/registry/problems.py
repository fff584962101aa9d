"""pydantic's complaints in our words; a text here never holds a value.

pydantic hides the input, but not everything that was made of it: the message
of a validator of the user's, a tag of a union, a key of a dict. So only
messages that come from the schema are taken over, and only names of the schema
stand in a path.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any, Final, cast, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticKnownError, core_schema

from scalr_tasks.errors import ArgumentProblem
from scalr_tasks.names import nearest

_KNOWN: Final = frozenset(get_args(core_schema.ErrorType))

_FROM_SCHEMA: Final = frozenset(
    {
        "gt", "ge", "lt", "le", "multiple_of", "expected", "class", "class_name", "min_length", "max_length", "pattern",
        "field_type", "actual_length", "max_digits", "decimal_places", "whole_digits", "expected_schemes",
        "expected_version", "tz_expected",
    }
)  # fmt: skip
"""Context of a message that says something about the type, not about the value."""

_WORDS: Final = {
    "missing": "is missing",
    "extra_forbidden": "has a field that is not declared",
    "value_error": "was refused by its validator",
    "assertion_error": "was refused by its validator",
    "date_parsing": "should be a valid date",
    "date_from_datetime_parsing": "should be a valid date",
    "time_parsing": "should be a valid time",
    "datetime_parsing": "should be a valid datetime",
    "datetime_object_invalid": "should be a valid datetime",
    "datetime_from_date_parsing": "should be a valid datetime",
    "time_delta_parsing": "should be a valid timedelta",
    "url_parsing": "should be a valid URL",
    "url_syntax_violation": "should be a valid URL",
    "uuid_parsing": "should be a valid UUID",
    "bytes_invalid_encoding": "should be valid base64",
    "union_tag_invalid": "has a tag that no member of the union has",
    "union_tag_not_found": "lacks the tag that tells the members of the union apart",
    "timezone_offset": "has the wrong offset from UTC",
}
_OTHERWISE: Final = "does not fit its type"
_TYPE_ERRORS: Final = ("_type", "is_instance_of", "model_type", "none_required")


def problems_of(
    error: ValidationError,
    names: AbstractSet[str],
    *,
    hide_numbers: bool,
    known: Iterable[str] = (),
    parts: bool = True,
) -> list[ArgumentProblem]:
    """Turn an error of pydantic's into problems, one for each place.

    Args:
        error: what the validator raised.
        names: names of fields that a path may show.
        hide_numbers: whether numbers in a path may be keys of a dict.
        known: parameters, for the nearest name to an unknown one.
        parts: whether the first part of a path is the name of a parameter.
    """
    parameters = tuple(known)
    found: dict[str, list[str]] = {}
    unknown: list[ArgumentProblem] = []
    for detail in error.errors(include_url=False, include_context=True, include_input=True):
        place = detail["loc"]
        if parts and detail["type"] == "extra_forbidden" and len(place) == 1:
            name = str(place[0])
            unknown.append(ArgumentProblem(name, "is not a parameter", nearest(name, parameters)))
            continue
        words = found.setdefault(_path(place, names, hide_numbers=hide_numbers, parts=parts), [])
        text = _words(detail)
        if text not in words:
            words.append(text)
    return unknown + [ArgumentProblem(path, " or ".join(words)) for path, words in found.items()]


def _path(place: tuple[int | str, ...], names: AbstractSet[str], *, hide_numbers: bool, parts: bool) -> str:
    shown = [str(place[0])] if parts and place else []
    rest = place[len(shown) :]
    shown += [str(part) for part in rest if (isinstance(part, int) and not hide_numbers) or part in names]
    return ".".join(shown)


def _words(detail: ErrorDetails) -> str:
    kind = detail["type"]
    text = _WORDS.get(kind) or _from_schema(kind, detail.get("ctx") or {})
    if any(mark in kind for mark in _TYPE_ERRORS) and kind in _KNOWN:
        return f"{text}, got {type(detail['input']).__name__}"
    return text


def _from_schema(kind: str, context: dict[str, Any]) -> str:
    if kind not in _KNOWN or not context.keys() <= _FROM_SCHEMA:
        return _OTHERWISE
    try:
        text = PydanticKnownError(cast("Any", kind), context or None).message()  # it is one of the literals
    except (TypeError, ValueError):
        return _OTHERWISE
    if text.startswith("Input "):
        return text.removeprefix("Input ")
    return text[:1].lower() + text[1:]
