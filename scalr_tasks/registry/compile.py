"""A registry compiled for plain arq: one `WorkerSettings` class per queue.

arq reads `settings_cls.__dict__`, so the class carries every attribute itself.
Each point in which it differs from a hand-written class answers something
that arq would otherwise destroy, cut short or repeat; the test of that name
is in `tests/arq/`.

Reads next: `plain.py` for what happens around an attempt.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Any, Final, TypeAlias, cast

from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.cron import CronJob
from arq.worker import Function, Retry, RetryJob
from redis.exceptions import RedisError

from scalr_tasks.broker.faults import broker_error
from scalr_tasks.broker.health import Health
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.broker.redis_leases import RedisLeases
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.errors import BrokerError
from scalr_tasks.policy import Policy
from scalr_tasks.registry.app import App
from scalr_tasks.registry.codec import CRON_PREFIX, ArqCodec, JobEnded, RawResult
from scalr_tasks.registry.declaration import Declaration
from scalr_tasks.registry.delivery import Delivery, Misfit, receive
from scalr_tasks.registry.heartbeat import Heartbeat, Station
from scalr_tasks.registry.plain import Claimed, PlainRunner, RunLater
from scalr_tasks.registry.queue import Queue
from scalr_tasks.registry.schedule import Schedule
from scalr_tasks.settings import Settings

PARK: Final = "scalr:park"
"""The function that arq is told to run for a job it would destroy; no task can have its name."""

MAX_TRIES: Final = 1_000_000_000
"""Above any policy, so that the policy decides and arq never gives up by itself."""

NEVER_MS: Final = 10 * 365 * 24 * 3600 * 1000
"""arq gives every payload a TTL; ten years is as good as none."""

LAST_MS: Final = 253_402_300_799_000
"""arq makes a datetime of a job's time, outside of its own try: one after the year 9999 would end the worker."""

HEALTH_CHECK_S: Final = 5
"""How often arq writes what `arq --check` looks for; it lapses a second later. arq's own hour outlives a dead worker."""

_RUNNER: Final = "scalr_tasks.runner"
_HEARTBEAT: Final = "scalr_tasks.heartbeat"
_ACQUIRED: Final = "scalr_tasks.acquired"
_ENDED: Final = "scalr_tasks.ended"

log: logging.Logger = logging.getLogger("scalr_tasks.worker")


@dataclass(frozen=True, slots=True)
class Plan:
    """What arq must do for one job: its own timeout comes after ours, the result stays as long as the call said."""

    timeout_s: float
    keep_result_s: float


_plan: ContextVar[Plan | None] = ContextVar("scalr_tasks_plan", default=None)


def plan_of(policy: Policy, *, is_async: bool, stuck_grace_s: float) -> Plan:
    """Return what arq must do for a job: strike after our own deadline, and after a thread may overstay it."""
    margin_s = 10 if is_async else max(60, 2 * stuck_grace_s)
    return Plan(policy.timeout_ms / 1000 + margin_s, policy.keep_result_ms / 1000)


class TaskFunction(Function):
    """A function for arq whose timeout and result time are those of the job at hand.

    arq knows one timeout per function and reads it while a job runs, in the
    task that has called the deserializer just before; so the deserializer
    leaves the job's own plan in a context variable.
    """

    def __init__(self, name: str, coroutine: Callable[..., Any], plan: Plan) -> None:
        self.name = name
        self.coroutine: Any = coroutine
        self.keep_result_forever: bool | None = False
        self.max_tries: int | None = MAX_TRIES
        self._plan = plan

    @property
    def _at_hand(self) -> Plan:
        return _plan.get() or self._plan

    # Fields of arq's dataclass, computed here.
    timeout_s: Any = property(lambda self: self._at_hand.timeout_s)
    """Seconds after which arq itself cancels the job at hand."""
    keep_result_s: Any = property(lambda self: self._at_hand.keep_result_s)
    """Seconds for which arq keeps the result of the job at hand."""


@dataclass
class TickJob(CronJob):
    """A cron job of arq whose next run comes from cronsim, on UTC instants."""

    schedule: Schedule | None = None

    def calculate_next(self, prev_run: datetime) -> None:
        """Set the first tick after `prev_run`."""
        assert self.schedule is not None
        self.next_run: datetime | None = self.schedule.after(prev_run)


def compile_queue(app: App, queue: Queue) -> type:
    """Return a fresh `WorkerSettings` class for one queue of a registry."""
    return _Compiler(app, queue).settings_class()


