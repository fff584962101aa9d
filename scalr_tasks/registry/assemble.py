"""From a signature and its types to the two codecs of a task, or a `DefinitionError` that names the parameter.

A signature whose names are not all there yet becomes a `PendingWire`: it is
asked again at the first enqueue, at `check()` and when the registry is
compiled, and is refused if a name is still missing then.

Reads next: `wire_types.py` for what is refused and why.
"""

import inspect
import typing
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from pydantic import PydanticSchemaGenerationError, PydanticUserError
from pydantic.errors import PydanticUndefinedAnnotation
from typing_extensions import TypeVar as ExtensionsTypeVar

from scalr_tasks.errors import DefinitionError, ScalrTasksWarning
from scalr_tasks.registry.arguments import Shape, TaskArguments
from scalr_tasks.registry.results import TaskResult
from scalr_tasks.registry.schemas import Piece, config, machine, piece_of
from scalr_tasks.registry.signature import RETURN, Signature, UnresolvedError, resolve_hints, show
from scalr_tasks.registry.wire_types import Schema, Survey

Kind = inspect.Parameter

_SHOWN_CHARS: Final = 24


@dataclass(frozen=True, slots=True)
class Wire:
    """Both codecs of one task."""

    arguments: TaskArguments
    result: TaskResult
    warnings: tuple[str, ...] = ()
    """What works and is probably not meant."""


def assemble(signature: Signature, local: Mapping[str, Any] | None, *, strict: bool) -> Wire:
    """Build the codecs of a task.

    Raises:
        UnresolvedError: a name in an annotation is not there.
        DefinitionError: a type would not survive the wire.
    """
    hints = resolve_hints(signature, local)
    pieces = {name: _piece(signature, name, hint) for name, hint in hints.items()}
    return Wire(
        _arguments(signature, hints, pieces, strict=strict),
        _result(signature, pieces[RETURN], strict=strict),
        _warn(signature, hints, pieces),
    )


def assemble_arguments(signature: Signature, local: Mapping[str, Any] | None) -> TaskArguments:
    """Build the codec of the arguments alone: those of a function whose result does not travel.

    Raises:
        UnresolvedError: a name in an annotation is not there.
        DefinitionError: a type would not survive the wire.
    """
    hints = {name: hint for name, hint in resolve_hints(signature, local).items() if name != RETURN}
    pieces = {name: _piece(signature, name, hint) for name, hint in hints.items()}
    return _arguments(signature, hints, pieces, strict=True)


# -- one type ----------------------------------------------------------------------------


def _piece(signature: Signature, name: str, hint: Any) -> Piece:
    what = "the result" if name == RETURN else f"parameter {name!r}"
    _refuse_hint(signature, what, hint)
    try:
        piece = piece_of(hint)
    except PydanticUndefinedAnnotation as error:
        raise UnresolvedError({name: error.name or show(hint)}) from None
    except NameError as error:
        raise UnresolvedError({name: error.name or show(hint)}) from None
    except PydanticSchemaGenerationError:
        signature.refuse(
            f"{what} holds a type that cannot be checked and has no JSON form: {show(hint)}",
            "use a pydantic model, a dataclass or a built-in type",
        )
    except PydanticUserError as error:
        if error.code == "class-not-fully-defined":
            raise UnresolvedError({name: show(hint)}) from None
        signature.refuse(f"{what}: {_first_line(error)}", "change the type")
    for refusal in piece.survey.refusals:
        signature.refuse(f"{what} ({show(hint)}): {refusal.problem}", refusal.way_out)
    return piece


def _refuse_hint(signature: Signature, what: str, hint: Any) -> None:
    if hint is Any or hint is object:
        signature.refuse(
            f"{what} is {show(hint)}, so nothing could be checked", "write its type; JsonValue is any JSON"
        )
    if typing.get_origin(hint) in _UNPACK:
        signature.refuse(f"{what} is Unpack[...]", "name the parameters one by one")
    variable = _type_variable(hint)
    if variable is not None:
        signature.refuse(f"{what} holds the type variable {variable}, which takes anything", "write the type")


_UNPACK: Final = frozenset({typing.Unpack})


def _type_variable(hint: Any) -> str | None:
    if isinstance(hint, type):
        return None
    if isinstance(hint, (typing.TypeVar, ExtensionsTypeVar)):
        return hint.__name__
    if typing.get_origin(hint) is typing.Literal:
        return None
    parts = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Annotated:
        parts = parts[:1]
    for part in parts:
        found = _type_variable(part)
        if found is not None:
            return found
    return None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")


def _warn(signature: Signature, hints: Mapping[str, Any], pieces: Mapping[str, Piece]) -> tuple[str, ...]:
    found = []
    for name, piece in pieces.items():
        if not piece.survey.loose:
            continue
        what = "the result" if name == RETURN else f"parameter {name!r}"
        found.append(
            f"{what} of task {signature.task!r} at {signature.where} holds Any ({show(hints[name])}): a date in it "
            "would reach the worker as text; JsonValue takes what JSON can hold, and nothing else"
        )
    code = inspect.unwrap(signature.function).__code__
    for text in found:
        warnings.warn_explicit(text, ScalrTasksWarning, code.co_filename, code.co_firstlineno)
    return tuple(found)


# -- all of them -------------------------------------------------------------------------


