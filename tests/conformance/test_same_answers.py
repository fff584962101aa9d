"""Both brokers answer the same to any order of acts: chains of random acts, told side by side."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from scalr_tasks.broker.base import JobInfo, NewJob
from scalr_tasks.broker.memory import MemoryBroker
from scalr_tasks.testing.conformance_harness import (
    HOUR_MS,
    KEEP_MS,
    OTHER_QUEUE,
    QUEUE,
    BrokerUnderTest,
    dead_of,
    new_job,
    record_of,
)
from tests.conformance.under_test import MemoryUnderTest, RedisUnderTest

CHAINS, ACTS = 40, 60
IDS = ("a", "b", "a:b")
QUEUES = [QUEUE, OTHER_QUEUE]
TASKS = ("add", "send")

Act = Callable[[BrokerUnderTest], Awaitable[object]]


@pytest.fixture
async def both(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[BrokerUnderTest, ...]]:
    """The two brokers; neither waits for a dying attempt, which in a chain nobody would end."""
    monkeypatch.setattr("scalr_tasks.broker.redis.DYING_S", 0)
    async with Redis.from_url(redis_url) as client:
        memory, real = MemoryUnderTest(), RedisUnderTest(client, redis_url)
        memory.broker = MemoryBroker(memory._clock, dying_s=0)
        yield memory, real
        await real.broker.close()


class Chain:
    """Draws acts; what it remembers of the jobs is the same for both brokers."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._sent: dict[str, NewJob] = {job_id: new_job(job_id) for job_id in IDS}

    def next(self) -> tuple[str, Act]:
        """Return an act and how it reads."""
        job_id = self._random.choice(IDS)
        job = self._sent[job_id]
        name = self._random.choice([name for name in vars(Chain) if name.startswith("act_")])
        return f"{name} {job_id}", getattr(self, name)(job)

    def act_enqueue(self, job: NewJob) -> Act:
        fresh = new_job(
            job.job_id,
            task=self._random.choice(TASKS),
            queue_key=self._random.choice(QUEUES),
            delay_ms=self._random.choice([0, HOUR_MS]),
            expires_ms=self._random.choice([None, HOUR_MS]),
        )
        self._sent[job.job_id] = fresh
        return lambda under: under.broker.enqueue([fresh])

    def act_repeat(self, job: NewJob) -> Act:
        return lambda under: under.broker.enqueue([job, job])

    def act_claim(self, job: NewJob) -> Act:
        async def claim(under: BrokerUnderTest) -> None:
            if (await under.broker.info(job.job_id, QUEUES)).state == "queued":
                await under.claim(job.job_id)
                await under.broker.begin(job.job_id)

        return claim

    def act_postpone(self, job: NewJob) -> Act:
        counts = self._random.random() < 0.5

        async def postpone(under: BrokerUnderTest) -> None:
            await under.broker.postpone(job.job_id, counts=counts)
            info = await under.broker.info(job.job_id, QUEUES)
            if info.state == "running" and info.queue_key is not None:
                await under.drop_claim(job.job_id, info.queue_key, await under.now_ms() + HOUR_MS)

        return postpone

    def act_finish(self, job: NewJob) -> Act:
        kind = self._random.choice(["done", "failed", "aborted", "expired"])
        keep_ms = self._random.choice([0, KEEP_MS])

        async def finish(under: BrokerUnderTest) -> object:
            info = await under.broker.info(job.job_id, QUEUES)
            if info.queue_key is None:
                return None
            if kind == "failed":
                await under.broker.bury(replace(dead_of(job), queue_key=info.queue_key))
            if keep_ms == 0:
                await under.broker.entomb(job.job_id, job.nonce)
            await under.finish(job.job_id, info.queue_key, record_of(job, kind), keep_ms)
            return await under.broker.conclude(job.job_id)

        return finish

    def act_park(self, job: NewJob) -> Act:
        version = self._random.choice([0, 1, 2])

        async def park(under: BrokerUnderTest) -> object:
            queue = (await under.broker.info(job.job_id, QUEUES)).queue_key or QUEUE
            return await under.broker.park(job.job_id, queue, reason="unknown", task=job.task, version=version)

        return park

    def act_bury(self, job: NewJob) -> Act:
        return lambda under: under.broker.bury(dead_of(job))

    def act_unpark(self, job: NewJob) -> Act:
        known, queue = {job.task: self._random.choice([1, 2])}, self._random.choice(QUEUES)
        return lambda under: under.broker.unpark(queue, known)

    def act_bury_overdue(self, job: NewJob) -> Act:
        return lambda under: under.broker.bury_overdue_parked(3 * HOUR_MS)

    def act_abort(self, job: NewJob) -> Act:
        keep_ms = self._random.choice([0, KEEP_MS])
        return lambda under: under.broker.abort(job.job_id, QUEUES, keep_ms)

    def act_revive(self, job: NewJob) -> Act:
        return lambda under: under.broker.revive(job.job_id)

    def act_requeue(self, job: NewJob) -> Act:
        return lambda under: under.broker.requeue_parked(job.job_id)

    def act_forget_parked(self, job: NewJob) -> Act:
        return lambda under: under.broker.forget_parked([job.job_id])

    def act_forget_dead(self, job: NewJob) -> Act:
        return lambda under: under.broker.forget_dead([job.job_id])

    def act_conclude(self, job: NewJob) -> Act:
        return lambda under: under.broker.conclude(job.job_id)

    def act_advance(self, job: NewJob) -> Act:
        # Uneven, so that nothing falls due or lapses in the very ms of a look.
        ms = self._random.choice([40_007, HOUR_MS + 5_003, 2 * HOUR_MS + 7_001])
        return lambda under: under.advance(ms)


