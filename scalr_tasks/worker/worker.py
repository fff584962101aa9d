"""`Worker`: serves several queues in this process, until it is told to stop.

It only puts the machine together: for each queue a `Claims` and a `Waker`,
and for all of them one thread that renews leases, one that looks after
parked jobs, one lifespan a registry. It is no subclass of arq's worker:
nothing of that loop is left (decision 0010), and what arq would tell a
body, its client, is made here.

Reads next: `claim.py` for the loop of a queue, `shutdown.py` for the signals.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from os import getpid
from typing import Any, Final

from scalr_tasks import events
from scalr_tasks.broker.base import Broker
from scalr_tasks.broker.connect import connect, connect_blocking, disconnect
from scalr_tasks.broker.health import Health
from scalr_tasks.broker.redis_leases import BlockingLeases, RedisLeases
from scalr_tasks.envelope import new_nonce
from scalr_tasks.errors import BrokerError, DefinitionError, UnknownQueueError
from scalr_tasks.registry.app import App
from scalr_tasks.registry.codec import CRON_PREFIX
from scalr_tasks.registry.compile import arq_pool
from scalr_tasks.registry.heartbeat import Heartbeat, Station
from scalr_tasks.registry.plain import PARKED_MS
from scalr_tasks.registry.queue import Queue
from scalr_tasks.worker.claim import LEASE_S as QUEUE_LEASE_S
from scalr_tasks.worker.claim import LOOK_S as QUEUE_LOOK_S
from scalr_tasks.worker.claim import Claims
from scalr_tasks.worker.cron import Cron
from scalr_tasks.worker.leases import LeaseKeeper
from scalr_tasks.worker.listen import Listener
from scalr_tasks.worker.shutdown import Shutdown
from scalr_tasks.worker.wake import Waker
from scalr_tasks.worker.watchdog import Watchdog

LOOK_S: Final = 0.05
"""How often a drain looks whether the running jobs have ended, and a burst whether the queues are empty."""

LEAVE_S: Final = 0.45
"""How long cancelled bodies are given to leave, and then Redis to take their jobs back: together they end the worker
within a second or so after its grace."""

AGAIN_S: Final = 1.0
"""How soon a part of the worker that failed is started again."""

log: logging.Logger = logging.getLogger("scalr_tasks.worker")


@dataclass(frozen=True, slots=True)
class Served:
    """A queue that a worker serves, and the registry that knows its tasks."""

    app: App
    queue: Queue


def served(app: App, queues: Sequence[str] = (), *, concurrency: int | None = None) -> list[Served]:
    """Return what to serve of one registry.

    Args:
        app: the registry.
        queues: names of its queues; all of them where left out.
        concurrency: jobs at once of each queue, instead of what the queue says.

    Raises:
        UnknownQueueError: the registry declares no queue of that name.
    """
    for name in queues:
        if name not in app.queues:
            raise UnknownQueueError(name, app.queues, registry=app.name)
    chosen = [app.queues[name] for name in dict.fromkeys(queues or app.queues)]
    return [Served(app, queue if concurrency is None else _with_concurrency(queue, concurrency)) for queue in chosen]


class Worker:
    """Runs the jobs of some queues until it is told to stop.

        await Worker(served(registry.app()), broker=registry.broker()).run()

    Args:
        queues: what to serve, of one registry or several.
        broker: looks after parked jobs, and tells a burst when the queues are empty.
        burst: stop when the queues are empty.
        lease_s: how long a claim holds without being renewed, in seconds.
        look_s: how often a queue is looked at although nobody said that there is something, in seconds.

    Raises:
        DefinitionError: two registries would serve one Redis key, and park each other's jobs.
    """

    def __init__(
        self,
        queues: Sequence[Served],
        *,
        broker: Broker,
        burst: bool = False,
        lease_s: float = QUEUE_LEASE_S,
        look_s: float = QUEUE_LOOK_S,
    ) -> None:
        self.name: str = f"w-{getpid()}-{new_nonce()[:4]}"
        self._served = tuple(queues)
        self._broker = broker
        self._burst = burst
        self._lease_s = lease_s
        self._look_s = look_s
        self._shutdown = Shutdown()
        self._claims: list[Claims] = []
        _refuse_shared_keys(self._served)

    async def run(self) -> None:
        """Serve the queues until SIGTERM or SIGINT, or (in a burst) until they are empty.

        Raises:
            BrokerUnavailableError: Redis was away when the worker started.
            BaseException: what a lifespan raised.
        """
        shutdown = self._shutdown
        undo = shutdown.listen()
        given_back = 0
        try:
            async with AsyncExitStack() as stack:
                serving = await self._start(stack)
                told = asyncio.create_task(self._until_told(shutdown), name="scalr-tasks-told")
                events.emit(events.WorkerStarted(self.name, tuple(one.queue.name for one in self._served)))
                try:
                    await asyncio.wait([told, *serving], return_when=asyncio.FIRST_COMPLETED)
                    if told.done():
                        told.result()
                        await self._drain(shutdown)
                finally:
                    told.cancel()
                    given_back = sum(await asyncio.gather(*(claims.close(LEAVE_S) for claims in self._claims)))
                for task in serving:
                    if not task.cancelled():
                        task.result()  # a queue is served until it is cancelled, so one that ended has raised
        finally:
            undo()
            events.emit(events.WorkerStopped(self.name, given_back))

    def stop(self) -> None:
        """Stop in order, as SIGTERM does; asked a second time, stop now."""
        self._shutdown.ask()

    @property
    def in_hand(self) -> list[str]:
        """Ids of the jobs that this worker holds now."""
        return [job_id for claims in self._claims for job_id in claims.in_hand]

    # -- putting it together -------------------------------------------------------------

    async def _start(self, stack: AsyncExitStack) -> "list[asyncio.Task[None]]":
        """Start everything; `stack` ends it in the opposite order."""
        settings = self._served[0].app.settings()
        url = settings.redis.safe_url
        # The waker of each queue keeps one connection while it waits; the steps and beats must not wait for those.
        most = min(10_000, settings.max_connections + len(self._served))
        client = connect(settings.model_copy(update={"max_connections": most}))
        stack.push_async_callback(disconnect, client)
        leases = RedisLeases(client, url=url, timeout_s=settings.enqueue_timeout_s, dead_ttl=settings.dead_ttl)
        for one in self._served:
            state = await one.app.lifespan.acquire()
            stack.push_async_callback(one.app.lifespan.release)
            redis = await arq_pool(one.app, one.queue)
            stack.push_async_callback(redis.aclose)
            self._claims.append(
                Claims(
                    one.app,
                    one.queue,
                    leases,
                    worker=self.name,
                    state=state,
                    redis=redis,
                    lease_s=self._lease_s,
                    look_s=self._look_s,
                )
            )
        stations = [Station(claims.queue, _ids_in_hand(claims)) for claims in self._claims]
        heartbeat = Heartbeat(Health(client, url=url, timeout_s=settings.enqueue_timeout_s), stations, name=self.name)
        await heartbeat.start()
        stack.push_async_callback(heartbeat.stop)
        watchdog = Watchdog(grace_s=settings.stuck_grace_s)
        keeper = LeaseKeeper(
            BlockingLeases(connect_blocking(settings), url=url), self._claims, watchdog, grace_s=settings.stuck_grace_s
        )
        keeper.start()
        stack.callback(keeper.stop)
        for one, claims in zip(self._served, self._claims, strict=True):
            self._beside(stack, Waker(client, claims).run, f"wake-{claims.queue.name}")
            self._beside(stack, Listener(client, claims, self.name).run, f"listen-{claims.queue.name}")
            self._beside(stack, partial(self._keep_up, one), f"upkeep-{claims.queue.name}")
            if not self._burst:  # it drains what is there; a task due each second would keep it for ever
                cron = Cron(one.queue, list(one.app.declarations.values()), leases, claims.now_ms)
                self._beside(stack, cron.run, f"cron-{claims.queue.name}")
        return [claims.start() for claims in self._claims]

    def _beside(self, stack: AsyncExitStack, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Run something beside the queues until the worker ends; a mistake of ours in it ends neither."""

        async def go_on() -> None:
            while True:
                try:
                    return await work()
                except Exception:
                    log.exception("%s failed, it is started again", name, extra={"event": "worker.part_failed"})
                    await asyncio.sleep(AGAIN_S)

        task = asyncio.create_task(go_on(), name=f"scalr-tasks-{name}")

        async def end() -> None:
            task.cancel()
            await asyncio.wait({task})

        stack.push_async_callback(end)

    async def _until_told(self, shutdown: Shutdown) -> None:
        if not self._burst:
            await shutdown.draining.wait()
            return
        keys = [one.queue.key for one in self._served]
        while not shutdown.draining.is_set():
            await _wait(shutdown.draining, LOOK_S)
            # In this order: a job that ends between the two looks may have enqueued another one.
            if all(claims.is_quiet for claims in self._claims) and not await self._queued(keys):
                return

    async def _queued(self, keys: Sequence[str]) -> bool:
        try:
            return await self._broker.count_queued(keys) > 0
        except BrokerError:  # told of already: the queues themselves cannot be served
            return True

    async def _keep_up(self, one: Served) -> None:
        """Look after the parked jobs of a queue."""
        interval_s = one.app.settings().upkeep_interval_s
        # Plain arq's own jobs for ticks too: a worker of an older code may have met, and parked, one that it did not know.
        scheduled = [name for name, declaration in one.app.declarations.items() if declaration.schedule is not None]
        known = one.app.known | dict.fromkeys([CRON_PREFIX + name for name in scheduled], 1)
        while True:
            try:
                requeued = await self._broker.unpark(one.queue.key, known)
                if requeued:
                    events.emit(events.JobsUnparked(one.queue.name, len(requeued)))
                for job_id in await self._broker.bury_overdue_parked(PARKED_MS):
                    text = "parked for 24 hours, and no code knew it"
                    events.emit(events.JobDied(job_id, "", "", 0, "parked", "ParkedTooLong", text))
            except BrokerError as error:
                log.warning("parked jobs were not looked at: %s", error, extra={"event": "upkeep.failed"})
            await asyncio.sleep(interval_s)

    # -- stopping ------------------------------------------------------------------------

    async def _drain(self, shutdown: Shutdown) -> None:
        for claims in self._claims:
            claims.stop_claiming()
        if self._burst and not shutdown.draining.is_set():
            return
        grace_s = max(one.app.settings().shutdown_grace_s for one in self._served)
        events.emit(events.WorkerStopping(self.name, self._running, grace_s))
        loop = asyncio.get_running_loop()
        until_s = loop.time() + grace_s
        while self._running and loop.time() < until_s and not shutdown.now.is_set():
            await _wait(shutdown.now, LOOK_S)

    @property
    def _running(self) -> int:
        return sum(claims.running for claims in self._claims)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _ids_in_hand(claims: Claims) -> Callable[[], Collection[str]]:
    return lambda: claims.in_hand


def _with_concurrency(queue: Queue, concurrency: int) -> Queue:
    return Queue(queue.name, concurrency=concurrency, key=queue.key, poll_delay=queue.poll_delay_s)


def _refuse_shared_keys(queues: Sequence[Served]) -> None:
    owners: dict[str, Served] = {}
    for one in queues:
        if one.app.settings().redis != queues[0].app.settings().redis:
            raise DefinitionError(
                f"registries {queues[0].app.name!r} and {one.app.name!r} store their jobs in two Redis servers",
                way_out="run one worker for each",
            )
        first = owners.setdefault(one.queue.key, one)
        if first.app is not one.app:
            raise DefinitionError(
                f"registries {first.app.name!r} and {one.app.name!r} both serve {one.queue.key}, "
                "and would park each other's jobs",
                way_out=f"give one of them another queue: Queue({one.queue.name!r}, key=...)",
            )
