"""Handle to one enqueued job: `Job.result` waits for its end and returns what the task returned.

A handle holds an id and no connection: it may be made anew from the id, in
another process or event loop, and is equal to every other handle to the job.

Reads next: `broker/base.py` for what it asks, `state.py` for the states.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from scalr_tasks.broker.base import Brokers, JobInfo
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.envelope import ResultRecord
from scalr_tasks.errors import (
    InvalidResultError,
    JobAbortedError,
    JobExpiredError,
    OptionError,
    ResultNotKeptError,
    RunningLoopError,
    TaskFailedError,
)
from scalr_tasks.names import job_id_problem
from scalr_tasks.state import JobState

R_co = TypeVar("R_co", covariant=True)

KEEP_RESULT_MS: Final = 3_600_000
"""How long an aborted job's end is kept where nothing says otherwise."""

ABORT_TIMEOUT_S: Final = 10.0
"""How long `abort` waits for a running job to end."""

_ASK_AGAIN_S: Final = 1.0


class Job(Generic[R_co]):
    """One enqueued call of a task.

        job = await send_invoice_email.enqueue(invoice_id=1)
        await job.result(timeout=10)

    Args:
        job_id: the id.
        task: name of the task; what the handle was made for, not looked up.
        queue_keys: Redis keys of the queues in which the job may wait.
        brokers: gives the broker of the event loop, or of the thread.
        read_result: validates the bytes of a result; its second argument is the job id.
        duplicate: whether the id was taken, so that this is the job that has it.
        keep_result_ms: how long the end of an aborted job is kept where its own bytes do not say.

    Raises:
        OptionError: the id is none that a job can have: empty, over 512 characters, not UTF-8.
    """

    __slots__ = ("_brokers", "_duplicate", "_job_id", "_keep_result_ms", "_queue_keys", "_read_result", "_task")

    def __init__(
        self,
        job_id: str,
        *,
        task: str,
        queue_keys: Sequence[str],
        brokers: Brokers,
        read_result: Callable[[bytes, str], R_co],
        duplicate: bool = False,
        keep_result_ms: int = KEEP_RESULT_MS,
    ) -> None:
        problem = job_id_problem(job_id)
        if problem is not None:
            raise OptionError("job_id", problem, task=task or None)
        self._job_id = job_id
        self._task = task
        self._queue_keys = tuple(queue_keys)
        self._brokers = brokers
        self._read_result = read_result
        self._duplicate = duplicate
        self._keep_result_ms = keep_result_ms

    @property
    def job_id(self) -> str:
        """Id of the job."""
        return self._job_id

    @property
    def task(self) -> str:
        """Name of the task."""
        return self._task

    @property
    def duplicate(self) -> bool:
        """Whether the enqueue stored nothing, because a job of the id was there already."""
        return self._duplicate

    # -- in an event loop ----------------------------------------------------------------

    async def status(self) -> JobState:
        """Return where the job is in its life now.

        Raises:
            BrokerUnavailableError: Redis did not answer.
        """
        return (await self.info()).state

    async def info(self) -> JobInfo:
        """Return everything that is known of the job now: state, due time, attempts, how it ended.

        Raises:
            BrokerUnavailableError: Redis did not answer.
        """
        return await self._brokers.broker().info(self._job_id, self._queue_keys)

    async def result(self, timeout: float | None = None) -> R_co:  # noqa: ASYNC109  a name that callers expect
        """Wait for the job's end and return what the task returned, as its declared type.

        A parked job is waited for: code that knows it may still come.

            total = await job.result(timeout=10)

        Args:
            timeout: seconds to wait; for ever where left out, 0 looks once.

        Raises:
            TimeoutError: the job has not ended in time; it goes on.
            TaskFailedError: the job is dead; it carries the remote type, message and traceback.
            JobAbortedError: it was aborted.
            JobExpiredError: it was not started in time.
            ResultNotKeptError: it ended without a result that is kept, or there is no job of this id.
            InvalidResultError: the result does not fit the declared type.
            BrokerUnavailableError: Redis did not answer.
        """
        return self._read(await self._brokers.broker().wait_ended(self._job_id, timeout))

    async def abort(self, timeout: float = ABORT_TIMEOUT_S) -> bool:  # noqa: ASYNC109  a name that callers expect
        """Stop the job: one that waits never runs, one that runs is cancelled and waited for.

        Args:
            timeout: seconds to wait for a running job to end.

        Returns:
            Whether the job is aborted: False where it had ended, or ended in another way meanwhile. Of a running
            job with `keep_result=0` nothing tells how it ended, so the answer is False.

        Raises:
            TimeoutError: the job runs on; its abort stays asked for.
            BrokerUnavailableError: Redis did not answer.
        """
        broker = self._brokers.broker()
        until_s = SYSTEM_CLOCK.monotonic_s() + timeout
        while True:
            state = await broker.abort(self._job_id, self._queue_keys, self._keep_result_ms)
            if state is not JobState.RUNNING:
                return state is JobState.ABORTED
            left_s = until_s - SYSTEM_CLOCK.monotonic_s()
            try:
                # Asked again after a while: the attempt may end with a retry, and then the job waits.
                record = await broker.wait_ended(self._job_id, max(0, min(left_s, _ASK_AGAIN_S)))
            except TimeoutError:
                if left_s <= _ASK_AGAIN_S:
                    raise
            else:
                return record is not None and record.kind == "aborted"

    # -- without one ---------------------------------------------------------------------

    def status_sync(self) -> JobState:
        """Return where the job is in its life now; `status` for code without an event loop.

        Raises:
            RunningLoopError: called inside a running event loop.
            BrokerUnavailableError: Redis did not answer.
        """
        _refuse_in_loop("status_sync", "job.status()")
        return self._brokers.blocking().info(self._job_id, self._queue_keys).state

    def result_sync(self, timeout: float | None = None) -> R_co:
        """Wait for the job's end and return what the task returned; `result` for code without an event loop.

        Args:
            timeout: seconds to wait; for ever where left out, 0 looks once.

        Raises:
            RunningLoopError: called inside a running event loop.
            TimeoutError: the job has not ended in time; it goes on. Further errors as of `result`.
        """
        _refuse_in_loop("result_sync", "job.result()")
        return self._read(self._brokers.blocking().wait_ended(self._job_id, timeout))

    def abort_sync(self, timeout: float = ABORT_TIMEOUT_S) -> bool:
        """Stop the job; `abort` for code without an event loop.

        Args:
            timeout: seconds to wait for a running job to end.

        Raises:
            RunningLoopError: called inside a running event loop.
            TimeoutError: the job runs on; its abort stays asked for.
        """
        _refuse_in_loop("abort_sync", "job.abort()")
        broker = self._brokers.blocking()
        until_s = SYSTEM_CLOCK.monotonic_s() + timeout
        while True:
            state = broker.abort(self._job_id, self._queue_keys, self._keep_result_ms)
            if state is not JobState.RUNNING:
                return state is JobState.ABORTED
            left_s = until_s - SYSTEM_CLOCK.monotonic_s()
            try:
                record = broker.wait_ended(self._job_id, max(0, min(left_s, _ASK_AGAIN_S)))
            except TimeoutError:
                if left_s <= _ASK_AGAIN_S:
                    raise
            else:
                return record is not None and record.kind == "aborted"

    # -- how -----------------------------------------------------------------------------

    def _read(self, record: ResultRecord | None) -> R_co:
        if record is None:
            raise ResultNotKeptError(self._job_id)
        match record.kind:
            case "done":
                return self._read_result(record.body, self._job_id)
            case "failed":
                error = record.error
                raise TaskFailedError(
                    self._job_id,
                    task=record.task or self._task,
                    reason=record.reason,
                    error_type=error.type,
                    message=error.message,
                    traceback=error.traceback,
                    attempts=record.attempt,
                )
            case "aborted":
                raise JobAbortedError(self._job_id)
            case "expired":
                raise JobExpiredError(self._job_id)
        raise InvalidResultError(
            self._job_id,
            task=self._task,
            problem="it was written by a plain arq worker without registry.arq_serializer, or by newer code",
        )

    def __eq__(self, other: object) -> bool:
        return self._job_id == other.job_id if isinstance(other, Job) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._job_id)

    def __repr__(self) -> str:
        return f"<Job {self._job_id} of {self._task}>"


def _refuse_in_loop(method: str, instead: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RunningLoopError(method, instead)