async def seen(under: BrokerUnderTest) -> list[Any]:
    """All that can be seen from outside; times to the second, counted from now."""
    now_ms = await under.now_ms()
    all_seen: list[Any] = []
    for job_id in IDS:
        info = await under.broker.info(job_id, QUEUES)
        dead, parked = await under.broker.dead(job_id), await under.broker.parked(job_id)
        all_seen.append(
            {
                "info": rounded(info, now_ms),
                "result": info.result and (info.result.kind, info.result.task, info.result.nonce, info.result.reason),
                "dead": dead and (dead.task, dead.queue_key, dead.reason, dead.attempts, ago(dead.died_at_ms, now_ms)),
                "parked": parked and (parked.task, parked.queue_key, ago(parked.parked_at_ms, now_ms)),
                "score": parked and ago(parked.score, now_ms),
                "abort": await under.abort_asked(job_id),
            }
        )
    # Sorted: what happens within a ms of the real server happens within one of the clock that stands still.
    all_seen.append(sorted(job.job_id for job in (await under.broker.list_dead()).items))
    all_seen.append(sorted(job.job_id for job in (await under.broker.list_parked()).items))
    all_seen.append(await under.broker.count_queued(QUEUES))
    return all_seen


def rounded(info: JobInfo, now_ms: int) -> tuple[object, ...]:
    return (info.state, info.task, info.queue_key, info.attempts, info.due_at_ms and ago(info.due_at_ms, now_ms))


def ago(at_ms: int, now_ms: int) -> int:
    """Whole steps of 20 s: the real server's clock goes on while a chain is told."""
    return round((now_ms - at_ms) / 20_000)


@pytest.mark.parametrize("seed", range(CHAINS))
async def test_a_chain_of_acts_is_answered_alike(both: tuple[BrokerUnderTest, ...], seed: int) -> None:
    chain = Chain(seed)
    told: list[str] = []

    for _ in range(ACTS):
        name, act = chain.next()
        told.append(name)
        answers = [await act(under) for under in both]
        views = [await seen(under) for under in both]

        assert answers[0] == answers[1], told
        assert views[0] == views[1], told
