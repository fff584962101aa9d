"""One attempt as a worker makes it, over the memory broker: claim, call, decide, finish.

The steps and their order are those of `registry/plain.py`; the body, its
middleware, its deadline and its outcome are `attempt/call.py`'s own. Two
things differ: delays have no jitter, so that a test can name them, and the
exception itself is kept beside its text.

Reads next: `session.py`, which chooses what runs and when.
"""

import asyncio
import logging
from collections.abc import Callable
from contextvars import Context as Variables
from dataclasses import dataclass
from typing import Any, Final

from scalr_tasks.attempt.call import Body, CallNext, Limits, call, hopeless_arguments
from scalr_tasks.attempt.context import Context, ContextFacts
from scalr_tasks.attempt.threads import Threads
from scalr_tasks.broker.base import Begun, DeadJob
from scalr_tasks.broker.memory_engine import Due
from scalr_tasks.clock import Clock
from scalr_tasks.envelope import ResultRecord, write_error
from scalr_tasks.policy import (
    MAX_CRASHES,
    Decision,
    Die,
    ErrorRecord,
    Failed,
    Finish,
    Hopeless,
    Outcome,
    RunAgain,
    Succeeded,
    decide,
)
from scalr_tasks.registry.declaration import Declaration
from scalr_tasks.registry.delivery import Delivery, Misfit, receive
from scalr_tasks.testing.faults import Faults
from scalr_tasks.testing.records import Attempt, AttemptEnd
from scalr_tasks.testing.store import KitBroker
from scalr_tasks.testing.wire import check_arguments, check_result

CLAIM_SPARE_MS: Final = 10_000
"""How much longer than its timeout a job stays claimed when its worker dies, as under plain arq."""

OVERSTAY_S: Final = 30.0
"""How long past its timeout a sync body may hold its thread."""

log: logging.Logger = logging.getLogger("scalr_tasks.testing")


class LostError(Exception):
    """The worker was killed: nothing is told to the broker."""


@dataclass(slots=True)
class Claimed:
    """A job that is being run."""

    broker: KitBroker
    due: Due
    delivery: Delivery
    begun: Begun
    number: int
    state: object
    variables: Variables

    @property
    def queue(self) -> str:
        """Name of the queue."""
        key = self.due.queue_key
        return next((name for name, queue in self.broker.app.queues.items() if queue.key == key), key)


@dataclass(slots=True)
class _Ended:
    """An outcome, with the exception behind it."""

    outcome: Outcome
    exception: BaseException | None = None


