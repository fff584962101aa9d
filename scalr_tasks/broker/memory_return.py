"""How dead and parked jobs of the memory broker come back to their queue.

Nothing comes back while something else has the id, or while the attempt that
took the job off still ends.

Reads next: `memory.py`, whose `revive` and `requeue_parked` wait for that end.
"""

from scalr_tasks.broker.base import PutBack
from scalr_tasks.broker.memory_tables import Tables, Waiting, head_in, is_number, result_state, text
from scalr_tasks.state import JobState


def revive(tables: Tables, job_id: str) -> PutBack:
    """Put a dead job back as `lua/revive.lua` does; RUNNING while the attempt that it died of still ends."""
    dead = tables.dead.get(job_id)
    if dead is None:
        return _left(JobState.NOT_FOUND)
    head = head_in(dead.payload)
    if tables.is_claimed(job_id):
        return _left(JobState.RUNNING)
    if job_id in tables.jobs and text(head_in(tables.jobs[job_id].payload).get("n")) == text(head.get("n")):
        return _left(JobState.RUNNING)
    if job_id in tables.jobs or job_id in tables.parked:
        return _left(tables.place(job_id, [dead.queue_key]).state)
    raw_result = tables.result(job_id)
    if raw_result is not None:
        result = head_in(raw_result)
        is_own = result.get("kind") == "failed" and text(result.get("n")) in {text(head.get("n")), ""}
        if not is_own:
            return _left(result_state(result))
    now_ms = tables.clock.now_ms()
    for table in (tables.results, tables.tombstones, tables.runs, tables.dead):
        table.pop(job_id, None)
    tables.aborts.discard(job_id)
    tables.jobs[job_id] = Waiting(_expiring_again(dead.payload, now_ms), dead.queue_key, now_ms)
    return PutBack(done=True, state=JobState.QUEUED)


def requeue_parked(tables: Tables, job_id: str) -> PutBack:
    """Put a parked job back as `lua/requeue_parked.lua` does; RUNNING while the attempt that parked it still ends."""
    if job_id not in tables.parked:
        return _left(JobState.NOT_FOUND)
    if job_id in tables.jobs:
        return _left(tables.place(job_id, [tables.parked[job_id].queue_key]).state)
    if tables.is_claimed(job_id):
        return _left(JobState.RUNNING)
    tables.requeue(job_id)
    return PutBack(done=True, state=JobState.QUEUED)


def _left(state: JobState) -> PutBack:
    return PutBack(done=False, state=state)


def _expiring_again(payload: bytes, now_ms: int) -> bytes:
    """Give a revived job as long again as its call did: its own deadline was that of the call that failed."""
    head = head_in(payload)
    expires_at_ms, enqueued_at_ms = head.get("x"), head.get("et")
    if not is_number(expires_at_ms) or not is_number(enqueued_at_ms):
        return payload
    line, newline, arguments = payload.partition(b"\n")
    line = line.replace(b'"x":%d' % expires_at_ms, b'"x":%d' % (now_ms + expires_at_ms - enqueued_at_ms), 1)
    return line.replace(b'"et":%d' % enqueued_at_ms, b'"et":%d' % now_ms, 1) + newline + arguments