def _arguments(
    signature: Signature, hints: Mapping[str, Any], pieces: Mapping[str, Piece], *, strict: bool
) -> TaskArguments:
    survey = Survey()
    definitions: dict[str, Schema] = {}
    fields: dict[str, Schema] = {}
    for parameter in signature.parameters:
        piece = pieces[parameter.name]
        survey.join(piece.survey)
        definitions.update(piece.definitions)
        required = parameter.default is Kind.empty
        fields[parameter.name] = {"type": "typed-dict-field", "schema": piece.schema, "required": required}
    core = config(signature.task, strict=strict)
    schema: dict[str, Any] = {"type": "typed-dict", "fields": fields, "extra_behavior": "forbid", "config": core}
    if signature.extra is not None:
        piece = pieces[signature.extra.name]
        survey.join(piece.survey)
        definitions.update(piece.definitions)
        schema |= {"extra_behavior": "allow", "extras_schema": piece.schema}
    built = machine(schema, definitions, core, typed_dicts=survey.typed_dicts)
    return TaskArguments(signature.task, shape_of(signature, hints), built, survey)


def _result(signature: Signature, piece: Piece, *, strict: bool) -> TaskResult:
    core = config(signature.task, strict=strict)
    built = machine(piece.schema, piece.definitions, core, typed_dicts=piece.survey.typed_dicts)
    return TaskResult(signature.task, built, piece.survey)


def shape_of(signature: Signature, hints: Mapping[str, Any] | None = None) -> Shape:
    """Return how the arguments may be given; without `hints` the text shows annotations as they are written."""
    given = signature.parameters
    return Shape(
        names=tuple(each.name for each in given),
        positional=tuple(each.name for each in given if each.kind is not Kind.KEYWORD_ONLY),
        positional_only={each.name: each.default for each in given if each.kind is Kind.POSITIONAL_ONLY},
        write_text=partial(_text, signature, hints),
        hints=hints,
    )


def _text(signature: Signature, hints: Mapping[str, Any] | None) -> str:
    parts: list[str] = []
    previous = None
    for each in signature.parameters:
        if previous is Kind.POSITIONAL_ONLY and each.kind is not Kind.POSITIONAL_ONLY:
            parts.append("/")
        if each.kind is Kind.KEYWORD_ONLY and previous is not Kind.KEYWORD_ONLY:
            parts.append("*")
        annotation = _shown(each, hints)
        default = "" if each.default is Kind.empty else f" = {_shown_default(each.default)}"
        parts.append(f"{each.name}: {annotation}{default}")
        previous = each.kind
    if previous is Kind.POSITIONAL_ONLY:
        parts.append("/")
    if signature.extra is not None:
        parts.append(f"**{signature.extra.name}: {_shown(signature.extra, hints)}")
    return f"({', '.join(parts)})"


def _shown(parameter: inspect.Parameter, hints: Mapping[str, Any] | None) -> str:
    if hints is not None:
        return show(hints[parameter.name])
    annotation = parameter.annotation
    return annotation if isinstance(annotation, str) else show(annotation)


def _shown_default(default: object) -> str:
    text = repr(default) if isinstance(default, (bool, int, float, str, type(None))) else "..."
    return text if len(text) <= _SHOWN_CHARS else "..."


# -- types that are not there yet --------------------------------------------------------


class PendingWire:
    """The codecs of a task whose annotations name something that is not there yet."""

    def __init__(self, signature: Signature, local: Mapping[str, Any] | None, *, strict: bool) -> None:
        self.signature = signature
        self._local = local
        self._strict = strict
        self._wire: Wire | None = None

    def resolve(self) -> Wire:
        """Build the codecs now.

        Raises:
            DefinitionError: a name is still missing, or a type would not survive the wire.
        """
        if self._wire is None:
            try:
                self._wire = assemble(self.signature, self._local, strict=self._strict)
            except UnresolvedError as error:
                raise still_missing(self.signature, error) from None
        return self._wire

    @property
    def text(self) -> str:
        """The signature, with annotations as they are written."""
        return self._wire.arguments.text if self._wire is not None else shape_of(self.signature).write_text()


def still_missing(signature: Signature, error: UnresolvedError) -> DefinitionError:
    """Return the error for a name that was never found."""
    parameter, name = next(iter(error.missing.items()))
    what = "of the result" if parameter == RETURN else f"of parameter {parameter!r}"
    return DefinitionError(
        f"the annotation {what} names {name!r}, which is not defined in the module",
        task=signature.task,
        where=signature.where,
        way_out=f"move the import of {name!r} out of TYPE_CHECKING, or define it at the top of the module",
    )


class PendingArguments:
    """An `ArgumentsCodec` that is built when it is first used."""

    def __init__(self, wire: PendingWire) -> None:
        self.wire = wire

    @property
    def text(self) -> str:
        """The signature as callers see it."""
        return self.wire.text

    def write(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """See `ArgumentsCodec.write`; also raises `DefinitionError`."""
        return self.wire.resolve().arguments.write(args, kwargs)

    def take(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """See `ArgumentsCodec.take`; also raises `DefinitionError`."""
        return self.wire.resolve().arguments.take(args, kwargs)

    def read(self, raw: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """See `ArgumentsCodec.read`; also raises `DefinitionError`."""
        return self.wire.resolve().arguments.read(raw)


class PendingResult:
    """A `ResultCodec` that is built when it is first used."""

    def __init__(self, wire: PendingWire) -> None:
        self.wire = wire

    def write(self, value: Any) -> bytes:
        """See `ResultCodec.write`; also raises `DefinitionError`."""
        return self.wire.resolve().result.write(value)

    def read(self, raw: bytes, job_id: str) -> Any:
        """See `ResultCodec.read`; also raises `DefinitionError`."""
        return self.wire.resolve().result.read(raw, job_id)
