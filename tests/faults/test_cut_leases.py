"""Every command of the engine's own scripts is cut on each side; the worker repeats it, and it is done once."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from scalr_tasks.broker.leases import Again, Aside, Back, Ended, Holding, Started, Step, Tick
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.broker.redis_leases import RedisLeases
from scalr_tasks.errors import BrokerUnavailableError
from tests.faults.scenes import bystanders
from tests.support.jobs import KEEP_MS, QUEUE_KEY, dead_of, new_job, result_of
from tests.support.proxy import CuttingProxy, Side
from tests.support.tally import Tally
from tests.support.whole import stored, timeless, torn

CUTS = [Side.BEFORE, Side.WITHIN, Side.AFTER, Side.IN_REPLY]
JOBS = [new_job(f"inv-{number}", nonce=f"nonce-{number}") for number in range(3)]
FIRST = JOBS[0]
LEASE_MS = 60_000
TOKEN = "token-of-the-claim"
SCORE = 1_700_000_000_000

Setting = Callable[[RedisBroker, RedisLeases], Awaitable[object]]
Act = Callable[[RedisLeases], Awaitable[Any]]


@dataclass(frozen=True)
class LeaseScene:
    """One act of the engine; `says` is the part of its answer that a repeat answers too."""

    name: str
    act: Act
    before: Setting
    says: Callable[[Any], object] = timeless

    def __str__(self) -> str:
        return self.name


def step(**fields: Any) -> Act:
    """A step of a worker that asks for nothing but what is said."""
    given = {"to_start": 0, "to_hold": 0} | fields
    asked = Step(worker="w", queue_key=QUEUE_KEY, token="token-of-the-step", lease_ms=LEASE_MS, **given)
    return lambda leases: leases.step(asked)


def claimed_and_lost(answer: Any) -> object:
    return timeless((answer.claimed, answer.lost))


async def queued(broker: RedisBroker, leases: RedisLeases) -> None:
    await broker.enqueue(JOBS)


async def claimed(broker: RedisBroker, leases: RedisLeases) -> None:
    await queued(broker, leases)
    await leases.step(
        Step(worker="w", queue_key=QUEUE_KEY, token=TOKEN, lease_ms=LEASE_MS, to_start=1, to_hold=0, skip=1)
    )


DONE = Ended(FIRST.job_id, TOKEN, result_of(FIRST), KEEP_MS, "")
BURIED = Ended(FIRST.job_id, TOKEN, result_of(FIRST, kind="failed"), KEEP_MS, "", dead_of(FIRST))
UNKEPT = Ended(FIRST.job_id, TOKEN, b"", 0, FIRST.nonce)
TICK = Tick("add", QUEUE_KEY, SCORE, FIRST.head, FIRST.arguments)

SCENES = [
    LeaseScene("claim", step(to_start=2, to_hold=1), queued, claimed_and_lost),
    LeaseScene("done", step(ended=[DONE]), claimed, claimed_and_lost),
    LeaseScene("done without a result", step(ended=[UNKEPT]), claimed, claimed_and_lost),
    LeaseScene("dead", step(ended=[BURIED]), claimed, claimed_and_lost),
    LeaseScene("done, and the next claimed", step(ended=[DONE], to_start=1), claimed, claimed_and_lost),
    LeaseScene("started", step(others=[Started(FIRST.job_id, TOKEN)]), claimed, claimed_and_lost),
    LeaseScene("again", step(others=[Again(FIRST.job_id, TOKEN, 1000, counts=True)]), claimed, claimed_and_lost),
    LeaseScene("back", step(others=[Back(FIRST.job_id, TOKEN, SCORE, started=True)]), claimed, claimed_and_lost),
    LeaseScene(
        "parked", step(others=[Aside(FIRST.job_id, TOKEN, SCORE, "unknown task", "add", 1)]), claimed, claimed_and_lost
    ),
    LeaseScene(
        "renew",
        lambda leases: leases.renew(QUEUE_KEY, [Holding(FIRST.job_id, TOKEN, started=True)], LEASE_MS),
        claimed,
    ),
    # The second of two equal ticks is told that there was one, which its worker takes for done.
    LeaseScene("tick", lambda leases: leases.tick(TICK), queued, lambda answer: None),
]


async def set_scene(scene: LeaseScene, broker: RedisBroker, redis: Redis, leases: RedisLeases) -> None:
    await redis.flushdb()
    await bystanders(broker, redis)
    # Held by another worker, so that each claim is of the scene's own jobs.
    await redis.set("arq:in-progress:other-queued", b"another", px=600_000)
    await scene.before(broker, leases)


@pytest.mark.parametrize("side", CUTS)
@pytest.mark.parametrize("nth", [0, 1, 2, 3], ids=["script loaded", "no script", "script load", "after the load"])
@pytest.mark.parametrize("scene", SCENES, ids=str)
async def test_a_cut_act_of_the_engine_is_told_and_its_repeat_does_it_once(
    scene: LeaseScene, nth: int, side: Side, redis_url: str, broker: RedisBroker, redis: Redis, tally: Tally
) -> None:
    leases = RedisLeases(redis, url=redis_url)
    await set_scene(scene, broker, redis, leases)
    before = await stored(redis)
    said = scene.says(await scene.act(leases))
    after = await stored(redis)
    await set_scene(scene, broker, redis, leases)
    async with CuttingProxy(redis_url) as proxy, Redis.from_url(proxy.url, lib_name=None, lib_version=None) as client:
        cut_off = RedisLeases(client, url=proxy.url)
        await client.ping()
        if nth:
            await redis.script_flush()
        proxy.cut(side, nth=max(nth, 1))
        tally.cuts += 1

        with pytest.raises(BrokerUnavailableError):
            await scene.act(cut_off)
        tally.raised += 1

        assert proxy.cuts == 1
        ran = side in {Side.AFTER, Side.IN_REPLY} and nth in {0, 3}
        assert await torn(redis) == []
        assert await stored(redis) == (after if ran else before)
        repeated = scene.says(await scene.act(cut_off))
    tally.doubled += await stored(redis) != after
    assert repeated == said
    assert await stored(redis) == after
    assert await torn(redis) == []
