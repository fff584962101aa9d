"""Every command of every script is cut on each side: an answer that is true or an exception, and nothing half done."""

import asyncio
import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files

import pytest
from redis.asyncio import Redis

from scalr_tasks.broker import redis as redis_broker
from scalr_tasks.broker.client import RedisBrokers
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.errors import BrokerUnavailableError
from scalr_tasks.settings import Settings
from tests.faults.scenes import BULK, JOB, SCENES, Scene, bystanders, new_jobs, nothing, queued
from tests.support.jobs import KEEP_MS, QUEUE_KEY, QUEUES, new_job
from tests.support.proxy import CuttingProxy, Side
from tests.support.tally import Tally
from tests.support.whole import stored, timeless, torn

CUTS = [Side.BEFORE, Side.WITHIN, Side.AFTER, Side.IN_REPLY]
REPEATS_IN_S = 5.0
SILENT_S = 0.4
"""How long commands may take where one is never answered; half of it each."""

DONE = {Side.AFTER, Side.IN_REPLY, Side.MUTE, Side.HELD}
"""Where Redis runs the cut command, sooner or later."""

LOADED = ["EVALSHA"]
FLUSHED = ["EVALSHA that finds no script", "SCRIPT LOAD", "EVALSHA after it"]


@dataclass(frozen=True)
class Played:
    """A scene as it goes without a fault."""

    before: str
    after: str
    answer: str


@pytest.fixture(autouse=True)
def no_wait_for_dying_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalr_tasks.broker.redis.DYING_S", 0)


@asynccontextmanager
async def behind(url: str, timeout_s: float = REPEATS_IN_S) -> AsyncIterator[tuple[CuttingProxy, RedisBroker]]:
    """A broker whose connection goes through a proxy, and is open."""
    async with CuttingProxy(url) as proxy:
        brokers = RedisBrokers(lambda: Settings(redis=proxy.url, enqueue_timeout_s=timeout_s))
        await brokers.broker().client.ping()
        try:
            yield proxy, brokers.broker()
        finally:
            await brokers.close()


async def set_scene(scene: Scene, broker: RedisBroker, redis: Redis) -> None:
    await redis.flushdb()
    await bystanders(broker, redis)
    await scene.before(broker, redis)


async def played(scene: Scene, broker: RedisBroker, redis: Redis) -> Played:
    await set_scene(scene, broker, redis)
    before = await stored(redis)
    answer = timeless(await scene.act(broker))
    return Played(before, await stored(redis), answer)


async def answer_or_fault(act: Callable[[], Awaitable[object]], tally: Tally) -> str | None:
    """What the caller gets: an answer without its times, or None for the exception that says so."""
    tally.cuts += 1
    try:
        answer = timeless(await act())
    except BrokerUnavailableError:
        tally.raised += 1
        return None
    tally.answered += 1
    return answer


async def check(plain: Played, answer: str | None, now: str, redis: Redis, tally: Tally) -> None:
    """An answer is that of an act that was done, once; after an exception it was done or not, and nothing between."""
    problems = await torn(redis)
    tally.torn += bool(problems) or now not in {plain.before, plain.after}
    tally.lost += answer is not None and now != plain.after
    assert problems == []
    assert now in {plain.before, plain.after}
    if answer is not None:
        assert (answer, now) == (plain.answer, plain.after)


def each_cut() -> Iterator[tuple[Scene, str, int, Side]]:
    for scene in SCENES:
        for side in CUTS:
            yield scene, LOADED[0] if scene.is_script else scene.command, 1, side
            if scene.is_script:
                for nth, command in enumerate(FLUSHED, 1):
                    yield scene, command, nth, side


@pytest.mark.parametrize(
    ("scene", "command", "nth", "side"), [pytest.param(*cut, id=f"{cut[0]}-{cut[1]}-{cut[3]}") for cut in each_cut()]
)
async def test_a_cut_command_is_done_once_or_told(
    scene: Scene, command: str, nth: int, side: Side, redis_url: str, broker: RedisBroker, redis: Redis, tally: Tally
) -> None:
    plain = await played(scene, broker, redis)
    await set_scene(scene, broker, redis)
    async with behind(redis_url) as (proxy, cut_off):
        if command in FLUSHED:
            await redis.script_flush()
        proxy.cut(side, nth=nth)

        answer = await answer_or_fault(lambda: scene.act(cut_off), tally)

        assert proxy.cuts == 1
    now = await stored(redis)
    await check(plain, answer, now, redis, tally)
    assert (answer is not None) == scene.repeats
    if not scene.repeats:
        ran = side in DONE and command not in FLUSHED[:2]
        assert now == (plain.after if ran else plain.before)


@pytest.mark.parametrize("side", [Side.MUTE, Side.HELD])
@pytest.mark.parametrize("scene", SCENES, ids=str)
async def test_a_command_that_is_never_answered_is_done_once_however_late_it_arrives(
    scene: Scene, side: Side, redis_url: str, broker: RedisBroker, redis: Redis, tally: Tally
) -> None:
    plain = await played(scene, broker, redis)
    await set_scene(scene, broker, redis)
    async with behind(redis_url, SILENT_S) as (proxy, cut_off):
        proxy.cut(side)

        answer = await answer_or_fault(lambda: scene.act(cut_off), tally)

        assert proxy.cuts == 1
        await check(plain, answer, await stored(redis), redis, tally)
        assert await proxy.release() == (side is Side.HELD)
    now = await stored(redis)
    await check(plain, answer, now, redis, tally)
    assert now == plain.after
    assert scene.repeats or answer is None


