"""One claimed job, from its bytes to what is told of it: `Runner`.

It awaits nothing but the body: what follows from an attempt (a result, a
retry, a death) is returned, and sent with the next step.

Reads next: `attempt/call.py` for the call, `policy.py` for the decision,
`claim.py` for the steps.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from scalr_tasks import events
from scalr_tasks.attempt.call import Body, Limits, call, hopeless_arguments, record_of
from scalr_tasks.attempt.context import Context, ContextFacts
from scalr_tasks.attempt.threads import Threads
from scalr_tasks.broker.base import DeadJob
from scalr_tasks.broker.leases import Again, Aside, Back, Ended
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.envelope import ResultRecord, write_error, write_result
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
    decide,
)
from scalr_tasks.registry.app import App
from scalr_tasks.registry.codec import CRON_PREFIX
from scalr_tasks.registry.declaration import Declaration
from scalr_tasks.registry.delivery import Delivery, Misfit, receive
from scalr_tasks.registry.queue import Queue
from scalr_tasks.worker.hand import InHand, Stop

News = Ended | Again | Back | Aside
"""What is told of a job when this worker is done with it."""

_ABORTED = write_error(ErrorRecord("JobAbortedError", "the job was aborted"))
_EXPIRED = write_error(ErrorRecord("JobExpiredError", "not started before its expires"))


class Runner:
    """Runs the jobs of one queue.

    Args:
        app: the registry.
        queue: the queue.
        state: what the registry's lifespan yielded.
        redis: client that bodies are given.
        now_ms: the store's time, epoch ms.
    """

    def __init__(self, app: App, queue: Queue, *, state: object, redis: Any, now_ms: Callable[[], int]) -> None:
        self._app = app
        self._queue = queue
        self._state = state
        self._redis = redis
        self._now_ms = now_ms
        self._threads = Threads(queue.concurrency)
        self._bodies: dict[str, Body] = {}
        self._stuck_s = app.settings().stuck_grace_s

    def close(self) -> None:
        """Let idle threads end."""
        self._threads.close()

    def read(self, job: InHand) -> Delivery | News:
        """Read a job's bytes; where no attempt can be made of them, say what becomes of the job."""
        claimed = job.claimed
        received = receive(claimed.payload, self._app.declarations, read_pickle=self._app.read_pickle)
        if isinstance(received, Misfit) and self._is_tick(received):
            # What plain arq's workers do for a tick; ours ask for it themselves, and the store knows it once.
            return Ended(claimed.job_id, job.token, b"", 0, "")
        if isinstance(received, Misfit) or _is_no_text(claimed.job_id):
            return self._set_aside(job, received)
        envelope = received.envelope
        job.delivery = received
        job.attempt = envelope.first_attempt + claimed.attempts
        if claimed.abort_asked_ms and claimed.abort_asked_ms >= envelope.enqueued_at_ms:
            return self.aborted(job, received)
        expires_at_ms = envelope.expires_at_ms
        if expires_at_ms is not None and claimed.is_first and expires_at_ms <= self._now_ms():
            events.emit(events.JobExpired(claimed.job_id, envelope.task, self._queue.name))
            return self._end(job, received, "expired", _EXPIRED, reason="expired")
        return received

    async def run(self, job: InHand, delivery: Delivery) -> News | None:
        """Run one attempt; None where nothing is to be told, because the lease is lost."""
        job.started_s = SYSTEM_CLOCK.monotonic_s()
        policy, claimed = delivery.policy, job.claimed
        job.deadline_s = job.started_s + policy.timeout_ms / 1000
        started_ms = self._now_ms()
        outcome: Outcome
        if delivery.refused is not None:
            outcome = hopeless_arguments(delivery.refused)
        elif claimed.lost >= MAX_CRASHES:
            text = f"its worker was lost {claimed.lost} times while it ran; it may be what kills the worker"
            outcome = Hopeless("worker_lost", ErrorRecord("WorkerLost", text))
        else:
            try:
                outcome = await self._call(job, delivery, started_ms)
            except asyncio.CancelledError as cancelled:
                if job.stop is not None:
                    return self.stopped(job, delivery)
                outcome = Failed(record_of(cancelled), cancelled)  # the body has cancelled its own task
        decision = decide(outcome, policy, job.attempt - 1)
        if job.stop is not Stop.LOST:
            self._tell(job, delivery, decision)
        match decision:
            case Finish(result):
                return self._end(job, delivery, "done", result, started_ms=started_ms)
            case RunAgain(delay_ms, counts):
                return Again(job.job_id, job.token, delay_ms, counts)
            case Die(reason, error):
                dead = self._dead(job, delivery, reason, error)
                body = write_error(error)
                return self._end(job, delivery, "failed", body, reason=reason, dead=dead, started_ms=started_ms)

    async def _call(self, job: InHand, delivery: Delivery, started_ms: int) -> Outcome:
        claimed, envelope, timeout_ms = job.claimed, delivery.envelope, delivery.policy.timeout_ms
        facts = ContextFacts(
            job_id=claimed.job_id,
            task=envelope.task,
            queue=self._queue.name,
            registry=self._app.name,
            attempt=job.attempt,
            enqueued_at_ms=envelope.enqueued_at_ms,
            deadline_at_ms=started_ms + timeout_ms,
            score=claimed.score,
        )
        waited_ms = max(0, started_ms - claimed.score)
        events.emit(events.AttemptStarted(claimed.job_id, envelope.task, self._queue.name, job.attempt, waited_ms))
        return await call(
            self._body(delivery.declaration),
            Context(facts, state=self._state, redis=self._redis),
            delivery.args,
            dict(delivery.kwargs or {}),
            Limits(timeout_ms / 1000, self._stuck_s),
            self._threads,
        )

    # -- jobs that were stopped ----------------------------------------------------------

    def stopped(self, job: InHand, delivery: Delivery) -> News | None:
        """Say what becomes of a job that was cancelled."""
        match job.stop:
            case Stop.LOST:
                return None
            case Stop.ABORT:
                return self.aborted(job, delivery)
        return self.given_back(job)

    def aborted(self, job: InHand, delivery: Delivery) -> Ended:
        """End a job because that was asked for."""
        events.emit(events.JobAborted(job.job_id, job.task, self._queue.name, job.attempt))
        return self._end(job, delivery, "aborted", _ABORTED)

    def given_back(self, job: InHand) -> Back:
        """Put a job back as it was found."""
        started = job.deadline_s is not None
        if started:
            duration_ms = round((SYSTEM_CLOCK.monotonic_s() - job.started_s) * 1000)
            about = (job.job_id, job.task, self._queue.name, job.attempt)
            events.emit(events.AttemptGivenBack(*about, duration_ms))
        return Back(job.job_id, job.token, job.claimed.score, started)

    # -- how -----------------------------------------------------------------------------

    def _is_tick(self, misfit: Misfit) -> bool:
        declaration = self._app.declarations.get(misfit.task.removeprefix(CRON_PREFIX))
        is_scheduled = declaration is not None and declaration.schedule is not None
        return misfit.task.startswith(CRON_PREFIX) and is_scheduled

    def _set_aside(self, job: InHand, received: Delivery | Misfit) -> Aside:
        claimed = job.claimed
        if isinstance(received, Delivery):  # no command could name it, and no result; no code will ever know it
            reason, task, version = "unreadable id", "", 0
        else:
            reason, task, version = received.reason, received.task, received.version
        events.emit(events.JobParked(claimed.job_id, task, self._queue.name, reason))
        return Aside(claimed.job_id, job.token, claimed.score, reason, task, version)

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

    def _end(
        self,
        job: InHand,
        delivery: Delivery,
        kind: str,
        body: bytes,
        *,
        reason: str = "",
        dead: DeadJob | None = None,
        started_ms: int = 0,
    ) -> Ended:
        envelope, keep_ms = delivery.envelope, delivery.policy.keep_result_ms
        if keep_ms == 0:
            return Ended(job.job_id, job.token, b"", 0, envelope.nonce, dead)
        record = ResultRecord(
            kind=kind,
            task=envelope.task,
            job_id=job.job_id,
            body=body,
            queue=self._queue.key,
            nonce=envelope.nonce,
            attempt=job.attempt,
            enqueued_at_ms=envelope.enqueued_at_ms,
            started_at_ms=started_ms,
            finished_at_ms=self._now_ms(),
            reason=reason,
        )
        return Ended(job.job_id, job.token, write_result(record), keep_ms, "", dead)

    def _dead(self, job: InHand, delivery: Delivery, reason: str, error: ErrorRecord) -> DeadJob:
        return DeadJob(
            job_id=job.job_id,
            task=delivery.envelope.task,
            queue=self._queue.name,
            queue_key=self._queue.key,
            reason=reason,
            error=error,
            attempts=job.attempt,
            enqueued_at_ms=delivery.envelope.enqueued_at_ms,
            died_at_ms=0,
            payload=b"",
        )

    def _tell(self, job: InHand, delivery: Delivery, decision: Decision) -> None:
        about = (job.job_id, delivery.envelope.task, self._queue.name, job.attempt)
        duration_ms = round((SYSTEM_CLOCK.monotonic_s() - job.started_s) * 1000)
        most = delivery.policy.retries + 1
        match decision:
            case Finish(result):
                events.emit(events.AttemptSucceeded(*about, duration_ms, len(result)))
            case RunAgain(delay_ms, error=None):
                events.emit(events.AttemptSnoozed(*about, duration_ms, delay_ms))
            case RunAgain(delay_ms, error=ErrorRecord() as error):
                failed = (*about, duration_ms, error.type, error.message, error.traceback)
                events.emit(events.AttemptFailed(*failed, retry_in_ms=delay_ms, max_attempts=most))
            case Die(reason, error):
                if reason in {"failed", "gave_up"}:
                    failed = (*about, duration_ms, error.type, error.message, error.traceback)
                    events.emit(events.AttemptFailed(*failed, max_attempts=most))
                events.emit(events.JobDied(*about, reason, error.type, error.message, error.traceback))


def _is_no_text(job_id: str) -> bool:
    """Tell whether an id holds bytes of a foreign writer that are no UTF-8."""
    return not job_id.isascii() and any("\udc80" <= character <= "\udcff" for character in job_id)
