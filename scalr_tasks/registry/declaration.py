"""What is known of one task once it is declared: the value behind a handle.

`signature.py` makes the `ArgumentsCodec` and the `ResultCodec`; `task.py`
shows a declaration to callers, `compile.py` and the worker run it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter
from typing import Any, Protocol

from scalr_tasks.policy import Policy
from scalr_tasks.registry.schedule import Schedule


class ArgumentsCodec(Protocol):
    """The arguments of one task, from a call to JSON and back."""

    @property
    def text(self) -> str:
        """The signature as callers see it: `(invoice_id: int, subject: str = '')`."""
        ...

    def write(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Validate a call and return its arguments as one line of JSON.

        Raises:
            InvalidArgumentsError: an argument is missing, unknown or of the wrong type.
            NotSerialisableError: a value has no JSON form.
        """
        ...

    def take(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Validate the values of a call that nobody validated before, and convert what can be: `"1"` for an `int`.

        Raises:
            InvalidArgumentsError: they do not fit the signature of this code.
        """
        ...

    def read(self, raw: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Validate arguments from the wire; returns how to call the function.

        Raises:
            InvalidArgumentsError: they do not fit the signature of this code.
            UnreadableError: they are not JSON.
        """
        ...


class ResultCodec(Protocol):
    """The result of one task, to JSON and back."""

    def write(self, value: Any) -> bytes:
        """Validate a result and return it as one line of JSON.

        Raises:
            NotSerialisableError: it does not fit the declared result, or has no JSON form.
        """
        ...

    def read(self, raw: bytes, job_id: str) -> Any:
        """Validate a result from the wire.

        Raises:
            InvalidResultError: it does not fit the declared result.
        """
        ...


class Upgrade(Protocol):
    """Reads arguments that an older version of the task wrote."""

    def read(self, raw: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Validate arguments of the older version; returns how to call the function of this one.

        Raises:
            InvalidArgumentsError: they do not fit the older version.
            UnreadableError: they are not JSON.
        """
        ...


@dataclass(frozen=True, slots=True)
class Declaration:
    """One task: its function, its rules, how its values travel."""

    name: str
    registry: str
    """Name of the registry."""
    where: str
    """`path/of/module.py:12`, for errors."""
    function: Callable[..., Any] | None
    """None where `declare` has no implementation yet."""
    takes_context: bool
    is_async: bool
    queue: str
    policy: Policy
    arguments: ArgumentsCodec
    result: ResultCodec
    version: int = 1
    schedule: Schedule | None = None
    """When a cron task is due."""
    doc: str = ""
    parameters: tuple[Parameter, ...] = ()
    """The function's own, without the context."""
    upgrades: Mapping[int, Upgrade] = field(default_factory=dict)
    """Older version -> what reads its payloads."""
