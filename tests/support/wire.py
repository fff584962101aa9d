"""The codecs of one parameter or one function, for tests: what `@task` builds, without a registry."""

import warnings
from collections.abc import Callable
from typing import Any

from scalr_tasks.errors import ScalrTasksWarning
from scalr_tasks.registry.assemble import Wire, assemble
from scalr_tasks.registry.signature import Signature, read_signature, where_of


def signature_of(function: Callable[..., Any], *, takes_context: bool = False) -> Signature:
    """The signature of a function, as `@task` reads it."""
    return read_signature(function, task=function.__name__, where=where_of(function), takes_context=takes_context)


def wire_of(function: Callable[..., Any], *, strict: bool = True) -> Wire:
    """The codecs of a function without a context."""
    return assemble(signature_of(function), None, strict=strict)


def wire_for(hint: Any, *, strict: bool = True, result: Any = None) -> Wire:
    """The codecs of a task `probe(v: hint) -> result`; what it warns of is in `.warnings`."""

    async def probe(v: Any) -> Any: ...

    probe.__annotations__ = {"v": hint, "return": result}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScalrTasksWarning)
        return wire_of(probe, strict=strict)


def round_trip(hint: Any, value: Any, *, strict: bool = True) -> Any:
    """What the worker gets where a caller gives `value` for a parameter of type `hint`."""
    arguments = wire_for(hint, strict=strict).arguments
    args, kwargs = arguments.read(arguments.write((), {"v": value}))
    assert args == ()
    return kwargs["v"]
