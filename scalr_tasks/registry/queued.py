"""Whether the jobs that are queued now fit this code: what `scalr-tasks check --queued` asks before a deploy.

Each payload goes through what a worker would do with it, upgrades included,
and no further: nothing is run, nothing is changed. A job of a task that this
code does not know does not fit.

Reads next: `delivery.py`.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from scalr_tasks.broker.scan import QueueScan, StoredJob
from scalr_tasks.registry.app import App
from scalr_tasks.registry.codec import CRON_PREFIX
from scalr_tasks.registry.delivery import Misfit, receive


@dataclass(frozen=True, slots=True)
class QueuedMisfit:
    """A queued job that this code could not run."""

    job_id: str
    task: str
    """Empty where the bytes do not tell."""
    queue: str
    reason: str
    """Never a value of its arguments."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What one page of a queue held."""

    queue: str
    jobs: int
    misfits: tuple[QueuedMisfit, ...]


async def look_at_queued(scan: QueueScan, app: App) -> AsyncIterator[Looked]:
    """Validate every queued job of an app, a page at a time.

        async for page in look_at_queued(scan, registry.app()):
            print(page.misfits)

    Raises:
        BrokerUnavailableError: Redis did not answer in time.
        BrokerRefusedError: Redis answered with an error.
    """
    for name, queue in app.queues.items():
        named: set[str] = set()
        async for page in scan.pages(queue.key):
            found = []
            for job in page:
                misfit = _misfit(job, name, app)
                if misfit is not None and job.job_id not in named:
                    named.add(job.job_id)  # a page of Redis may repeat a job of an earlier one
                    found.append(misfit)
            yield Looked(name, len(page), tuple(found))


def _misfit(job: StoredJob, queue: str, app: App) -> QueuedMisfit | None:
    answer = receive(job.payload, app.declarations, read_pickle=app.read_pickle)
    if isinstance(answer, Misfit):
        if answer.task.startswith(CRON_PREFIX) and answer.task.removeprefix(CRON_PREFIX) in app.declarations:
            return None  # plain arq's own job for a tick: it only enqueues the task
        return QueuedMisfit(job.job_id, answer.task, queue, answer.reason)
    if answer.refused is not None:
        reason = "; ".join(str(each) for each in answer.refused.problems)
        return QueuedMisfit(job.job_id, answer.envelope.task, queue, reason)
    return None
