"""The conformance suite finds what is wrong with a broker, and leaves out no method of the protocol."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

import scalr_tasks.testing
from scalr_tasks.broker.base import Broker, JobInfo, NewJob, Page, ParkedJob, Stored
from scalr_tasks.broker.memory import MemoryBroker
from scalr_tasks.state import JobState
from scalr_tasks.testing.conformance import BrokerConformance, BrokerUnderTest
from tests.conformance.under_test import MemoryUnderTest

Check = Callable[..., Awaitable[None]]


class WithoutNonces(MemoryBroker):
    """Takes a repeat for a duplicate."""

    async def enqueue(self, jobs: Sequence[NewJob]) -> list[Stored]:
        answers = []
        for job in jobs:
            was_there = (await self.info(job.job_id, [])).state is not JobState.NOT_FOUND
            (stored,) = await super().enqueue([job])
            answers.append(Stored(stored.job_id, stored.created and not was_there, stored.holder))
        return answers


class WithoutTombstones(MemoryBroker):
    """Forgets at once that an unkept job ended."""

    async def entomb(self, job_id: str, nonce: str) -> None:
        pass


class ForgettingAttempts(MemoryBroker):
    """Counts no attempt."""

    async def postpone(self, job_id: str, *, counts: bool) -> None:
        await super().postpone(job_id, counts=False)


class Concluding(MemoryBroker):
    """Believes that every job has ended."""

    async def conclude(self, job_id: str) -> bool:
        await super().conclude(job_id)
        return True


class TellingNobody(MemoryBroker):
    """Ends the wait of nobody."""

    async def wait_ended(self, job_id: str, timeout_s: float | None) -> None:
        raise TimeoutError


class DroppingVersions(MemoryBroker):
    """Takes back what is newer than it."""

    async def unpark(self, queue_key: str, known: Any) -> list[str]:
        return await super().unpark(queue_key, dict.fromkeys(known, 99))


class WithoutCursors(MemoryBroker):
    """Begins every part of a listing anew."""

    async def list_parked(self, cursor: str | None = None, limit: int = 100) -> Page[ParkedJob]:
        page = await super().list_parked(None, limit)
        return Page(page.items, None)


class KeepingAborts(MemoryBroker):
    """Never takes an aborted job off its queue."""

    async def abort(self, job_id: str, queue_keys: Sequence[str], keep_result_ms: int) -> JobState:
        return JobState.ABORTED


class NamelessQueues(MemoryBroker):
    """Does not say where a job waits."""

    async def info(self, job_id: str, queue_keys: Sequence[str]) -> JobInfo:
        return await super().info(job_id, [])


BROKEN: list[tuple[type[MemoryBroker], str]] = [
    (WithoutNonces, "test_an_id_twice_in_a_batch_is_stored_once"),
    (WithoutTombstones, "test_a_repeat_after_an_end_that_is_not_kept_stores_nothing"),
    (ForgettingAttempts, "test_attempts_add_up"),
    (Concluding, "test_counts_are_kept_where_the_job_has_not_ended"),
    (TellingNobody, "test_an_end_that_is_kept_is_told_at_once"),
    (DroppingVersions, "test_a_worker_leaves_what_it_does_not_know"),
    (WithoutCursors, "test_parked_jobs_are_listed_newest_first_part_by_part"),
    (KeepingAborts, "test_a_deferred_job_is_aborted_at_once"),
    (NamelessQueues, "test_a_new_job_is_created_and_queued"),
]


class BrokenUnderTest(MemoryUnderTest):
    def __init__(self, kind: type[MemoryBroker]) -> None:
        super().__init__()
        self.broker = kind(self._clock)


def arguments_of(check: Any) -> dict[str, Any]:
    """The second case of a parametrized check; none where it is not."""
    for mark in getattr(check, "pytestmark", []):
        names = [name.strip() for name in mark.args[0].split(",")] if isinstance(mark.args[0], str) else mark.args[0]
        case = list(mark.args[1])[1]
        return dict(zip(names, case if len(names) > 1 else [case], strict=True))
    return {}


@pytest.mark.parametrize(("kind", "name"), BROKEN, ids=[kind.__name__ for kind, _ in BROKEN])
async def test_a_broker_that_breaks_a_promise_fails_its_check(kind: type[MemoryBroker], name: str) -> None:
    check = getattr(BrokerConformance(), name)

    await check(broker_under_test=MemoryUnderTest(), **arguments_of(check))
    with pytest.raises((AssertionError, TimeoutError)):
        await check(broker_under_test=BrokenUnderTest(kind), **arguments_of(check))


def test_every_method_of_the_protocol_is_called_by_a_check() -> None:
    folder = Path(scalr_tasks.testing.__path__[0])
    text = "".join(path.read_text("utf-8") for path in folder.glob("conformance_*.py"))

    methods = {name for name in vars(Broker) if not name.startswith("_")}

    # `close` ends the test of whoever opened a connection.
    assert {name for name in methods - {"close"} if f"broker.{name}(" not in text} == set()
    assert len(methods) >= 20


def test_no_check_hides_another_one_of_the_same_name() -> None:
    names = [name for part in BrokerConformance.__bases__ for name in vars(part) if name.startswith("test_")]

    assert len(names) == len(set(names)) > 80


def test_the_harness_has_no_more_than_a_broker_must_give() -> None:
    class Empty(Protocol):
        pass

    acts = set(dir(BrokerUnderTest)) - set(dir(Empty))

    assert acts == {"abort_asked", "advance", "broker", "claim", "drop_claim", "finish", "now_ms", "payload"}
