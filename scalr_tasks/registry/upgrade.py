"""How a payload of an older version becomes a call of this one: `@send_invoice_email.upgrade(from_version=1)`.

The function takes the old arguments and returns a call of the task as it is
now, so a type checker sees both sides. It runs on the worker, between reading
a job and running it; what is stored stays as it was.

Reads next: `delivery.py`, which asks for it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from scalr_tasks.errors import ArgumentProblem, DefinitionError, InvalidArgumentsError
from scalr_tasks.registry.arguments import TaskArguments
from scalr_tasks.registry.assemble import assemble_arguments, still_missing
from scalr_tasks.registry.call import Call
from scalr_tasks.registry.declaration import Declaration
from scalr_tasks.registry.signature import UnresolvedError, read_signature, where_of


class TaskUpgrade:
    """Reads the arguments of one older version, as an `Upgrade`."""

    def __init__(self, declaration: Declaration, version: int, arguments: TaskArguments, function: Any) -> None:
        self._declaration = declaration
        self._version = version
        self._arguments = arguments
        self._function = function

    def read(self, raw: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Validate arguments of the older version, and return how to call the function of this one.

        Raises:
            InvalidArgumentsError: they do not fit the upgrade's signature, or it returned no call of the task.
            UnreadableError: they are not JSON.
        """
        args, kwargs = self._arguments.read(raw)
        call = self._function(*args, **kwargs)
        if not isinstance(call, Call) or call.task != self._declaration.name:
            problem = f"the upgrade from version {self._version} did not return a call of this task"
            raise InvalidArgumentsError(self._declaration.name, [ArgumentProblem("arguments", problem)])
        return self._declaration.arguments.read(call.new.arguments)


def make_upgrade(
    declaration: Declaration, from_version: int, function: Callable[..., Any], local: Mapping[str, Any] | None
) -> TaskUpgrade:
    """Check an upgrade, and return it.

    Args:
        declaration: the task as it is now.
        from_version: the version whose payloads it takes.
        function: what was decorated.
        local: names around the function, where it stands inside another one.

    Raises:
        DefinitionError: the version is none that came before, or has an upgrade; or the signature cannot work.
    """
    where = where_of(function)

    def refuse(problem: str, way_out: str) -> DefinitionError:
        return DefinitionError(problem, task=declaration.name, where=where, way_out=way_out)

    if isinstance(from_version, bool) or not isinstance(from_version, int) or from_version < 1:
        raise refuse("from_version is no version", "give the number that @task(version=...) had before: 1 or more")
    if from_version >= declaration.version:
        raise refuse(
            f"from_version={from_version} is not older than the task, which has version {declaration.version}",
            f"declare the task with version={from_version + 1}",
        )
    if from_version in declaration.upgrades:
        raise refuse(f"there is an upgrade from version {from_version} already", "keep one of them")
    signature = read_signature(function, task=declaration.name, where=where, takes_context=False)
    if signature.is_async:
        raise refuse("an upgrade is written with def, it only rearranges arguments", "write def")
    try:
        arguments = assemble_arguments(signature, local)
    except UnresolvedError as error:
        raise still_missing(signature, error) from None
    return TaskUpgrade(declaration, from_version, arguments, function)
