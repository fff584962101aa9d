"""The jobs of one queue in this process: claims them, starts them, tells what became of them.

One request at a time: it carries everything that ended since the last one,
and asks for as many jobs as there are free slots. Where bodies are short, as
many again are held ready, so that they run while Redis answers. A request is
repeated until it is answered, under the same token, so a lost reply neither
loses nor doubles anything.

Reads next: `broker/lua/step.lua` for the other side, `attempt.py` for one
job, `leases.py` for who renews what is held here.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from scalr_tasks.broker.leases import Back, Claimed, Ended, LeaseBroker, Other, Started, Step, Stepped
from scalr_tasks.broker.redis_leases import MOST_ENDED
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.errors import BrokerError
from scalr_tasks.registry.app import App
from scalr_tasks.registry.delivery import Delivery
from scalr_tasks.registry.queue import Queue
from scalr_tasks.worker.attempt import News, Runner
from scalr_tasks.worker.hand import InHand, Stop

LEASE_S: Final = 15.0
"""How long a claim holds without being renewed: a lost worker's jobs run again after at most this and a look."""

LOOK_S: Final = 0.5
"""How often a queue is looked at although nobody said that there is something; as often as plain arq looks."""

SHORT_S: Final = 0.01
"""Where bodies take less than this, further jobs are held ready."""

MOST_CLAIMED: Final = 500
"""Most jobs of one request: Redis serves nobody else meanwhile."""

_FIRST_DELAY_S: Final = 0.1
_LONGEST_DELAY_S: Final = 2.0

log: logging.Logger = logging.getLogger("scalr_tasks.worker")


