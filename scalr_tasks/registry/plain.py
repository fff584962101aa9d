"""One job under plain arq: what the compiled function does around an attempt.

arq claims, finishes and keeps results; everything between is here: counts,
policy, dead and parked jobs, the claim's extension. It imports no arq: it
answers with `RawResult`, or raises `JobEnded` or `RunLater`, and `compile.py`
tells arq.

Order matters for a crash between two steps: an attempt is counted and a dead
job is kept *before* arq finishes it, so a worker that dies in between leaves
the job in the queue, never nowhere.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from scalr_tasks import events
from scalr_tasks.attempt.call import Body, Limits, call, hopeless_arguments
from scalr_tasks.attempt.context import Context, ContextFacts
from scalr_tasks.attempt.threads import Threads
from scalr_tasks.broker.base import Begun, Broker, DeadJob
from scalr_tasks.broker.leases import LeaseBroker, Tick, tick_nonce
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.envelope import write_head
from scalr_tasks.errors import BrokerError
from scalr_tasks.policy import (
    MAX_CRASHES,
    Decision,
    Die,
    ErrorRecord,
    Finish,
    Hopeless,
    Outcome,
    RunAgain,
    decide,
)
from scalr_tasks.registry.app import App
from scalr_tasks.registry.codec import JobEnded, RawResult
from scalr_tasks.registry.declaration import Declaration
from scalr_tasks.registry.delivery import Delivery, Misfit
from scalr_tasks.registry.queue import Queue

PARKED_MS: Final = 24 * 3600 * 1000
"""How long a parked job waits for code that knows it, from its first parking."""

log: logging.Logger = logging.getLogger("scalr_tasks.worker")


class RunLater(Exception):  # noqa: N818  tells arq to run the job again
    """The job is not over; it is due again after `delay_ms`."""

    def __init__(self, delay_ms: int) -> None:
        self.delay_ms = delay_ms
        super().__init__(f"again in {delay_ms} ms")


@dataclass(frozen=True, slots=True)
class Claimed:
    """What arq says of a job that it has claimed."""

    job_id: str
    score: int
    redis: Any


@dataclass(frozen=True, slots=True)
class _Cancelled:
    """An attempt that was cancelled from outside."""

    task: str
    attempt: int
    duration_ms: int


class PlainRunner:
    """Runs the jobs of one queue inside one plain arq worker."""

    def __init__(
        self,
        app: App,
        queue: Queue,
        broker: Broker,
        leases: LeaseBroker,
        *,
        claim_ms: int,
        known: Mapping[str, int],
        state: object,
    ) -> None:
        self._app = app
        self._queue = queue
        self._broker = broker
        self._leases = leases
        self._claim_ms = claim_ms
        self._known = known
        self._state = state
        self._stuck_grace_s = app.settings().stuck_grace_s
        self._threads = Threads(queue.concurrency)
        self._bodies: dict[str, Body] = {}
        self._cancelled: dict[str, _Cancelled] = {}
        self.in_hand: set[str] = set()
        """Ids of the jobs whose bodies run now."""
        self._upkeep = asyncio.create_task(self._keep_up(), name="scalr-tasks-upkeep")

    async def stop(self) -> None:
        """End what runs beside the jobs."""
        self._upkeep.cancel()
        with suppress(asyncio.CancelledError):
            await self._upkeep
        self._threads.close()

    # -- jobs ----------------------------------------------------------------------------

    async def run(self, claimed: Claimed, delivery: Delivery) -> RawResult:
        """Run one attempt, and record what follows from it.

        Raises:
            JobEnded: the job is dead or expired.
            RunLater: the job runs again.
            BrokerError: Redis could not be told; the job must be run again.
            CancelledError: aborted, or given back by a shutdown.
        """
        begun = await self._broker.begin(claimed.job_id)
        envelope = delivery.envelope
        if begun.first_start and envelope.expires_at_ms is not None and envelope.expires_at_ms <= begun.now_ms:
            raise await self._expired(claimed, delivery)
        attempt = envelope.first_attempt + begun.attempts
        started_s = SYSTEM_CLOCK.monotonic_s()
        decision = await self._attempt(claimed, delivery, begun, attempt)
        duration_ms = round((SYSTEM_CLOCK.monotonic_s() - started_s) * 1000)
        self._tell(claimed, delivery, decision, attempt, duration_ms)
        match decision:
            case Finish(result):
                await self._entomb_if_unkept(claimed, delivery)
                return RawResult(result, attempt)
            case RunAgain(delay_ms, counts):
                await self._broker.postpone(claimed.job_id, counts=counts)
                raise RunLater(delay_ms)
            case Die(reason, error):
                await self._bury(claimed, delivery, reason, error, attempt, begun.now_ms)
                raise JobEnded("failed", error, reason=reason, attempt=attempt)

    async def park(self, claimed: Claimed, misfit: Misfit) -> None:
        """Keep a job that this code does not understand."""
        kept = await self._broker.park(
            claimed.job_id, self._queue.key, reason=misfit.reason, task=misfit.task, version=misfit.version
        )
        if kept:
            events.emit(events.JobParked(claimed.job_id, misfit.task, self._queue.name, misfit.reason))

    async def tick(self, declaration: Declaration, tick_ms: int) -> None:
        """Enqueue the job of one tick of a cron task; a second worker's call for the same tick stores nothing."""
        tick = Tick(
            task=declaration.name,
            queue_key=self._queue.key,
            tick_ms=tick_ms,
            head=write_head(declaration.name, tick_nonce(tick_ms), task_version=declaration.version),
            arguments=declaration.arguments.write((), {}),
            expires_ms=declaration.policy.expires_ms,
            may_overlap=declaration.schedule is None or declaration.schedule.overlap == "allow",
        )
        if await self._leases.tick(tick):
            events.emit(events.CronTick(tick.job_id, declaration.name, self._queue.name, tick_ms))

    async def conclude(self, job_id: str) -> None:
        """Forget the counts of a job that arq has finished, and wake those who wait for its end.

        arq cancels a job both to abort it and to give it back; only now can be seen which it was.
        """
        over = await self._broker.conclude(job_id)
        cancelled = self._cancelled.pop(job_id, None)
        if cancelled is None:
            return
        if over:
            events.emit(events.JobAborted(job_id, cancelled.task, self._queue.name, cancelled.attempt))
        else:
            events.emit(
                events.AttemptGivenBack(
                    job_id, cancelled.task, self._queue.name, cancelled.attempt, cancelled.duration_ms
                )
            )

    # -- the steps of an attempt ---------------------------------------------------------

    async def _attempt(self, claimed: Claimed, delivery: Delivery, begun: Begun, attempt: int) -> Decision:
        outcome: Outcome
        if delivery.refused is not None:
            outcome = hopeless_arguments(delivery.refused)
        elif begun.lost >= MAX_CRASHES:
            text = f"its worker was lost {begun.lost} times while it ran; it may be what kills the worker"
            outcome = Hopeless("worker_lost", ErrorRecord("WorkerLost", text))
        else:
            outcome = await self._call(claimed, delivery, begun, attempt)
        return decide(outcome, delivery.policy, attempt - 1)

    async def _call(self, claimed: Claimed, delivery: Delivery, begun: Begun, attempt: int) -> Outcome:
        envelope, policy = delivery.envelope, delivery.policy
        facts = ContextFacts(
            job_id=claimed.job_id,
            task=envelope.task,
            queue=self._queue.name,
            registry=self._app.name,
            attempt=attempt,
            enqueued_at_ms=envelope.enqueued_at_ms,
            deadline_at_ms=begun.now_ms + policy.timeout_ms,
            score=claimed.score,
        )
        context: Context[object] = Context(facts, state=self._state, redis=claimed.redis)
        started_s = SYSTEM_CLOCK.monotonic_s()
        waited_ms = max(0, begun.now_ms - claimed.score)
        events.emit(events.AttemptStarted(claimed.job_id, envelope.task, self._queue.name, attempt, waited_ms))
        try:
            async with self._claim_held(claimed.job_id):
                return await call(
                    self._body(delivery.declaration),
                    context,
                    delivery.args,
                    dict(delivery.kwargs or {}),
                    Limits(policy.timeout_ms / 1000, self._stuck_grace_s),
                    self._threads,
                )
        except asyncio.CancelledError:
            duration_ms = round((SYSTEM_CLOCK.monotonic_s() - started_s) * 1000)
            self._cancelled[claimed.job_id] = _Cancelled(envelope.task, attempt, duration_ms)
            # A shutdown gives the job back: this start must not look like a crash. Shielded, since the loop that
            # cancels us may do so again.
            with suppress(BrokerError):
                await asyncio.shield(self._broker.postpone(claimed.job_id, counts=False))
            raise

    def _body(self, declaration: Declaration) -> Body:
        body = self._bodies.get(declaration.name)
        if body is None:
            assert declaration.function is not None  # receive() parks a task without implementation
            body = self._bodies[declaration.name] = Body(
                task=declaration.name,
                function=declaration.function,
                takes_context=declaration.takes_context,
                is_async=declaration.is_async,
                write_result=declaration.result.write,
                middleware=self._app.middleware,
            )
        return body

    async def _expired(self, claimed: Claimed, delivery: Delivery) -> JobEnded:
        await self._entomb_if_unkept(claimed, delivery)
        events.emit(events.JobExpired(claimed.job_id, delivery.envelope.task, self._queue.name))
        return JobEnded("expired", ErrorRecord("JobExpiredError", "not started before its expires"), reason="expired")

    async def _entomb_if_unkept(self, claimed: Claimed, delivery: Delivery) -> None:
        if delivery.policy.keep_result_ms == 0:
            await self._broker.entomb(claimed.job_id, delivery.envelope.nonce)

    async def _bury(
        self, claimed: Claimed, delivery: Delivery, reason: str, error: ErrorRecord, attempt: int, now_ms: int
    ) -> None:
        envelope = delivery.envelope
        await self._broker.bury(
            DeadJob(
                job_id=claimed.job_id,
                task=envelope.task,
                queue=self._queue.name,
                queue_key=self._queue.key,
                reason=reason,
                error=error,
                attempts=attempt,
                enqueued_at_ms=envelope.enqueued_at_ms,
                died_at_ms=now_ms,
                payload=b"",
            )
        )
        await self._entomb_if_unkept(claimed, delivery)

    def _tell(self, claimed: Claimed, delivery: Delivery, decision: Decision, attempt: int, duration_ms: int) -> None:
        about = (claimed.job_id, delivery.envelope.task, self._queue.name, attempt)
        match decision:
            case Finish(result):
                events.emit(events.AttemptSucceeded(*about, duration_ms, len(result)))
            case RunAgain(delay_ms, error=None):
                events.emit(events.AttemptSnoozed(*about, duration_ms, delay_ms))
            case RunAgain(delay_ms, error=ErrorRecord() as error):
                events.emit(_failed(about, duration_ms, error, delivery, delay_ms))
            case Die(reason, error):
                if reason in {"failed", "gave_up"}:
                    events.emit(_failed(about, duration_ms, error, delivery, None))
                events.emit(events.JobDied(*about, reason, error.type, error.message, error.traceback))

    # -- beside the jobs -----------------------------------------------------------------

    @asynccontextmanager
    async def _claim_held(self, job_id: str) -> AsyncIterator[None]:
        """Extend arq's claim every third of its time: a call's timeout may be longer than the class knew."""
        holder = asyncio.create_task(self._hold(job_id))
        self.in_hand.add(job_id)
        try:
            yield
        finally:
            self.in_hand.discard(job_id)
            holder.cancel()

    async def _hold(self, job_id: str) -> None:
        while True:
            await asyncio.sleep(self._claim_ms / 3000)
            try:
                await self._broker.hold(job_id, self._claim_ms)
            except BrokerError as error:
                log.warning("claim was not extended: job=%s: %s", job_id, error, extra={"event": "claim.not_extended"})

    async def _keep_up(self) -> None:
        interval_s = self._app.settings().upkeep_interval_s
        while True:
            try:
                requeued = await self._broker.unpark(self._queue.key, self._known)
                if requeued:
                    events.emit(events.JobsUnparked(self._queue.name, len(requeued)))
                for job_id in await self._broker.bury_overdue_parked(PARKED_MS):
                    text = "parked for 24 hours, and no code knew it"
                    events.emit(events.JobDied(job_id, "", "", 0, "parked", "ParkedTooLong", text))
            except BrokerError as error:
                log.warning("parked jobs were not looked at: %s", error, extra={"event": "upkeep.failed"})
            await asyncio.sleep(interval_s)


def _failed(
    about: tuple[str, str, str, int], duration_ms: int, error: ErrorRecord, delivery: Delivery, retry_in_ms: int | None
) -> events.AttemptFailed:
    return events.AttemptFailed(
        *about,
        duration_ms,
        error.type,
        error.message,
        error.traceback,
        retry_in_ms=retry_in_ms,
        max_attempts=delivery.policy.retries + 1,
    )