class Engine:
    """Runs attempts, one at a call."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self._clock = clock
        self._faults = faults
        self._threads = Threads(32)
        self._running: dict[str, asyncio.Task[Outcome]] = {}
        self._bodies: dict[tuple[KitBroker, str], Body] = {}
        self._caught: dict[str, BaseException] = {}
        self.redis: object = None
        """What tasks get as `ctx.redis`."""
        self.lapses: list[int] = []
        """When the claims of killed workers lapse, epoch ms."""

    def close(self) -> None:
        """Let idle threads end."""
        self._threads.close()

    def abort(self, job_id: str) -> None:
        """Cancel a running job, from whichever thread."""
        task = self._running.get(job_id)
        if task is not None:
            task.get_loop().call_soon_threadsafe(task.cancel)

    async def run(self, broker: KitBroker, due: Due, state: object, variables: Variables) -> Attempt | None:
        """Run one attempt of a due job, and record what follows from it; None where it cannot be claimed.

        Args:
            broker: where the job is.
            due: the job.
            state: what the registry's lifespan yielded.
            variables: the context variables that the body runs in.

        Raises:
            NotSerialisableError: an argument or the result changes on the wire.
        """
        raw = await broker.payload(due.job_id)
        if raw is None:
            return None
        received = _received(broker, raw)
        timeout_ms = 0 if isinstance(received, Misfit) else received.policy.timeout_ms
        if await broker.claim(due.job_id, timeout_ms + CLAIM_SPARE_MS) is None:
            return None
        if isinstance(received, Misfit):
            return await self._park(broker, due, received)
        begun = await broker.begin(due.job_id)
        number = received.envelope.first_attempt + begun.attempts
        claimed = Claimed(broker, due, received, begun, number, state, variables)
        expires_at_ms = received.envelope.expires_at_ms
        if begun.first_start and expires_at_ms is not None and expires_at_ms <= begun.now_ms:
            error = ErrorRecord("JobExpiredError", "not started before its expires")
            return await self._end(claimed, "expired", write_error(error))
        try:
            ended = await self._attempt(claimed)
        except LostError:
            self.lapses.append(begun.now_ms + timeout_ms + CLAIM_SPARE_MS)
            return self._told(claimed, "lost")
        except asyncio.CancelledError:
            if await broker.abort_asked(due.job_id):
                error = ErrorRecord("JobAbortedError", "the job was aborted")
                return await self._end(claimed, "aborted", write_error(error))
            await broker.postpone(due.job_id, counts=False)
            await broker.drop_claim(due.job_id)
            raise
        if isinstance(ended.outcome, Succeeded):
            check_result(received.declaration, ended.outcome.result, due.job_id)
        decision = decide(ended.outcome, received.policy, number - 1, _no_jitter)
        return await self._record(claimed, decision, ended)

    # -- the call ------------------------------------------------------------------------

    async def _attempt(self, claimed: Claimed) -> _Ended:
        delivery, begun = claimed.delivery, claimed.begun
        if delivery.refused is not None:
            return _Ended(hopeless_arguments(delivery.refused), delivery.refused)
        if begun.lost >= MAX_CRASHES:
            text = f"its worker was lost {begun.lost} times while it ran; it may be what kills the worker"
            return _Ended(Hopeless("worker_lost", ErrorRecord("WorkerLost", text)))
        body = self._body(claimed)
        job_id = claimed.due.job_id
        limits = Limits(delivery.policy.timeout_ms / 1000, OVERSTAY_S, on_stuck=_say_stuck)
        running = asyncio.get_running_loop().create_task(
            call(body, self._context(claimed), delivery.args, dict(delivery.kwargs or {}), limits, self._threads),
            context=claimed.variables,
        )
        self._running[job_id] = running
        try:
            outcome = await running
        finally:
            del self._running[job_id]
            caught = self._caught.pop(job_id, None)
        if self._faults.next_kill(delivery.envelope.task):
            raise LostError
        if isinstance(outcome, Failed):
            return _Ended(outcome, outcome.exception)
        return _Ended(outcome, caught)

    def _body(self, claimed: Claimed) -> Body:
        broker, declaration = claimed.broker, claimed.delivery.declaration
        assert declaration.function is not None  # receive() answers a misfit for a task without implementation
        failure = self._faults.next_failure(declaration.name)
        if failure is not None:
            return self._made_body(broker, declaration, _raising(failure), is_async=True)
        known = self._bodies.get((broker, declaration.name))
        if known is None or known.function is not declaration.function:
            known = self._made_body(broker, declaration, declaration.function, is_async=declaration.is_async)
            self._bodies[broker, declaration.name] = known
        return known

    def _made_body(
        self, broker: KitBroker, declaration: Declaration, function: Callable[..., Any], *, is_async: bool
    ) -> Body:
        middleware = (self._catching, *broker.app.middleware)
        return Body(
            declaration.name, function, declaration.takes_context, is_async, declaration.result.write, middleware
        )

    async def _catching(self, context: Context[Any], call_next: CallNext) -> Any:
        """Keep the exception itself: an outcome has its text only."""
        try:
            return await call_next()
        except BaseException as error:
            self._caught[context.job_id] = error
            raise

    def _context(self, claimed: Claimed) -> Context[object]:
        envelope, begun = claimed.delivery.envelope, claimed.begun
        facts = ContextFacts(
            job_id=claimed.due.job_id,
            task=envelope.task,
            queue=claimed.queue,
            registry=claimed.broker.app.name,
            attempt=claimed.number,
            enqueued_at_ms=envelope.enqueued_at_ms,
            deadline_at_ms=begun.now_ms + claimed.delivery.policy.timeout_ms,
            score=claimed.due.due_at_ms,
        )
        return Context(facts, state=claimed.state, redis=self.redis)

    # -- what follows --------------------------------------------------------------------

    async def _record(self, claimed: Claimed, decision: Decision, ended: _Ended) -> Attempt:
        broker, job_id = claimed.broker, claimed.due.job_id
        match decision:
            case Finish(result):
                return await self._end(claimed, "succeeded", result)
            case RunAgain(delay_ms, counts, error):
                await broker.postpone(job_id, counts=counts)
                await broker.drop_claim(job_id, self._clock.now_ms() + delay_ms)
                end: AttemptEnd = "retried" if counts else "snoozed"
                return self._told(claimed, end, error, ended.exception, delay_ms=delay_ms)
            case Die(reason, error):
                await self._bury(claimed, reason, error)
                await self._end(claimed, "dead", write_error(error), reason)
                return self._told(claimed, "dead", error, ended.exception, reason=reason)

    async def _bury(self, claimed: Claimed, reason: str, error: ErrorRecord) -> None:
        envelope = claimed.delivery.envelope
        await claimed.broker.bury(
            DeadJob(
                job_id=claimed.due.job_id,
                task=envelope.task,
                queue=claimed.queue,
                queue_key=claimed.due.queue_key,
                reason=reason,
                error=error,
                attempts=claimed.number,
                enqueued_at_ms=envelope.enqueued_at_ms,
                died_at_ms=0,
                payload=b"",
            )
        )

    async def _end(self, claimed: Claimed, end: AttemptEnd, body: bytes, reason: str = "") -> Attempt:
        broker, envelope = claimed.broker, claimed.delivery.envelope
        keep_ms = claimed.delivery.policy.keep_result_ms
        if keep_ms == 0:
            await broker.entomb(claimed.due.job_id, envelope.nonce)
        record = ResultRecord(
            kind={"succeeded": "done", "dead": "failed"}.get(end, end),
            task=envelope.task,
            job_id=claimed.due.job_id,
            body=body,
            queue=claimed.due.queue_key,
            nonce=envelope.nonce,
            attempt=claimed.number,
            enqueued_at_ms=envelope.enqueued_at_ms,
            started_at_ms=claimed.begun.now_ms,
            finished_at_ms=self._clock.now_ms(),
            reason=reason,
        )
        await broker.finish(claimed.due.job_id, record, keep_ms)
        await broker.conclude(claimed.due.job_id)
        return self._told(claimed, end)

    async def _park(self, broker: KitBroker, due: Due, misfit: Misfit) -> Attempt:
        await broker.park(due.job_id, due.queue_key, reason=misfit.reason, task=misfit.task, version=misfit.version)
        await broker.finish(due.job_id, None, 0)
        return Attempt(due.job_id, misfit.task, 1, self._clock.now_ms(), "parked", reason=misfit.reason)

    def _told(
        self,
        claimed: Claimed,
        end: AttemptEnd,
        error: ErrorRecord | None = None,
        exception: BaseException | None = None,
        *,
        reason: str = "",
        delay_ms: int | None = None,
    ) -> Attempt:
        return Attempt(
            claimed.due.job_id,
            claimed.delivery.envelope.task,
            claimed.number,
            claimed.begun.now_ms,
            end,
            delay_ms,
            reason,
            "" if error is None else f"{error.type}: {error.message}",
            exception,
        )


def _received(broker: KitBroker, raw: bytes) -> Delivery | Misfit:
    received = receive(raw, broker.app.declarations, read_pickle=broker.app.read_pickle)
    if isinstance(received, Delivery) and received.refused is None and received.envelope.arguments:
        kwargs = dict(received.kwargs or {})
        check_arguments(received.declaration, received.envelope.arguments, received.args, kwargs)
    return received


def _raising(error: BaseException) -> Callable[..., Any]:
    async def fail(*_args: Any, **_kwargs: Any) -> None:
        raise error

    return fail


def _no_jitter(_low: float, _high: float) -> float:
    return 0.0


def _say_stuck(task: str, job_id: str) -> None:
    # A worker would end its process here; a test run goes on, and says what a worker would do.
    log.error("a worker would end here, its body is stuck: task=%s job=%s", task, job_id, extra={"event": "kit.stuck"})
