"""One attempt of one job: call the function under its deadline, return the Outcome.

Nothing here knows Redis or the engine. Whatever a body raises ends its own
attempt and never the worker; only a cancellation from outside (an abort, a
shutdown) passes through.

Reads next: `policy.py`, which decides what an Outcome means for the job.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from scalr_tasks.attempt.context import Context, entered
from scalr_tasks.attempt.threads import Threads, end_process
from scalr_tasks.errors import InvalidArgumentsError, NotSerialisableError
from scalr_tasks.policy import (
    MAX_RESULT_BYTES,
    ErrorRecord,
    Failed,
    GiveUp,
    Hopeless,
    Outcome,
    Retry,
    RetryAsked,
    Snooze,
    SnoozeAsked,
    Succeeded,
)

MAX_MESSAGE_CHARS: Final = 2_000
MAX_TRACEBACK_CHARS: Final = 16_000
LEAVE_THREAD_S: Final = 1.0
"""How long an aborted or released job waits for its thread, which nothing can stop."""

_HERE: Final = str(Path(__file__).resolve().parent.parent)

CallNext = Callable[[], Awaitable[Any]]
Middleware = Callable[[Context[Any], CallNext], Awaitable[Any]]
"""`async def around(ctx, call_next)`: awaits `call_next()` and returns its result."""


@dataclass(frozen=True, slots=True)
class Body:
    """What an attempt needs of a task."""

    task: str
    function: Callable[..., Any]
    takes_context: bool
    is_async: bool
    write_result: Callable[[Any], bytes]
    middleware: tuple[Middleware, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds an attempt."""

    timeout_s: float
    overstay_s: float
    """How long past `timeout_s` a sync body may hold its thread before the process ends."""
    on_stuck: Callable[[str, str], None] = end_process
    """Called with task and job id when that is over."""


async def call(
    body: Body,
    context: Context[Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    limits: Limits,
    threads: Threads,
) -> Outcome:
    """Run one attempt.

    Raises:
        CancelledError: it was cancelled from outside, before its deadline.
    """
    task = asyncio.current_task()
    assert task is not None
    deadline = asyncio.timeout(limits.timeout_s)
    try:
        with entered(context):
            async with deadline:
                value = await _around(body, context, _innermost(body, context, args, kwargs, limits, threads, deadline))
    except asyncio.CancelledError as error:
        # arq cancels a second time when a body ignores the deadline; that is still our timeout.
        if task.cancelling() > 0 and not deadline.expired():
            raise
        return _failed(error, limits, deadline)
    except BaseException as error:  # noqa: BLE001  SystemExit of a body must not end the worker
        return _failed(error, limits, deadline)
    return _succeeded(body, value)


def hopeless_arguments(error: InvalidArgumentsError) -> Hopeless:
    """Return the outcome of a job whose arguments do not fit this code: no attempt can help."""
    return Hopeless("invalid_arguments", ErrorRecord(type(error).__name__, text_of(error)))


def _innermost(
    body: Body,
    context: Context[Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    limits: Limits,
    threads: Threads,
    deadline: asyncio.Timeout,
) -> CallNext:
    if body.takes_context:
        args = (context, *args)
    if body.is_async:
        return partial(body.function, *args, **kwargs)
    return partial(_in_thread, partial(body.function, *args, **kwargs), context, limits, threads, deadline)


async def _around(body: Body, context: Context[Any], innermost: CallNext) -> Any:
    call_next = innermost
    for middleware in reversed(body.middleware):
        call_next = partial(middleware, context, call_next)
    return await call_next()


async def _in_thread(
    function: Callable[[], Any],
    context: Context[Any],
    limits: Limits,
    threads: Threads,
    deadline: asyncio.Timeout,
) -> Any:
    future = threads.run(function)
    try:
        await asyncio.wait({future})
    except asyncio.CancelledError:
        if threads.withdraw(future):
            raise  # it never began
        # A thread cannot be stopped. After the deadline the job keeps its slot until the thread ends, so that the
        # next attempt never runs beside this one; an abort or a shutdown waits only a moment.
        when = deadline.when()
        late = when is not None and when <= asyncio.get_running_loop().time()
        await _outlast(future, limits.overstay_s if late else LEAVE_THREAD_S)
        if late and not future.done():
            limits.on_stuck(context.task, context.job_id)
        threads.leave(future)
        if future.done() and not future.cancelled():
            future.exception()  # looked at, so that asyncio does not report it as never retrieved
        raise
    return future.result()


async def _outlast(future: "asyncio.Future[Any]", seconds: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while not future.done() and (left := until - loop.time()) > 0:
        try:
            await asyncio.wait({future}, timeout=left)
        except asyncio.CancelledError:
            continue  # told again; the thread is still there


def _succeeded(body: Body, value: Any) -> Outcome:
    try:
        result = body.write_result(value)
    except NotSerialisableError as error:
        problem = error.problem
    except BaseException as error:  # noqa: BLE001  a serializer of the user's may raise anything
        problem = f"{type(error).__name__} while it was written"
    else:
        if len(result) <= MAX_RESULT_BYTES:
            return Succeeded(result)
        problem = f"it has {len(result):,} bytes, more than the {MAX_RESULT_BYTES:,} that are kept"
    text = f"the task ran to its end, but its result cannot be kept: {problem}; not run again"
    return Hopeless("bad_result", ErrorRecord("NotSerialisableError", text))


def _failed(error: BaseException, limits: Limits, deadline: asyncio.Timeout) -> Outcome:
    if deadline.expired():
        record = record_of(error, message=f"took longer than its timeout of {limits.timeout_s:g} s")
        return Failed(ErrorRecord("TimeoutError", record.message, record.traceback), TimeoutError(), timed_out=True)
    match error:
        case Retry(delay_ms=delay_ms):
            return RetryAsked(delay_ms, record_of(error))
        case Snooze(delay_ms=delay_ms):
            return SnoozeAsked(delay_ms)
        case GiveUp():
            return Hopeless("gave_up", record_of(error))
    return Failed(record_of(error), error)


# -- errors as texts ---------------------------------------------------------------------


def text_of(error: BaseException) -> str:
    """Return an exception's text, whatever its `__str__` does."""
    try:
        return clean(str(error), MAX_MESSAGE_CHARS)
    except BaseException as raised:  # noqa: BLE001  it is the body's own code that runs here
        return f"(its text could not be made: {type(raised).__name__})"


def clean(text: str, limit: int) -> str:
    """Cut a text to `limit` characters and make it writable as UTF-8."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def record_of(error: BaseException, message: str | None = None) -> ErrorRecord:
    """Return an exception as it is kept: type, text, traceback without our own frames."""
    text = text_of(error) if message is None else message
    return ErrorRecord(type(error).__qualname__, text, _traceback_of(error))


def _traceback_of(error: BaseException) -> str:
    try:
        lines = traceback.format_exception(type(error), error, _without_our_frames(error.__traceback__))
        text = "".join(lines)
    except BaseException as raised:  # noqa: BLE001  repr of the body's own objects may fail
        text = f"(the traceback could not be made: {type(raised).__name__})"
    if len(text) > MAX_TRACEBACK_CHARS:
        half = MAX_TRACEBACK_CHARS // 2
        text = f"{text[:half]}\n… cut …\n{text[-half:]}"
    return clean(text, MAX_TRACEBACK_CHARS * 2)


def _without_our_frames(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_HERE):
        trace = trace.tb_next
    return trace
