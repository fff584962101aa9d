"""`attempt/call.py`: whatever a body does, its attempt ends with an Outcome."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from scalr_tasks.attempt.call import MAX_MESSAGE_CHARS, Body, Limits, call, record_of
from scalr_tasks.attempt.context import Context, ContextFacts, current_context
from scalr_tasks.attempt.threads import Threads
from scalr_tasks.errors import ContextUnavailableError, NotSerialisableError
from scalr_tasks.policy import (
    MAX_RESULT_BYTES,
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


def write(value: Any) -> bytes:
    if isinstance(value, str):
        return b'"%s"' % value.encode()
    raise NotSerialisableError("work", "its result", "it is no str")


def body_of(function: Any, *, is_async: bool = True, takes_context: bool = False, middleware: Any = ()) -> Body:
    return Body("work", function, takes_context, is_async, write, tuple(middleware))


def context() -> Context[object]:
    return Context(ContextFacts(job_id="j1", task="work", queue="default", registry="r"))


def never_stuck(task: str, job_id: str) -> None:
    pytest.fail("the process would have ended")


async def attempt(
    function: Any, *, timeout_s: float = 5.0, overstay_s: float = 5.0, on_stuck: Any = never_stuck, **body: Any
) -> Outcome:
    threads = Threads(2)
    try:
        limits = Limits(timeout_s, overstay_s, on_stuck)
        return await call(body_of(function, **body), context(), (), {}, limits, threads)
    finally:
        threads.close()


# -- what a body may do ------------------------------------------------------------------


async def test_a_returned_value_is_written_by_the_result_codec() -> None:
    async def work() -> str:
        return "ok"

    assert await attempt(work) == Succeeded(b'"ok"')


class ReprFails(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        BaseException("bare"),
        ReprFails(),
        OSError(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("is_async", [True, False])
async def test_any_exception_is_a_failure_of_the_attempt_only(error: BaseException, is_async: bool) -> None:
    async def work() -> str:
        raise error

    def sync_work() -> str:
        raise error

    outcome = await attempt(work if is_async else sync_work, is_async=is_async)

    assert isinstance(outcome, Failed)
    assert outcome.exception is error
    assert outcome.error.type == type(error).__name__


async def test_stop_iteration_of_a_sync_body_does_not_hang_its_job() -> None:
    def work() -> str:
        raise StopIteration

    outcome = await attempt(work, is_async=False)

    assert isinstance(outcome, Failed)
    assert "StopIteration" in outcome.error.message


async def test_a_cancelled_error_that_the_body_raised_itself_is_a_failure() -> None:
    async def work() -> str:
        raise asyncio.CancelledError

    outcome = await attempt(work)

    assert isinstance(outcome, Failed)
    assert outcome.error.type == "CancelledError"


async def test_a_cancellation_from_outside_passes_through() -> None:
    entered = asyncio.Event()

    async def work() -> str:
        entered.set()
        await asyncio.Event().wait()
        return "never"

    running = asyncio.create_task(attempt(work))
    await entered.wait()
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


async def test_retry_snooze_and_give_up_are_outcomes_of_their_own() -> None:
    async def retry() -> str:
        raise Retry(delay=2)

    async def snooze() -> str:
        raise Snooze(delay=3)

    async def give_up() -> str:
        raise GiveUp("the customer is gone")

    retried, snoozed, given_up = await attempt(retry), await attempt(snooze), await attempt(give_up)

    assert isinstance(retried, RetryAsked)
    assert retried.delay_ms == 2000
    assert snoozed == SnoozeAsked(3000)
    assert isinstance(given_up, Hopeless)
    assert (given_up.reason, given_up.error.message) == ("gave_up", "the customer is gone")


# -- the deadline ------------------------------------------------------------------------


async def test_a_body_past_its_deadline_is_cancelled_and_timed_out() -> None:
    cancelled = asyncio.Event()

    async def work() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return "never"

    outcome = await attempt(work, timeout_s=0.01)

    assert cancelled.is_set()
    assert isinstance(outcome, Failed)
    assert outcome.timed_out
    assert outcome.error.message == "took longer than its timeout of 0.01 s"


async def test_a_timeout_error_of_the_body_is_not_our_deadline() -> None:
    async def work() -> str:
        raise TimeoutError("the mail server")

    outcome = await attempt(work)

    assert isinstance(outcome, Failed)
    assert not outcome.timed_out
    assert outcome.error.message == "the mail server"


async def test_an_error_raised_while_the_deadline_unwinds_the_body_is_still_a_timeout() -> None:
    async def work() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("cleaning up failed")

    outcome = await attempt(work, timeout_s=0.01)

    assert isinstance(outcome, Failed)
    assert outcome.timed_out


async def test_a_sync_body_past_its_deadline_keeps_its_job_until_its_thread_has_ended() -> None:
    release = threading.Event()
    ended: list[str] = []

    def work() -> str:
        release.wait(5)
        ended.append("thread")
        return "late"

    running = asyncio.create_task(attempt(work, is_async=False, timeout_s=0.01))
    done, _ = await asyncio.wait({running}, timeout=0.1)
    assert not done
    release.set()
    outcome = await running

    assert ended == ["thread"]
    assert isinstance(outcome, Failed)
    assert outcome.timed_out


async def test_a_sync_body_that_never_ends_is_reported_as_stuck() -> None:
    release = threading.Event()
    stuck: list[tuple[str, str]] = []

    def work() -> str:
        release.wait(5)
        return "never"

    await attempt(
        work, is_async=False, timeout_s=0.01, overstay_s=0.02, on_stuck=lambda task, job: stuck.append((task, job))
    )
    release.set()

    assert stuck == [("work", "j1")]


# -- results -----------------------------------------------------------------------------


async def test_a_result_that_cannot_be_written_is_hopeless_and_says_that_the_body_has_run() -> None:
    async def work() -> int:
        return 1

    outcome = await attempt(work)

    assert isinstance(outcome, Hopeless)
    assert outcome.reason == "bad_result"
    assert "the task ran to its end" in outcome.error.message


async def test_a_result_over_the_limit_is_hopeless() -> None:
    async def work() -> str:
        return "x" * MAX_RESULT_BYTES

    outcome = await attempt(work)

    assert isinstance(outcome, Hopeless)
    assert "1,000,002 bytes" in outcome.error.message


# -- context, middleware, threads --------------------------------------------------------


@pytest.mark.parametrize("is_async", [True, False])
async def test_the_context_is_current_while_the_body_runs_and_gone_afterwards(is_async: bool) -> None:
    async def work(ctx: Context) -> str:
        return "same" if current_context() is ctx else "other"

    def sync_work(ctx: Context) -> str:
        return "same" if current_context() is ctx else "other"

    outcome = await attempt(work if is_async else sync_work, is_async=is_async, takes_context=True)

    assert outcome == Succeeded(b'"same"')
    with pytest.raises(ContextUnavailableError):
        current_context()


async def test_the_first_middleware_is_the_outermost_and_sees_the_typed_result() -> None:
    seen: list[Any] = []

    def around(name: str) -> Any:
        async def middleware(ctx: Context, call_next: Any) -> Any:
            seen.append(f"{name} in")
            result = await call_next()
            seen.append(f"{name} out {result}")
            return result

        return middleware

    async def work() -> str:
        seen.append("body")
        return "ok"

    outcome = await attempt(work, middleware=[around("a"), around("b")])

    assert outcome == Succeeded(b'"ok"')
    assert seen == ["a in", "b in", "body", "b out ok", "a out ok"]


async def test_a_middleware_that_raises_fails_the_attempt() -> None:
    async def middleware(ctx: Context, call_next: Any) -> Any:
        raise LookupError("no tenant")

    async def work() -> str:
        return "ok"

    outcome = await attempt(work, middleware=[middleware])

    assert isinstance(outcome, Failed)
    assert outcome.error.type == "LookupError"


async def test_threads_never_exceed_the_size_of_the_pool() -> None:
    threads, barrier = Threads(2), threading.Barrier(3, timeout=5)
    names: set[str] = set()

    def work() -> None:
        names.add(threading.current_thread().name)

    def meet() -> None:
        work()
        barrier.wait()

    first = [threads.run(meet), threads.run(meet)]
    queued = threads.run(work)
    await asyncio.to_thread(barrier.wait)
    await asyncio.gather(*first, queued)
    threads.close()

    assert len(names) == 2


def call_in(threads: Threads, work: Callable[[], Any]) -> "asyncio.Task[Outcome]":
    return asyncio.create_task(
        call(body_of(work, is_async=False), context(), (), {}, Limits(5, 5, never_stuck), threads)
    )


async def test_a_cancelled_job_whose_sync_body_waits_for_a_thread_never_begins() -> None:
    threads, entered, release = Threads(1), threading.Event(), threading.Event()
    began: list[str] = []

    def hold() -> None:
        entered.set()
        release.wait(5)

    first = threads.run(hold)
    waiting = call_in(threads, lambda: began.append("cancelled"))
    await asyncio.to_thread(entered.wait, 5)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    release.set()
    await asyncio.gather(first, threads.run(began.append, "next"))
    threads.close()
    assert began == ["next"]


async def test_a_body_that_goes_on_after_its_job_was_cancelled_takes_no_thread_from_the_next() -> None:
    threads, entered, release = Threads(1), threading.Event(), threading.Event()

    def stay() -> None:
        entered.set()
        release.wait(10)

    left = call_in(threads, stay)
    await asyncio.to_thread(entered.wait, 5)
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left

    async with asyncio.timeout(5):
        word = await threads.run(lambda: "beside it")

    assert (word, release.is_set()) == ("beside it", False)
    release.set()
    threads.close()


async def test_a_body_that_has_begun_is_not_withdrawn() -> None:
    threads, entered, release = Threads(1), threading.Event(), threading.Event()

    def stay() -> str:
        entered.set()
        release.wait(5)
        return "ran"

    future = threads.run(stay)
    await asyncio.to_thread(entered.wait, 5)

    assert not threads.withdraw(future)

    release.set()
    assert await future == "ran"
    threads.close()


# -- errors as they are kept -------------------------------------------------------------


def test_an_error_whose_text_fails_is_still_recorded() -> None:
    record = record_of(ReprFails())

    assert record.message == "(its text could not be made: ValueError)"


def test_a_kept_message_is_cut_and_writable_as_utf8() -> None:
    record = record_of(ValueError("\ud800" + "x" * 10_000))

    assert record.message.startswith("\\ud800")
    assert len(record.message.encode()) < MAX_MESSAGE_CHARS + 20


async def test_a_kept_traceback_begins_in_the_users_code() -> None:
    async def work() -> str:
        raise ValueError("here")

    outcome = await attempt(work)

    assert isinstance(outcome, Failed)
    assert "attempt/call.py" not in outcome.error.traceback
    assert "in work" in outcome.error.traceback
