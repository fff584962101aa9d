"""The arguments of one task: from a call to one line of JSON, and back.

The same schema validates on both sides, strictly. What a call lets through can
be read on the worker: types that could not were refused when the task was
declared, and a value that still does not come back is refused here, before
anything is stored.

Reads next: `signature.py` for where the parameters come from, `problems.py`
for the texts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal, NoReturn
from uuid import UUID

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from scalr_tasks.envelope import UnreadableError
from scalr_tasks.errors import ArgumentProblem, InvalidArgumentsError, NotSerialisableError
from scalr_tasks.registry.limits import MAX_ARGUMENTS_BYTES, MAX_DEPTH, READ_BACK_BYTES, too_deep
from scalr_tasks.registry.problems import problems_of
from scalr_tasks.registry.schemas import Machine
from scalr_tasks.registry.wire_types import Survey

BROKEN_JSON: Final = "it holds a whole number of more than 4,300 digits, or nests too deep"
"""What a JSON of ours can be refused for as JSON."""

NOT_UTF8: Final = "it is not valid UTF-8"
"""What a text with half a surrogate pair is refused for."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a task's arguments may be given."""

    names: tuple[str, ...]
    """Every named parameter, in order."""
    positional: tuple[str, ...]
    """Those that may be given by position."""
    positional_only: Mapping[str, Any]
    """Those that must be, with their defaults (`inspect.Parameter.empty` where there is none)."""
    write_text: Callable[[], str]
    """Writes the signature as callers see it; called when it is first asked for, which most never are."""
    hints: Mapping[str, Any] | None = None
    """The type of each parameter and, as `return`, of the result; None where they are not resolved."""