def test_every_script_that_the_broker_sends_has_a_scene() -> None:
    named = set(re.findall(r'"([a-z_]+)"', inspect.getsource(redis_broker)))
    folder = files("scalr_tasks.broker") / "lua"
    scripts = {path.name.removesuffix(".lua") for path in folder.iterdir() if path.name.endswith(".lua")}

    assert (scripts & named) - {scene.command for scene in SCENES} == set()


# -- jobs --------------------------------------------------------------------------------


@pytest.mark.parametrize("side", CUTS)
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_bulk_of_several_scripts_is_stored_once_wherever_it_is_cut(
    side: Side, nth: int, redis_url: str, broker: RedisBroker, redis: Redis, tally: Tally
) -> None:
    jobs = new_jobs(2_500)
    await broker.enqueue([new_job("warm")])
    async with behind(redis_url) as (proxy, cut_off):
        proxy.cut(side, command=b"EVALSHA", nth=nth)

        await answer_or_fault(lambda: cut_off.enqueue(jobs), tally)

        assert proxy.cuts == 1
    waiting = await redis.zrange(QUEUE_KEY, 0, -1)
    tally.lost += len({job.job_id.encode() for job in jobs} - set(waiting))
    tally.doubled += len(waiting) - len(set(waiting))
    assert sorted(waiting) == sorted([b"warm", *(job.job_id.encode() for job in jobs)])
    assert await torn(redis) == []


@pytest.mark.parametrize("side", CUTS)
async def test_every_caller_of_a_shared_script_has_its_job_once(
    side: Side, redis_url: str, broker: RedisBroker, redis: Redis, tally: Tally
) -> None:
    """100 callers of one turn share one script, and each has its own answer."""
    jobs = new_jobs(100)
    await broker.enqueue([new_job("warm")])
    async with behind(redis_url) as (proxy, cut_off):
        proxy.cut(side, command=b"EVALSHA")
        tally.cuts += 1

        answers = await asyncio.gather(*(cut_off.enqueue([job]) for job in jobs))

        assert proxy.cuts == 1
    tally.answered += 1
    assert [(answer[0].job_id, answer[0].created) for answer in answers] == [(job.job_id, True) for job in jobs]
    assert await redis.zcard(QUEUE_KEY) == 101
    assert await torn(redis) == []


async def test_a_stream_of_enqueues_over_connections_that_are_cut_all_the_time_loses_none(
    redis_url: str, redis: Redis, tally: Tally
) -> None:
    """On every side in turn; a second and a third cut hit the repeat."""
    jobs = new_jobs(60)
    stored_ids: set[str] = set()
    async with behind(redis_url) as (proxy, cut_off):
        for number, job in enumerate(jobs):
            proxy.cut(CUTS[number % 4], times=1 + number % 3)
            answer = await answer_or_fault(lambda job=job: cut_off.enqueue([job]), tally)  # type: ignore[misc]  # mypy infers no default
            if answer is not None:
                stored_ids.add(job.job_id)
        tally.cuts += proxy.cuts - len(jobs)
    waiting = [job_id.decode() for job_id in await redis.zrange(QUEUE_KEY, 0, -1)]
    tally.lost += len(stored_ids - set(waiting))
    assert stored_ids - set(waiting) == set()
    assert set(waiting) - {job.job_id for job in jobs} == set()
    assert await torn(redis) == []


# -- callers without an event loop -------------------------------------------------------

BLOCKING = [
    Scene("enqueue", lambda broker: broker.enqueue([JOB]), nothing, repeats=True),
    Scene("enqueue", lambda broker: broker.enqueue(BULK), nothing, repeats=True, name="enqueue 100"),
    Scene("info", lambda broker: broker.info(JOB.job_id, QUEUES), queued, repeats=True),
    Scene("abort", lambda broker: broker.abort(JOB.job_id, QUEUES, KEEP_MS), queued, repeats=True),
]


@pytest.mark.parametrize("side", CUTS)
@pytest.mark.parametrize("scene", BLOCKING, ids=str)
async def test_a_thread_whose_connection_is_cut_has_its_act_done_once(
    scene: Scene, side: Side, redis_url: str, broker: RedisBroker, redis: Redis, tally: Tally
) -> None:
    plain = await played(scene, broker, redis)
    for nth in range(4):  # the loaded script, then each command after a SCRIPT FLUSH
        await set_scene(scene, broker, redis)
        async with CuttingProxy(redis_url) as proxy:
            brokers = RedisBrokers(lambda: Settings(redis=proxy.url))
            blocking = brokers.blocking()
            await asyncio.to_thread(blocking.info, "warm", QUEUES)
            if nth:
                await redis.script_flush()
            proxy.cut(side, nth=max(nth, 1))

            answer = await answer_or_fault(lambda: asyncio.to_thread(scene.act, blocking), tally)  # type: ignore[arg-type]  # noqa: B023  the blocking twin has the same methods

            assert proxy.cuts == 1
            brokers.close_blocking()
        assert answer is not None
        await check(plain, answer, await stored(redis), redis, tally)
