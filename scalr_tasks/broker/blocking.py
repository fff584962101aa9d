"""The broker for callers without an event loop: `enqueue_sync` and its like.

The same scripts as `redis.py`, over a client whose pool threads may share.

Reads next: `redis.py`, whose twin this is.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from threading import Event
from typing import Any, Final

from redis import ConnectionPool, Redis

from scalr_tasks.broker import records, scripts
from scalr_tasks.broker.base import JobInfo, NewJob, Stored
from scalr_tasks.broker.faults import ERRORS, Patience, is_replica
from scalr_tasks.broker.keys import ENDED, TOMBSTONE_MS
from scalr_tasks.broker.scripts import Value
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.envelope import ResultRecord
from scalr_tasks.state import JobState

_NEVER_SET: Final = Event()


class BlockingRedisBroker:
    """Stores jobs in Redis from threads; satisfies `BlockingBroker`.

    Args:
        client: a blocking redis-py client that answers bytes; it is closed with the broker.
        url: address for errors, without a password.
        enqueue_timeout_s: how long a command may take in all, repeats included.
        result_poll_s: how often `wait_ended` looks by itself.
    """

    def __init__(self, client: Redis, *, url: str, enqueue_timeout_s: float = 5, result_poll_s: float = 1) -> None:
        self._client = client
        self._url = url
        self._timeout_s = enqueue_timeout_s
        self._poll_s = result_poll_s
        pool = client.connection_pool
        # A waiter keeps its connection; from the pool of the commands, as many waiters as it holds would block them all.
        kind: Any = pool.connection_class
        self._subscribers = Redis(connection_pool=ConnectionPool(connection_class=kind, **pool.connection_kwargs))

    def enqueue(self, jobs: Sequence[NewJob]) -> list[Stored]:
        """Store jobs, at most 1,000 of them in one act, and answer for each in order."""
        answers: list[Stored] = []
        for batch in records.batches(jobs):
            keys, args = records.enqueue_arguments(batch)
            answers += records.stored(batch, self._repeated("enqueue", keys, args))
        return answers

    def info(self, job_id: str, queue_keys: Sequence[str]) -> JobInfo:
        """Tell what is known of a job, in one round trip."""
        return records.info(job_id, self._repeated("info", queue_keys, [job_id]))

    def abort(self, job_id: str, queue_keys: Sequence[str], keep_result_ms: int) -> JobState:
        """Abort a job, whatever its state."""
        answer = self._repeated("abort", queue_keys, [job_id, keep_result_ms, TOMBSTONE_MS])
        return JobState(answer.decode())

    def wait_ended(self, job_id: str, timeout_s: float | None) -> ResultRecord | None:
        """Wait for a job's end; by push, with a look every `result_poll_s`."""
        until_s = None if timeout_s is None else SYSTEM_CLOCK.monotonic_s() + timeout_s
        info = self.info(job_id, ())
        if _is_over(info):
            return info.result
        if timeout_s == 0:
            raise TimeoutError
        with closing(_EndedChannel(self._subscribers, job_id)) as channel:
            while True:
                # Subscribed before the look, so that an end in between is not missed.
                channel.subscribe()
                info = self.info(job_id, ())
                if _is_over(info):
                    return info.result
                left_s = self._poll_s if until_s is None else until_s - SYSTEM_CLOCK.monotonic_s()
                if left_s <= 0:
                    raise TimeoutError
                channel.wait(min(left_s, self._poll_s))

    def close(self) -> None:
        """Close every connection."""
        self._client.close()
        self._client.connection_pool.disconnect()
        self._subscribers.connection_pool.disconnect()

    def _repeated(self, name: str, keys: Sequence[str], args: Sequence[Value]) -> Any:
        patience = Patience(self._url, self._timeout_s)
        while True:
            try:
                return scripts.run_blocking(self._client, name, keys, args)
            except ERRORS as error:
                delay_s = patience.wait_after(error)
                if is_replica(error):
                    # A new connection may lead to the master.
                    self._client.connection_pool.disconnect(inuse_connections=False)
            _NEVER_SET.wait(delay_s)


class _EndedChannel:
    """The channel of one job, on a connection of its own."""

    def __init__(self, client: Redis, job_id: str) -> None:
        self._new: Callable[[], Any] = client.pubsub
        self._name = ENDED + job_id
        self._pubsub: Any = None

    def subscribe(self) -> None:
        """Subscribe, unless that is done; the caller's own looks remain where it fails."""
        if self._pubsub is not None:
            return
        try:
            self._pubsub = self._new()
            self._pubsub.subscribe(self._name)
            self._pubsub.get_message(timeout=1)
        except ERRORS:
            self.close()

    def wait(self, longest_s: float) -> None:
        """Return at the next message, or after `longest_s`."""
        if self._pubsub is None:
            _NEVER_SET.wait(longest_s)
            return
        try:
            self._pubsub.get_message(timeout=longest_s)
        except ERRORS:
            self.close()

    def close(self) -> None:
        """Give the connection up; it may be subscribed again."""
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            pubsub.close()


def _is_over(info: JobInfo) -> bool:
    return info.state.is_final or info.state is JobState.NOT_FOUND