class TaskArguments:
    """The arguments of one task, as an `ArgumentsCodec`."""

    __slots__ = (
        "_most",
        "_positional",
        "_survey",
        "_task",
        "_text",
        "_to_json",
        "_validate",
        "_validate_json",
        "_warnings",
        "shape",
    )

    def __init__(self, task: str, shape: Shape, machine: Machine, survey: Survey) -> None:
        self.shape: Final = shape
        self._task = task
        self._survey = survey
        self._validate = machine.validator.validate_python
        self._validate_json = machine.validator.validate_json
        self._to_json = machine.serializer.to_json
        self._positional = shape.positional
        self._text: str | None = None
        self._most = len(shape.positional)
        self._warnings: Literal[False, "error"] = False if survey.exact else "error"

    @property
    def text(self) -> str:
        """The signature as callers see it: `(invoice_id: int, subject: str = '')`."""
        if self._text is None:
            self._text = self.shape.write_text()
        return self._text

    # -- writing -------------------------------------------------------------------------

    def write(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Validate a call and return its arguments as one line of JSON.

        Raises:
            InvalidArgumentsError: an argument is missing, unknown or of the wrong type.
            NotSerialisableError: a value has no JSON form, or there is too much of it.
        """
        if args:
            if kwargs or len(args) > self._most:
                kwargs = self._named(args, kwargs)
            else:
                kwargs = dict(zip(self._positional, args))  # noqa: B905  strict= costs a tenth of the whole
        elif self.shape.positional_only:
            kwargs = self._named(args, kwargs)
        try:
            valid = self._validate(kwargs)
        except ValidationError as error:
            raise self._invalid(error, nameless=len(args)) from None
        except UnicodeEncodeError:  # pydantic's own, where a validator of the user's quotes such a text
            raise NotSerialisableError(self._task, "the arguments", NOT_UTF8) from None
        try:
            # "error" costs a microsecond, and what the validator sees whole needs none.
            raw = self._to_json(valid, by_alias=True, round_trip=True, warnings=self._warnings)
        except Exception as error:  # noqa: BLE001  a serializer of the user's may raise anything
            self._refuse_value(valid, error)
        survey = self._survey
        if len(raw) > MAX_ARGUMENTS_BYTES:
            self._refuse_size(valid, len(raw))
        if survey.bottomless and too_deep(raw):
            raise NotSerialisableError(self._task, "the arguments", f"they nest deeper than {MAX_DEPTH} levels")
        if not survey.exact or len(raw) > READ_BACK_BYTES:
            self._check_comes_back(valid, raw)
        return raw

    def _named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        shape = self.shape
        problems = []
        if len(args) > len(shape.positional):
            takes = f"{len(shape.positional)} positional argument{'' if len(shape.positional) == 1 else 's'}"
            problems.append(
                ArgumentProblem(f"argument {len(shape.positional) + 1}", f"is one too many, it takes {takes}")
            )
        values = dict(zip(shape.positional, args, strict=False))
        for name in kwargs:
            if name in shape.positional_only:
                problems.append(ArgumentProblem(name, "can be given by position only"))
            elif name in values:
                problems.append(ArgumentProblem(name, "is given twice, by position and by name"))
        if problems:
            raise InvalidArgumentsError(self._task, problems, signature=self.text)
        if kwargs:
            values.update(kwargs)
        return values

    def _invalid(self, error: ValidationError, *, nameless: int = 0) -> InvalidArgumentsError:
        known = self.shape.names[nameless:]
        problems = problems_of(error, self._survey.names, hide_numbers=self._survey.has_maps, known=known)
        return InvalidArgumentsError(self._task, problems, signature=self.text)

    def _check_comes_back(self, valid: dict[str, Any], raw: bytes) -> None:
        try:
            back = self._validate_json(raw)
        except ValidationError as error:
            what, problem = self._unreadable_part(valid, error)
            text = f"its JSON could not be read on the worker: {problem}"
            raise NotSerialisableError(self._task, what, text) from None
        for name, value in valid.items():
            change = changed_part(value, back[name])
            if change:
                raise NotSerialisableError(self._task, f"argument {name!r}", change)

    def _unreadable_part(self, valid: dict[str, Any], error: ValidationError) -> tuple[str, str]:
        if not is_broken_json(error):
            first = problems_of(error, self._survey.names, hide_numbers=self._survey.has_maps)[0]
            return f"argument {first.argument!r}", first.problem
        for name, value in valid.items():
            try:
                self._validate_json(self._to_json({name: value}, by_alias=True, round_trip=True))
            except ValidationError as its_own:
                if is_broken_json(its_own):
                    return f"argument {name!r}", BROKEN_JSON
        return "the arguments", BROKEN_JSON

    def _refuse_value(self, valid: dict[str, Any], error: Exception) -> NoReturn:
        """Name the argument that cannot be written."""
        for name, value in valid.items():
            try:
                self._to_json({name: value}, by_alias=True, round_trip=True, warnings="error")
            except Exception as its_own:  # noqa: BLE001  likewise
                raise NotSerialisableError(self._task, f"argument {name!r}", reason_of(its_own)) from None
        raise NotSerialisableError(self._task, "the arguments", reason_of(error)) from None

    def _refuse_size(self, valid: dict[str, Any], size: int) -> NoReturn:
        sizes = {name: len(self._to_json({name: value}, by_alias=True)) for name, value in valid.items()}
        largest = max(sizes, key=lambda name: sizes[name])
        raise NotSerialisableError(
            self._task,
            f"argument {largest!r}",
            f"the arguments have {size:,} bytes, more than the {MAX_ARGUMENTS_BYTES:,} that are stored",
        )

    # -- reading -------------------------------------------------------------------------

    def read(self, raw: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Validate arguments from the wire; returns how to call the function.

        Raises:
            InvalidArgumentsError: they do not fit the signature of this code.
            UnreadableError: they are not JSON.
        """
        try:
            values: dict[str, Any] = self._validate_json(raw)
        except ValidationError as error:
            if is_broken_json(error):
                raise UnreadableError("unreadable", task=self._task) from None
            raise self._invalid(error) from None
        return self._call(values)

    def take(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Validate the values of a call that nobody validated before, and convert what can be: `"1"` for an `int`.

        Raises:
            InvalidArgumentsError: they do not fit the signature of this code.
        """
        named = self._named(args, kwargs)
        try:
            values: dict[str, Any] = self._validate(named, strict=False)
        except ValidationError as error:
            raise self._invalid(error, nameless=len(args)) from None
        return self._call(values)

    def _call(self, values: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if not self.shape.positional_only:
            return (), values
        args = []
        for name, default in self.shape.positional_only.items():
            args.append(values.pop(name, default))
        return tuple(args), values


def is_broken_json(error: ValidationError) -> bool:
    """Tell whether what was read is no JSON at all."""
    return error.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid"


def reason_of(error: Exception) -> str:
    """Say why a value could not be written; pydantic's own text may hold the value."""
    if isinstance(error, PydanticSerializationError):
        text = str(error)
        if "Circular reference" in text or "recursion" in text.lower():
            return "it holds itself, or nests too deep"
        if "surrogate" in text or "utf-8" in text.lower() or "utf8" in text.lower():
            return NOT_UTF8
        if "Unable to serialize unknown type" in text:
            return "it holds an object that has no JSON form"
        return "it holds a value that does not fit its type"
    return f"its serializer raised {type(error).__name__}"


_LEAVES: Final = frozenset({int, str, float, bool, bytes, type(None), date, Decimal, UUID})
"""Classes that come back as they are; looked at first, because most values are of these."""


def changed_part(value: Any, back: Any) -> str | None:
    """Tell what inside a value would come back as something else, although JSON could be made of it."""
    kind = type(value)
    if kind in _LEAVES:
        return None
    if isinstance(value, datetime):
        return None if value == back else "the offset from UTC of a datetime has seconds, which JSON does not keep"
    if isinstance(value, BaseModel):
        return _changed_inside(value.__dict__, back.__dict__) if kind is type(back) else _as_another(value, back)
    if hasattr(kind, "__dataclass_fields__"):
        return _changed_fields(value, back) if kind is type(back) else _as_another(value, back)
    if isinstance(value, dict) and isinstance(back, dict):
        return _changed_inside(value, back)
    if isinstance(value, Sequence) and isinstance(back, Sequence) and not isinstance(value, (str, bytes)):
        for one, other in zip(value, back, strict=False):
            change = changed_part(one, other)
            if change:
                return change
    return None


def _changed_inside(value: Mapping[Any, Any], back: Mapping[Any, Any]) -> str | None:
    for name, one in value.items():
        if type(one) not in _LEAVES:
            change = changed_part(one, back.get(name))
            if change:
                return change
    return None


def _changed_fields(value: Any, back: Any) -> str | None:
    for each in fields(value):
        one, other = getattr(value, each.name), getattr(back, each.name)
        if not each.init and one != other:
            return f"field {each.name!r} of {type(value).__name__} is not given to its constructor, and would be lost"
        change = changed_part(one, other)
        if change:
            return change
    return None


def _as_another(value: object, back: object) -> str:
    return f"{type(value).__name__} would come back as {type(back).__name__}, without what it adds"
