"""The result of one task: validated and written where it ran, validated again where it is read.

Reads next: `arguments.py`, which does the same for arguments.
"""

from typing import Any, Final, Literal

from pydantic import ValidationError

from scalr_tasks.errors import InvalidResultError, NotSerialisableError
from scalr_tasks.registry.arguments import BROKEN_JSON, NOT_UTF8, changed_part, is_broken_json, reason_of
from scalr_tasks.registry.limits import MAX_DEPTH, READ_BACK_BYTES, too_deep
from scalr_tasks.registry.problems import problems_of
from scalr_tasks.registry.schemas import Machine
from scalr_tasks.registry.wire_types import Survey

_RESULT: Final = "the result"


class TaskResult:
    """The result of one task, as a `ResultCodec`."""

    __slots__ = ("_machine", "_survey", "_task")

    def __init__(self, task: str, machine: Machine, survey: Survey) -> None:
        self._task = task
        self._machine = machine
        self._survey = survey

    def write(self, value: Any) -> bytes:
        """Validate a result and return it as one line of JSON.

        Raises:
            NotSerialisableError: it does not fit the declared result, or has no JSON form.
        """
        try:
            valid = self._machine.validator.validate_python(value)
        except ValidationError as error:
            raise NotSerialisableError(self._task, _RESULT, self._problem(error)) from None
        except UnicodeEncodeError:  # pydantic's own, where a validator of the user's quotes such a text
            raise NotSerialisableError(self._task, _RESULT, NOT_UTF8) from None
        try:
            warnings: Literal[False, "error"] = False if self._survey.exact else "error"
            raw = self._machine.serializer.to_json(valid, by_alias=True, round_trip=True, warnings=warnings)
        except Exception as error:  # noqa: BLE001  a serializer of the user's may raise anything
            raise NotSerialisableError(self._task, _RESULT, reason_of(error)) from None
        if self._survey.bottomless and too_deep(raw):
            raise NotSerialisableError(self._task, _RESULT, f"it nests deeper than {MAX_DEPTH} levels")
        if not self._survey.exact or len(raw) > READ_BACK_BYTES:
            self._check_comes_back(valid, raw)
        return raw

    def read(self, raw: bytes, job_id: str) -> Any:
        """Validate a result from the wire.

        Raises:
            InvalidResultError: it does not fit the declared result.
        """
        try:
            return self._machine.validator.validate_json(raw)
        except ValidationError as error:
            raise InvalidResultError(job_id, task=self._task, problem=self._problem(error)) from None

    def _check_comes_back(self, valid: Any, raw: bytes) -> None:
        try:
            back = self._machine.validator.validate_json(raw)
        except ValidationError as error:
            problem = BROKEN_JSON if is_broken_json(error) else self._problem(error)
            text = f"its JSON could not be read back: {problem}"
            raise NotSerialisableError(self._task, _RESULT, text) from None
        change = changed_part(valid, back)
        if change:
            raise NotSerialisableError(self._task, _RESULT, change)

    def _problem(self, error: ValidationError) -> str:
        problems = problems_of(error, self._survey.names, hide_numbers=self._survey.has_maps, parts=False)
        return "; ".join(
            f"{each.argument}: {each.problem}" if each.argument else f"it {each.problem}" for each in problems
        )