class Claims:
    """The engine of one queue.

        claims = Claims(app, queue, leases, worker="w-17", state=state, redis=client)
        claims.start()
        ...
        claims.stop_claiming()
        given_back = await claims.close(0.5)

    Args:
        app: the registry.
        queue: the queue.
        leases: the store.
        worker: name of the worker, unique while it runs.
        state: what the registry's lifespan yielded.
        redis: client that bodies are given.
        lease_s: how long a claim holds without being renewed.
        look_s: how often the queue is looked at unasked.
    """

    def __init__(
        self,
        app: App,
        queue: Queue,
        leases: LeaseBroker,
        *,
        worker: str,
        state: object,
        redis: Any,
        lease_s: float = LEASE_S,
        look_s: float = LOOK_S,
    ) -> None:
        self.queue = queue
        self.lease_ms: int = round(lease_s * 1000)
        self.hungry: asyncio.Event = asyncio.Event()
        """Set while there are free slots and nothing to fill them with."""
        self._leases = leases
        self._name = f"{worker}:{queue.key}"
        self._worker = worker
        self._look_s = look_s
        self._loop = asyncio.get_running_loop()
        self._now_s = SYSTEM_CLOCK.monotonic_s
        self._runner = Runner(app, queue, state=state, redis=redis, now_ms=self.now_ms)
        self._in_hand: dict[str, InHand] = {}
        self._held: deque[InHand] = deque()
        self._running: set[InHand] = set()
        self._ended: list[Ended] = []
        self._others: list[Other] = []
        self._unmarked: list[InHand] = []
        self._requests = 0
        self._is_asking = False
        self._claiming = True
        self._must_look = True
        self._news = asyncio.Event()
        self._skip = 0
        self._body_s = 10 * SHORT_S  # of recent bodies; not short before some were seen
        self._was_held: InHand | None = None
        self._offset_ms = SYSTEM_CLOCK.now_ms() - self._now_s() * 1000
        self._due: asyncio.TimerHandle | None = None
        self._poll: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    # -- from outside --------------------------------------------------------------------

    def start(self) -> "asyncio.Task[None]":
        """Begin; the task ends only by an error of ours."""
        self._task = asyncio.create_task(self._steps(), name=f"scalr-tasks-{self.queue.name}")
        self._poll = self._loop.call_later(self._look_s, self._look_anyway)
        self.look()
        return self._task

    @property
    def running(self) -> int:
        """Jobs whose bodies run now."""
        return len(self._running)

    @property
    def in_hand(self) -> Mapping[str, InHand]:
        """Every job that this worker holds, by id."""
        return self._in_hand

    @property
    def is_quiet(self) -> bool:
        """Whether nothing runs, is held or is still to be told."""
        return not (self._is_asking or self._in_hand or self._ended or self._others)

    def now_ms(self) -> int:
        """Return the store's time, epoch ms."""
        return round(self._now_s() * 1000 + self._offset_ms)

    def look(self) -> None:
        """Look at the queue now: somebody said that there is something."""
        self._must_look = True
        self._news.set()

    def lost(self, job_ids: list[str], tokens: Mapping[str, str]) -> None:
        """Cancel jobs whose lease is lost; `tokens` tells which claims, since one may have been renewed since."""
        for job_id in job_ids:
            job = self._in_hand.get(job_id)
            if job is not None and job.token == tokens.get(job_id):
                self._lose(job)

    def stop_claiming(self) -> None:
        """Take no more jobs, and give back those that have not started."""
        self._claiming = False
        self.hungry.clear()
        while self._held:
            self._give_back(self._held.popleft())
        self.look()

    async def close(self, leave_s: float) -> int:
        """Cancel what still runs, give it all back, and stop; returns how many that were.

        Args:
            leave_s: how long bodies are given to leave, and how long Redis to answer.
        """
        self.stop_claiming()
        given_back = list(self._running)
        for job in given_back:
            self._cancel(job, Stop.DRAIN)
        tasks = [job.run for job in given_back if job.run is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=leave_s)
        for job in list(self._running):
            self._leave_behind(job)
        until_s = self._now_s() + leave_s
        while not self.is_quiet and self._now_s() < until_s and self._task is not None and not self._task.done():
            self._news.set()
            await asyncio.sleep(0.005)
        for handle in (self._due, self._poll):
            if handle is not None:
                handle.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._runner.close()
        return len(given_back)

    # -- requests ------------------------------------------------------------------------

    async def _steps(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            step = self._request()
            if step is not None:
                self._is_asking = True
                self._take(step, await self._answer(step))
                self._is_asking = False

    def _request(self) -> Step | None:
        others, self._others = self._others, []
        unmarked, self._unmarked = self._unmarked, []
        for job in unmarked:
            if job.is_over:
                continue
            if job.deadline_s is None:  # its body has not begun yet
                self._unmarked.append(job)
            else:
                others.append(Started(job.job_id, job.token))
        if not (self._ended or others or self._must_look):
            return None
        ended, self._ended = self._ended[:MOST_ENDED], self._ended[MOST_ENDED:]
        others, self._others = others[:MOST_ENDED], others[MOST_ENDED:]
        self._must_look = False
        to_start = to_hold = 0
        if self._claiming:
            free = self.queue.concurrency - len(self._running) - len(self._held)
            to_start = min(max(0, free), MOST_CLAIMED)
            if self._body_s < SHORT_S:
                to_hold = min(max(0, self.queue.concurrency + min(0, free)), MOST_CLAIMED)
        self._requests += 1
        return Step(
            worker=self._name,
            queue_key=self.queue.key,
            token=f"{self._worker}:{self._requests}",
            lease_ms=self.lease_ms,
            to_start=to_start,
            to_hold=to_hold,
            ended=ended,
            others=others,
            skip=self._skip,
        )

    async def _answer(self, step: Step) -> Stepped:
        delay_s, tries = _FIRST_DELAY_S, 0
        while True:
            try:
                answer = await self._leases.step(step)
            except BrokerError as error:
                tries += 1
                log.warning(
                    "queue %s is not served for now, try %d: %s",
                    self.queue.name,
                    tries,
                    error,
                    extra={"event": "redis.away", "queue": self.queue.name},
                )
            else:
                if tries:
                    log.info("queue %s is served again", self.queue.name, extra={"event": "redis.back"})
                return answer
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _LONGEST_DELAY_S)

    def _take(self, step: Step, answer: Stepped) -> None:
        self._offset_ms = answer.now_ms - self._now_s() * 1000
        for job_id in answer.lost:
            self._hear_lost(job_id)
        for job_id in answer.abort_asked:
            job = self._in_hand.get(job_id)
            if job is not None:
                self._abort(job)
        for position, claimed in enumerate(answer.claimed):
            self._got(claimed, step.token, marked=position < step.to_start)
        wanted = step.to_start + step.to_hold
        is_short = len(answer.claimed) < wanted
        if is_short and step.skip:
            self.look()  # what was stepped over may be free by now
        self._skip = 0 if is_short or not wanted else answer.held
        if is_short and self._claiming and step.to_start:
            self.hungry.set()
            self._wake_when_due(answer)
        elif not is_short:
            self.hungry.clear()
        if self._ended or self._others:
            self._news.set()

    def _wake_when_due(self, answer: Stepped) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if answer.next_due_ms is not None:
            wait_s = (answer.next_due_ms - answer.now_ms + 1) / 1000
            if wait_s < self._look_s * 2:  # further ones are seen again by the looks until then
                self._due = self._loop.call_later(max(0.0, wait_s), self.look)

    def _look_anyway(self) -> None:
        # Jittered, so that workers that were started together do not look together.
        self._poll = self._loop.call_later(self._look_s * random.uniform(0.8, 1.2), self._look_anyway)  # noqa: S311
        self._skip = 0
        first = self._held[0] if self._held else None
        if first is not None and first is self._was_held:  # nothing has moved since the last look: bodies are long
            self._body_s = 10 * SHORT_S
            while self._held:
                self._give_back(self._held.popleft())
        self._was_held = first
        self.look()

    # -- jobs ----------------------------------------------------------------------------

    def _got(self, claimed: Claimed, token: str, *, marked: bool) -> None:
        before = self._in_hand.get(claimed.job_id)
        if before is not None:  # this worker stood still, and has claimed its own lapsed job
            self._lose(before)
        job = self._in_hand[claimed.job_id] = InHand(claimed, token, marked=marked)
        if not self._claiming:
            self._give_back(job)
        elif len(self._running) < self.queue.concurrency:
            self._start(job)
        else:
            self._held.append(job)

    def _start(self, job: InHand) -> None:
        received = self._runner.read(job)
        if not isinstance(received, Delivery):
            self._over(job, received)
            return
        self._running.add(job)
        if not job.marked:
            self._unmarked.append(job)
        job.run = self._loop.create_task(self._run(job, received))

    async def _run(self, job: InHand, delivery: Delivery) -> None:
        news: News | None
        try:
            news = await self._runner.run(job, delivery)
        except asyncio.CancelledError:  # told while the body was over already
            news = self._runner.stopped(job, delivery)
        except Exception:
            # A mistake of ours must end neither the worker nor the job: its lease lapses, and the start is counted.
            log.exception("attempt could not be recorded: job=%s", job.job_id, extra={"event": "attempt.broken"})
            news = None
        self._body_s += (self._now_s() - job.started_s - self._body_s) * 0.05
        self._over(job, news)
        while self._held and len(self._running) < self.queue.concurrency:
            self._start(self._held.popleft())

    def _over(self, job: InHand, news: News | None) -> None:
        if job.is_over:
            return
        job.is_over = True
        self._running.discard(job)
        if self._in_hand.get(job.job_id) is job:
            del self._in_hand[job.job_id]
        if news is not None and job.stop is not Stop.LOST:
            if isinstance(news, Ended):
                self._ended.append(news)
            else:
                self._others.append(news)
        self._must_look = True  # there is a free slot
        self._news.set()

    def _give_back(self, job: InHand) -> None:
        self._over(job, Back(job.job_id, job.token, job.claimed.score, started=False))

    def _abort(self, job: InHand) -> None:
        if job.run is not None:
            self._cancel(job, Stop.ABORT)
            return
        self._held.remove(job)
        job.claimed = job.claimed._replace(abort_asked_ms=self.now_ms())
        self._start(job)

    def _leave_behind(self, job: InHand) -> None:
        """Give back a job whose body ignores its cancellation; the process ends under it."""
        log.warning(
            "body ignores its cancellation, job is given back: task=%s job=%s",
            job.task,
            job.job_id,
            extra={"event": "worker.left_behind", "task": job.task, "job": job.job_id},
        )
        self._over(job, self._runner.given_back(job))
        if job.run is not None:
            asyncio._unregister_task(job.run)  # noqa: SLF001  documented for those who extend asyncio; `Runner` would wait for it

    def _hear_lost(self, job_id: str) -> None:
        job = self._in_hand.get(job_id)
        if job is not None:
            self._lose(job)
        else:
            log.warning("lease lost, outcome dropped: job=%s", job_id, extra={"event": "lease.lost", "job": job_id})

    def _lose(self, job: InHand) -> None:
        log.warning("lease lost, job is stopped: job=%s", job.job_id, extra={"event": "lease.lost", "job": job.job_id})
        if self._in_hand.get(job.job_id) is job:
            del self._in_hand[job.job_id]
        if job.run is None:
            self._held.remove(job)
            job.is_over = True
        else:
            self._cancel(job, Stop.LOST)

    def _cancel(self, job: InHand, stop: Stop) -> None:
        if job.run is None or (job.stop is not None and stop is not Stop.LOST):
            return
        job.stop = stop
        job.run.cancel()
        if job.deadline_s is None and job.delivery is not None:  # it never begins, so nothing else tells of it
            self._over(job, self._runner.stopped(job, job.delivery))
