"""Every act of the broker in a scene of its own: what is there before it, the act, and how it is sent."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from redis.asyncio import Redis

from scalr_tasks.broker.base import NewJob
from scalr_tasks.broker.keys import DEAD, PARKED, PARKED_OF
from scalr_tasks.broker.redis import RedisBroker
from tests.support.jobs import KEEP_MS, QUEUE_KEY, QUEUES, claim, dead_of, finish, new_job, result_of

JOB_ID = "inv-1"
JOB = new_job(JOB_ID, nonce="nonce-of-inv-1")
BULK = [new_job(f"bulk-{number}", nonce=f"nonce-{number}") for number in range(100)]

Setting = Callable[[RedisBroker, Redis], Awaitable[object]]
Act = Callable[[RedisBroker], Awaitable[object]]


@dataclass(frozen=True)
class Scene:
    """One act, cut somewhere.

    `command` is what it sends: the name of its script, or Redis's own word.
    `repeats`: the broker sends it again after a lost connection, so that its caller always has an answer.
    """

    command: str
    act: Act
    before: Setting
    repeats: bool = False
    name: str = ""

    def __str__(self) -> str:
        return self.name or self.command

    @property
    def is_script(self) -> bool:
        return self.command.islower()


# -- settings ----------------------------------------------------------------------------


async def bystanders(broker: RedisBroker, redis: Redis) -> None:
    """One job of each kind that no act may touch."""
    await broker.enqueue([new_job(f"other-{kind}", nonce="n") for kind in ("queued", "parked", "dead", "done")])
    await broker.park("other-parked", QUEUE_KEY, reason="unknown task", task="other", version=9)
    await broker.bury(dead_of(new_job("other-dead")))
    for kind in ("dead", "done"):
        job = new_job(f"other-{kind}", nonce="n")
        await finish(redis, job, result_of(job))
    # Long ago, so that no ms in common with the job of the scene decides on an order.
    for key, job_id in (
        (QUEUE_KEY, "other-queued"),
        (DEAD, "other-dead"),
        (PARKED, "other-parked"),
        (f"{PARKED_OF}{QUEUE_KEY}:other", "other-parked"),
    ):
        await redis.zadd(key, {job_id: 1000}, xx=True)


async def nothing(broker: RedisBroker, redis: Redis) -> None: ...


async def queued(broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([JOB])


async def running(broker: RedisBroker, redis: Redis) -> None:
    await queued(broker, redis)
    await claim(redis, JOB_ID)
    await broker.begin(JOB_ID)


async def dead(broker: RedisBroker, redis: Redis) -> None:
    await running(broker, redis)
    await broker.bury(dead_of(JOB))
    await finish(redis, JOB, result_of(JOB, kind="failed"))


async def ended(broker: RedisBroker, redis: Redis) -> None:
    await running(broker, redis)
    await finish(redis, JOB)


async def parked(broker: RedisBroker, redis: Redis) -> None:
    await queued(broker, redis)
    await broker.park(JOB_ID, QUEUE_KEY, reason="unknown task", task="add", version=1)


# -- acts --------------------------------------------------------------------------------

SCENES = [
    Scene("enqueue", lambda broker: broker.enqueue([JOB]), nothing, repeats=True),
    Scene("enqueue", lambda broker: broker.enqueue(BULK), nothing, repeats=True, name="enqueue 100"),
    Scene("enqueue", lambda broker: broker.enqueue([new_job(JOB_ID)]), queued, repeats=True, name="enqueue again"),
    Scene("info", lambda broker: broker.info(JOB_ID, QUEUES), queued, repeats=True),
    Scene("abort", lambda broker: broker.abort(JOB_ID, QUEUES, KEEP_MS), queued, repeats=True),
    Scene("abort", lambda broker: broker.abort(JOB_ID, QUEUES, KEEP_MS), parked, repeats=True, name="abort parked"),
    Scene("abort", lambda broker: broker.abort(JOB_ID, QUEUES, KEEP_MS), running, repeats=True, name="abort running"),
    Scene("begin", lambda broker: broker.begin(JOB_ID), queued),
    Scene("postpone", lambda broker: broker.postpone(JOB_ID, counts=True), running),
    Scene("PEXPIRE", lambda broker: broker.hold(JOB_ID, 400_000), running, repeats=True),
    Scene("bury", lambda broker: broker.bury(dead_of(JOB)), running),
    Scene("entomb", lambda broker: broker.entomb(JOB_ID, JOB.nonce), running),
    Scene("conclude", lambda broker: broker.conclude(JOB_ID), ended),
    Scene("park", lambda broker: broker.park(JOB_ID, QUEUE_KEY, reason="unknown task", task="add", version=1), running),
    Scene("unpark", lambda broker: broker.unpark(QUEUE_KEY, {"add": 1}), parked),
    Scene("bury_overdue_parked", lambda broker: broker.bury_overdue_parked(0), parked),
    Scene("count_queued", lambda broker: broker.count_queued(QUEUES), queued, repeats=True),
    Scene("HMGET", lambda broker: broker.dead(JOB_ID), dead, repeats=True, name="dead"),
    Scene("list_dead", lambda broker: broker.list_dead(), dead, repeats=True),
    Scene("revive", lambda broker: broker.revive(JOB_ID), dead),
    Scene("forget_dead", lambda broker: broker.forget_dead([JOB_ID]), dead),
    Scene("HMGET", lambda broker: broker.parked(JOB_ID), parked, repeats=True, name="parked"),
    Scene("list_parked", lambda broker: broker.list_parked(), parked, repeats=True),
    Scene("requeue_parked", lambda broker: broker.requeue_parked(JOB_ID), parked),
    Scene("forget_parked", lambda broker: broker.forget_parked([JOB_ID]), parked),
]


def new_jobs(count: int) -> list[NewJob]:
    """Jobs whose ids sort as they were made."""
    return [new_job(f"job-{number:05}") for number in range(count)]