class _Compiler:
    """Builds one class; its methods are what arq calls."""

    def __init__(self, app: App, queue: Queue) -> None:
        self._app = app
        self._queue = queue
        self._codec = ArqCodec(app.declarations)
        self._settings = app.settings()
        self._functions = self._make_functions()
        self._cron_jobs = self._make_cron_jobs()
        self._cron_names = {job.name for job in self._cron_jobs}
        self._claim_ms = round(1000 * (max(f.timeout_s for f in self._functions) + 10))

    def settings_class(self) -> type:
        queue = self._queue
        attributes: dict[str, Any] = {
            "__doc__": f"arq worker settings of queue {queue.name!r} of registry {self._app.name!r}.",
            "functions": self._functions,
            "cron_jobs": self._cron_jobs,
            "queue_name": queue.key,
            "redis_settings": arq_redis_settings(self._settings),
            "max_jobs": queue.concurrency,
            "job_timeout": 300,
            "max_tries": MAX_TRIES,
            "keep_result": 3600,
            "retry_jobs": True,
            "allow_abort_jobs": True,
            "log_results": False,
            "timezone": UTC,
            "health_check_interval": HEALTH_CHECK_S,
            "expires_extra_ms": NEVER_MS,
            "job_completion_wait": round(self._settings.shutdown_grace_s),
            "job_serializer": self._codec.serialize,
            "job_deserializer": self._deliver,
            "on_startup": self._on_startup,
            "on_shutdown": self._on_shutdown,
            "after_job_end": self._after_job_end,
        }
        if queue.poll_delay_s is not None:
            attributes["poll_delay"] = queue.poll_delay_s
        name = "".join(part.capitalize() for part in queue.name.replace(".", "_").replace("-", "_").split("_"))
        return type(f"{name}Settings", (), attributes)

    def _make_functions(self) -> list[TaskFunction]:
        functions = [TaskFunction(PARK, self._park, Plan(60, 0))]
        for declaration in self._app.declarations.values():
            plan = self._plan(declaration, declaration.policy)
            functions.append(TaskFunction(declaration.name, self._run, plan))
        return functions

    def _plan(self, declaration: Declaration, policy: Policy) -> Plan:
        return plan_of(policy, is_async=declaration.is_async, stuck_grace_s=self._settings.stuck_grace_s)

    def _make_cron_jobs(self) -> list[TickJob]:
        return [
            TickJob(
                name=CRON_PREFIX + declaration.name,
                coroutine=cast("Any", self._ticker(declaration.name)),
                schedule=declaration.schedule,
                month=None,
                day=None,
                weekday=None,
                hour=None,
                minute=None,
                second=None,
                microsecond=0,
                run_at_startup=False,
                unique=True,
                job_id=None,
                timeout_s=30,
                keep_result_s=0,
                keep_result_forever=False,
                max_tries=MAX_TRIES,
            )
            for declaration in self._app.declarations.values()
            if declaration.schedule is not None and declaration.queue == self._queue.name
        ]

    # -- jobs ----------------------------------------------------------------------------

    def _deliver(self, raw: bytes) -> dict[str, Any]:
        """Read a job for arq: never raises, and never names a function that arq does not know.

        arq destroys a job that its deserializer refuses or whose function it
        lacks; so such a job is handed to `park`.
        """
        received = receive(raw, self._app.declarations, read_pickle=self._app.read_pickle)
        if isinstance(received, Misfit):
            if received.task in self._cron_names:  # arq's own job for a tick of ours
                return _arq_job(received.task, (), received.enqueued_at_ms)
            return _arq_job(PARK, (received,), received.enqueued_at_ms)
        _plan.set(self._plan(received.declaration, received.policy))
        return _arq_job(received.declaration.name, (received,), received.envelope.enqueued_at_ms)

    async def _run(self, ctx: dict[str, Any], delivery: Delivery) -> RawResult:
        """Run one attempt and tell arq what follows."""
        runner: PlainRunner = ctx[_RUNNER]
        try:
            result = await runner.run(_claimed(ctx), delivery)
        except RunLater as later:
            raise Retry(defer=later.delay_ms / 1000) from None
        except BrokerError as error:
            raise RetryJob(str(error)) from None  # not recorded, so not over: the claim is dropped, the job stays
        except (JobEnded, asyncio.CancelledError):
            ctx[_ENDED] = True
            raise
        ctx[_ENDED] = True
        return result

    async def _park(self, ctx: dict[str, Any], misfit: Misfit) -> None:
        runner: PlainRunner = ctx[_RUNNER]
        try:
            await runner.park(_claimed(ctx), misfit)
        except BrokerError as error:
            raise RetryJob(str(error)) from None

    def _ticker(self, task: str) -> Callable[[dict[str, Any]], Coroutine[Any, Any, None]]:
        async def tick(ctx: dict[str, Any]) -> None:
            # arq's own id of a cron job ends with the tick in ms.
            tick_ms = int(ctx["job_id"].rpartition(":")[2])
            runner: PlainRunner = ctx[_RUNNER]
            try:
                await runner.tick(self._app.declarations[task], tick_ms)
            except BrokerError as error:
                raise RetryJob(str(error)) from None

        return tick

    # -- the worker ----------------------------------------------------------------------

    async def _on_startup(self, ctx: dict[str, Any]) -> None:
        state = await self._app.lifespan.acquire()
        ctx[_ACQUIRED] = True
        settings = self._settings
        broker = RedisBroker(
            ctx["redis"],
            url=settings.redis.safe_url,
            enqueue_timeout_s=settings.enqueue_timeout_s,
            dead_ttl=settings.dead_ttl,
        )
        # Ticks of cron jobs too: during a deploy an older worker may have met, and parked, one that it did not know.
        known = self._app.known | dict.fromkeys(self._cron_names, 1)
        leases = RedisLeases(ctx["redis"], url=settings.redis.safe_url, timeout_s=settings.enqueue_timeout_s)
        runner = PlainRunner(self._app, self._queue, broker, leases, claim_ms=self._claim_ms, known=known, state=state)
        ctx[_RUNNER] = runner
        health = Health(ctx["redis"], url=settings.redis.safe_url, timeout_s=settings.enqueue_timeout_s)
        ctx[_HEARTBEAT] = Heartbeat(health, [Station(self._queue, lambda: runner.in_hand)])
        await ctx[_HEARTBEAT].start()

    async def _on_shutdown(self, ctx: dict[str, Any]) -> None:
        """Also called by arq where the start failed half-way."""
        heartbeat: Heartbeat | None = ctx.pop(_HEARTBEAT, None)
        if heartbeat is not None:
            await heartbeat.stop()
        runner: PlainRunner | None = ctx.pop(_RUNNER, None)
        if runner is not None:
            await runner.stop()
        if ctx.pop(_ACQUIRED, False):
            await self._app.lifespan.release()

    async def _after_job_end(self, ctx: dict[str, Any]) -> None:
        """Wake those who wait: arq has finished the job, so only now is there something to see."""
        if not ctx.get(_ENDED):
            return
        runner: PlainRunner = ctx[_RUNNER]
        try:
            await runner.conclude(ctx["job_id"])
        except BrokerError as error:  # anything raised here would end arq's worker
            log.warning("those who wait were not told: job=%s: %s", ctx["job_id"], error, extra={"event": "job.untold"})


