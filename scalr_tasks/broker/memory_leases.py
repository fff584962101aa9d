"""Leases in this process's memory: what `RedisLeases` answers, without a server.

Each method is one act as its script in `lua/` is. A lease that lapsed stays
in the table until somebody takes the job or it ends: its mark tells that its
worker was lost, as the fraction of a score does in Redis.

Reads next: `lua/step.lua`; `memory.py` for the rest of the store.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from scalr_tasks.broker.keys import TOMBSTONE_MS
from scalr_tasks.broker.leases import Again, Aside, Back, Claimed, Ended, Holding, Other, Started, Step, Stepped, Tick
from scalr_tasks.broker.memory import MemoryBroker
from scalr_tasks.broker.memory_tables import Kept, Run, Waiting
from scalr_tasks.clock import SYSTEM_CLOCK, Clock
from scalr_tasks.envelope import stamp


@dataclass(slots=True)
class _Lease:
    """A claim of our own engine, held or lapsed."""

    token: str
    started: bool
    until_ms: int
    """When it ends: the due time of its job, while no other act has moved that."""


class MemoryLeases(MemoryBroker):
    """A memory broker that also satisfies `LeaseBroker`; arguments as of `MemoryBroker`.

    leases = MemoryLeases(clock)
    stepped = await leases.step(step)
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK, *, dead_ttl: timedelta = timedelta(days=30)) -> None:
        super().__init__(clock, dead_ttl=dead_ttl)
        self._leases: dict[str, _Lease] = {}
        self._answers: dict[str, tuple[str, Stepped]] = {}
        self._ticked: dict[tuple[str, str], int] = {}

    async def step(self, step: Step) -> Stepped:
        """Finish what ended, then claim what fits."""
        before = self._answers.get(step.worker)
        if before is not None and before[0] == step.token:
            mine = [one for one in before[1].claimed if self._holder(one.job_id) == step.token]
            return replace(before[1], claimed=mine, next_due_ms=None, held=0, abort_asked=())
        lost = await self._told(step)
        most, tables, now_ms = step.to_start + step.to_hold, self._tables, self._clock.now_ms()
        aborts = sorted(tables.aborts)
        due = sorted(
            (job.due_at_ms, job_id)
            for job_id, job in tables.jobs.items()
            if job.queue_key == step.queue_key and job.due_at_ms <= now_ms
        )[step.skip :]
        free = [job_id for _, job_id in due if not tables.is_claimed(job_id)][:most]
        claimed = [self._claim(job_id, step, position) for position, job_id in enumerate(free)]
        later = [job.due_at_ms for job in tables.jobs.values() if job.queue_key == step.queue_key]
        later = [due_at_ms for due_at_ms in later if due_at_ms > now_ms]
        stepped = Stepped(
            now_ms=now_ms,
            next_due_ms=min(later) if later and len(claimed) < most else None,
            held=step.skip + sum(1 for _, job_id in due if job_id not in free and tables.is_claimed(job_id)),
            lost=lost,
            abort_asked=aborts,
            claimed=claimed,
        )
        self._answers[step.worker] = (step.token, stepped)
        return stepped

    async def renew(self, queue_key: str, holding: Sequence[Holding], lease_ms: int) -> list[str]:  # noqa: ARG002  jobs are kept by id here
        """Push back the end of these leases; answers the ids that are lost."""
        lost = []
        for one in holding:
            if self._may_speak(one.job_id, one.token):
                self._hold(one.job_id, one.token, started=one.started, lease_ms=lease_ms)
            else:
                lost.append(one.job_id)
        return lost

    async def tick(self, tick: Tick) -> bool:
        """Make a tick a job, where it was none before."""
        tables, place = self._tables, (tick.queue_key, tick.task)
        before = self._ticked.get(place)
        if before is not None:
            if before >= tick.tick_ms:
                return False
            if not tick.may_overlap and tables.payload(f"{tick.task}:{before}") is not None:
                return False
        self._ticked[place] = tick.tick_ms
        if tables.payload(tick.job_id) is not None or tables.result(tick.job_id) is not None:
            return False
        now_ms = self._clock.now_ms()
        expires_at_ms = None if tick.expires_ms is None else now_ms + tick.expires_ms
        payload = stamp(tick.head, tick.arguments, enqueued_at_ms=now_ms, expires_at_ms=expires_at_ms)
        tables.jobs[tick.job_id] = Waiting(payload, tick.queue_key, now_ms)
        return True

    async def last_tick(self, queue_key: str, task: str) -> int | None:
        """Return the newest tick of a task that became a job."""
        return self._ticked.get((queue_key, task))

    # -- how -----------------------------------------------------------------------------

    async def _told(self, step: Step) -> list[str]:
        """Take what the worker says of its jobs; answers the ids for which it may not speak."""
        lost = []
        for ended in step.ended:
            if self._may_speak(ended.job_id, ended.token):
                await self._end(ended)
            else:
                lost.append(ended.job_id)
        for other in step.others:
            if self._may_speak(other.job_id, other.token):
                await self._hear(other, step)
            else:
                lost.append(other.job_id)
        return lost

    def _holder(self, job_id: str) -> str | None:
        """Return the token of the claim that holds now; another worker's has none."""
        lease = self._leases.get(job_id)
        return lease.token if lease is not None and self._tables.is_claimed(job_id) else None

    def _may_speak(self, job_id: str, token: str) -> bool:
        if self._tables.is_claimed(job_id):
            return self._holder(job_id) == token
        return self._lapsed(job_id) is not None

    def _lapsed(self, job_id: str) -> _Lease | None:
        """Return the lapsed lease of a job that nobody has moved since; that of an earlier job of the id is none."""
        lease, job = self._leases.get(job_id), self._tables.jobs.get(job_id)
        return lease if lease is not None and job is not None and job.due_at_ms == lease.until_ms else None

    def _hold(self, job_id: str, token: str, *, started: bool, lease_ms: int) -> None:
        until_ms = self._clock.now_ms() + lease_ms
        self._leases[job_id] = _Lease(token, started, until_ms)
        self._tables.claims[job_id] = until_ms
        job = self._tables.jobs.get(job_id)
        if job is not None:
            job.due_at_ms = until_ms

    def _claim(self, job_id: str, step: Step, position: int) -> Claimed:
        tables, job, now_ms = self._tables, self._tables.jobs[job_id], self._clock.now_ms()
        lapsed = self._lapsed(job_id)
        if lapsed is not None and lapsed.started:
            run = tables.runs.setdefault(job_id, Run())
            run.starts += 1
            run.started_at_ms = run.started_at_ms or now_ms
        run = tables.runs.get(job_id) or Run()
        claimed = Claimed(
            job_id=job_id,
            score=job.due_at_ms,
            payload=job.payload,
            attempts=run.attempts,
            lost=run.starts,
            is_first=run.started_at_ms is None,
            abort_asked_ms=now_ms if job_id in tables.aborts else 0,
        )
        tables.aborts.discard(job_id)
        self._hold(job_id, step.token, started=position < step.to_start or lapsed is not None, lease_ms=step.lease_ms)
        return claimed

    async def _end(self, ended: Ended) -> None:
        tables, until_ms = self._tables, self._clock.now_ms() + ended.keep_ms
        if ended.dead is not None:
            await self.bury(ended.dead)
        if ended.result:
            tables.results[ended.job_id] = Kept(ended.result, until_ms)
        elif ended.nonce:
            tables.tombstones[ended.job_id] = Kept(ended.nonce.encode(), self._clock.now_ms() + TOMBSTONE_MS)
        tables.remove(ended.job_id)
        self._leases.pop(ended.job_id, None)
        self._watchers.tell(ended.job_id)

    async def _hear(self, other: Other, step: Step) -> None:
        tables, job_id, now_ms = self._tables, other.job_id, self._clock.now_ms()
        if isinstance(other, Started):
            self._hold(job_id, other.token, started=True, lease_ms=step.lease_ms)
            return
        tables.claims.pop(job_id, None)
        self._leases.pop(job_id, None)
        if isinstance(other, Aside):
            if job_id in tables.jobs:
                tables.jobs[job_id].due_at_ms = other.score
            await self.park(job_id, step.queue_key, reason=other.reason, task=other.task, version=other.version)
            return
        job = tables.jobs.get(job_id)
        if job is None:  # removed while it ran
            tables.remove(job_id)
            return
        if isinstance(other, Again) or other.started:
            run = tables.runs.setdefault(job_id, Run())
            run.starts, run.started_at_ms = 0, run.started_at_ms or now_ms
            run.attempts += isinstance(other, Again) and other.counts
        job.due_at_ms = other.score if isinstance(other, Back) else now_ms + other.delay_ms
        self._watchers.tell(job_id)
