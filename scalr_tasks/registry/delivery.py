"""A job as an engine is handed it: read from its bytes, its values validated, its rules worked out.

What cannot be read is a `Misfit`, and is parked; what is read but does not fit
the signature is a `Delivery` that says so, and its job becomes dead.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from scalr_tasks.broker.pickles import is_pickle, read_pickled_job
from scalr_tasks.envelope import NO_OVERRIDES, Envelope, Overrides, UnreadableError, read
from scalr_tasks.errors import ArgumentProblem, InvalidArgumentsError
from scalr_tasks.policy import Policy
from scalr_tasks.registry.declaration import Declaration


@dataclass(frozen=True, slots=True)
class Delivery:
    """A job that this code can run."""

    envelope: Envelope
    declaration: Declaration
    policy: Policy
    """The task's rules, with what the call said instead."""
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None
    refused: InvalidArgumentsError | None = None
    """Why the arguments do not fit this code, where they do not."""

    def __repr__(self) -> str:
        return "…"  # arq logs the repr of what it hands to a function; values stay out of logs


@dataclass(frozen=True, slots=True)
class Misfit:
    """Bytes that this code does not understand, and why."""

    reason: str
    task: str = ""
    """Empty where the bytes do not tell."""
    version: int = 0
    """Version of the task, or of the wire where `task` is empty; workers that know it take the job back. 0 never is."""
    enqueued_at_ms: int = 0
    """0 where the bytes do not tell."""


def receive(raw: bytes, declarations: Mapping[str, Declaration], *, read_pickle: bool = False) -> Delivery | Misfit:
    """Read a job's bytes; never raises for what is in them.

        match receive(raw, app.declarations, read_pickle=app.read_pickle): ...

    Args:
        raw: what is stored.
        declarations: every task that this code knows.
        read_pickle: whether a job that plain arq has pickled is read too, through a table of plain values.
    """
    try:
        if read_pickle and is_pickle(raw):
            return _receive_pickled(raw, declarations)
        envelope = read(raw)
    except UnreadableError as error:
        # A newer wire is known by its version alone: what its head says of the task, this code may not trust.
        return Misfit(error.reason, "" if error.version else error.task, error.version)
    declaration = declarations.get(envelope.task)
    if declaration is None or declaration.function is None:
        return Misfit("unknown task", envelope.task, envelope.task_version, envelope.enqueued_at_ms)
    if envelope.task_version > declaration.version:
        return Misfit("newer task version", envelope.task, envelope.task_version, envelope.enqueued_at_ms)
    older = declaration.upgrades.get(envelope.task_version) if envelope.task_version < declaration.version else None
    reader = declaration.arguments if older is None else older
    return _validated(envelope, declaration, lambda: reader.read(envelope.arguments))


def _receive_pickled(raw: bytes, declarations: Mapping[str, Declaration]) -> Delivery | Misfit:
    job = read_pickled_job(raw)
    declaration = declarations.get(job.task)
    if declaration is None or declaration.function is None:
        # No version: what it is can be read by workers only that were told to.
        return Misfit("unknown task", job.task, 0, job.enqueued_at_ms)
    envelope = Envelope(job.task, b"", job.enqueued_at_ms, first_attempt=job.first_attempt)
    return _validated(envelope, declaration, lambda: declaration.arguments.take(job.args, job.kwargs))


def _validated(
    envelope: Envelope,
    declaration: Declaration,
    arguments: Callable[[], tuple[tuple[Any, ...], dict[str, Any]]],
) -> Delivery | Misfit:
    policy = effective(declaration.policy, envelope.overrides)
    try:
        args, kwargs = arguments()
    except UnreadableError:
        return Misfit("unreadable arguments", envelope.task, 0, envelope.enqueued_at_ms)
    except InvalidArgumentsError as error:
        return Delivery(envelope, declaration, policy, refused=error)
    except Exception as error:  # noqa: BLE001  a validator of the user's may raise anything; its text may hold values
        problem = ArgumentProblem("arguments", f"{type(error).__name__} was raised while they were validated")
        return Delivery(envelope, declaration, policy, refused=InvalidArgumentsError(envelope.task, [problem]))
    return Delivery(envelope, declaration, policy, args, kwargs)


def effective(policy: Policy, overrides: Overrides) -> Policy:
    """Return a task's rules with what one call said instead.

    >>> effective(Policy(retries=4), Overrides(retries=0)).retries
    0
    """
    if overrides is NO_OVERRIDES:
        return policy
    said: dict[str, Any] = {
        "retries": overrides.retries,
        "timeout_ms": overrides.timeout_ms,
        "backoff": overrides.backoff,
        "keep_result_ms": overrides.keep_result_ms,
    }
    return replace(policy, **{name: value for name, value in said.items() if value is not None})
