"""Whether a value comes back from the wire as it went: asked of every job that the kit runs.

An enqueue in production reads back only what its types cannot vouch for. A
type of the user's own may still write one thing and read another; so the kit
reads, writes and compares, and names what changed.

Reads next: `engine.py`, which asks before and after each body.
"""

from typing import Any, Final

from pydantic_core import from_json

from scalr_tasks.errors import NotSerialisableError
from scalr_tasks.registry.declaration import Declaration

CHANGES: Final = "it changes on the wire: what was read is written differently from what was sent"


def check_arguments(declaration: Declaration, raw: bytes, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Fail where the arguments that a body is given are not those that were sent.

    Raises:
        NotSerialisableError: one of them changed; the text names it.
    """
    again = declaration.arguments.write(args, kwargs)
    if again == raw:
        return
    back = declaration.arguments.read(again)
    if back == (args, kwargs):  # only the order of a set, say
        return
    sent, got = from_json(raw), from_json(again)
    name = next((name for name in sent if sent[name] != got.get(name)), None)
    what = "the arguments" if name is None else f"argument {name!r}"
    raise NotSerialisableError(declaration.name, what, CHANGES)


def check_result(declaration: Declaration, raw: bytes, job_id: str) -> None:
    """Fail where the result that a caller reads is not the one that the body returned.

    Raises:
        NotSerialisableError: it changed.
    """
    value = declaration.result.read(raw, job_id)
    again = declaration.result.write(value)
    if again != raw and declaration.result.read(again, job_id) != value:
        raise NotSerialisableError(declaration.name, "the result", CHANGES)