def _claimed(ctx: dict[str, Any]) -> Claimed:
    return Claimed(ctx["job_id"], ctx["score"], ctx["redis"])


def _arq_job(function: str, args: tuple[Any, ...], enqueued_at_ms: int) -> dict[str, Any]:
    # Without a known age: arq logs how long a job has waited, and since 1970 is no answer.
    return {"f": function, "a": args, "k": {}, "t": None, "et": min(enqueued_at_ms, LAST_MS) or SYSTEM_CLOCK.now_ms()}


# -- Redis -------------------------------------------------------------------------------


class QuietRedisSettings(RedisSettings):
    """arq's settings; their repr hides the password, which arq's own prints."""

    def __repr__(self) -> str:
        return f"RedisSettings(host={self.host!r}, port={self.port!r}, database={self.database!r})"


def arq_redis_settings(settings: Settings) -> RedisSettings:
    """Return where our settings say that Redis is, for arq."""
    address = settings.redis
    return QuietRedisSettings(
        host=list(address.sentinels) if address.sentinels else address.host,
        port=address.port,
        unix_socket_path=address.unix_socket_path,
        database=address.database,
        username=address.username,
        password=address.password.get_secret_value() if address.password else None,
        ssl=address.tls,
        ssl_cert_reqs=address.ssl_cert_reqs,
        ssl_ca_certs=address.ssl_ca_certs,
        ssl_certfile=address.ssl_certfile,
        ssl_keyfile=address.ssl_keyfile,
        ssl_check_hostname=address.ssl_check_hostname,
        conn_timeout=ceil(settings.connect_timeout_s),
        max_connections=None,
        sentinel=bool(address.sentinels),
        sentinel_master=address.sentinel_master or "mymaster",
    )


ArqPool: TypeAlias = ArqRedis
"""The client of plain arq that `arq_pool` returns."""


async def arq_pool(app: App, queue: Queue) -> ArqPool:
    """Return a plain arq client that writes and reads what we do, on one queue.

    Raises:
        BrokerUnavailableError: Redis did not answer.
        BrokerRefusedError: Redis refused the user or the password.
    """
    settings = app.settings()
    codec = ArqCodec(app.declarations)
    try:
        return await create_pool(
            arq_redis_settings(settings),
            job_serializer=codec.serialize,
            job_deserializer=codec.deserialize,
            default_queue_name=queue.key,
            expires_extra_ms=NEVER_MS,
        )
    except (OSError, RedisError) as error:
        raise broker_error(settings.redis.safe_url, error) from error
