import asyncio
from collections.abc import Sequence

import pytest

from scalr_tasks.broker.base import NewJob, Stored
from scalr_tasks.broker.outbox import Outbox
from tests.support.jobs import new_job


class Post:
    """Takes batches; holds each until it is let go."""

    def __init__(self) -> None:
        self.sent: list[list[str]] = []
        self.error: Exception | None = None
        self.go = asyncio.Event()

    async def __call__(self, batch: Sequence[NewJob]) -> list[Stored]:
        self.sent.append([job.job_id for job in batch])
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return [Stored(job.job_id, created=True, holder=job.task) for job in batch]


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_calls_of_one_turn_are_sent_together_and_each_gets_its_own_answer() -> None:
    post = Post()
    post.go.set()
    outbox = Outbox(post)

    answers = await asyncio.gather(*(outbox.put(new_job(name)) for name in "abc"))

    assert post.sent == [["a", "b", "c"]]
    assert [answer.job_id for answer in answers] == ["a", "b", "c"]


async def test_a_later_call_does_not_wait_for_an_earlier_one() -> None:
    post = Post()
    outbox = Outbox(post)
    first = asyncio.create_task(outbox.put(new_job("a")))
    await turns(3)

    second = asyncio.create_task(outbox.put(new_job("b")))
    await turns(3)

    assert post.sent == [["a"], ["b"]]
    post.go.set()
    await asyncio.gather(first, second)


async def test_a_cancelled_caller_costs_the_others_nothing() -> None:
    post = Post()
    outbox = Outbox(post)
    callers = [asyncio.create_task(outbox.put(new_job(name))) for name in "abc"]
    await turns(3)

    callers[0].cancel()
    post.go.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)

    assert isinstance(answers[0], asyncio.CancelledError)
    assert [answer.job_id for answer in answers[1:] if isinstance(answer, Stored)] == ["b", "c"]


async def test_an_error_reaches_every_caller_of_the_turn() -> None:
    post = Post()
    post.error = ConnectionError("gone")
    post.go.set()
    outbox = Outbox(post)

    answers = await asyncio.gather(*(outbox.put(new_job(name)) for name in "abc"), return_exceptions=True)

    assert answers == [post.error] * 3


async def test_a_part_that_fails_does_not_fail_the_part_that_was_stored() -> None:
    class SecondFails(Post):
        async def __call__(self, batch: Sequence[NewJob]) -> list[Stored]:
            stored = await super().__call__(batch)
            if len(self.sent) == 2:
                raise ConnectionError("gone")
            return stored

    post = SecondFails()
    post.go.set()
    outbox = Outbox(post)

    answers = await asyncio.gather(*(outbox.put(new_job()) for _ in range(1500)), return_exceptions=True)

    assert [len(batch) for batch in post.sent] == [1000, 500]
    assert all(isinstance(answer, Stored) for answer in answers[:1000])
    assert all(isinstance(answer, ConnectionError) for answer in answers[1000:])


@pytest.mark.parametrize("begun", [0, 3])
async def test_a_flush_that_is_cancelled_with_its_loop_frees_its_callers(begun: int) -> None:
    post = Post()
    outbox = Outbox(post)
    callers = [asyncio.create_task(outbox.put(new_job(name))) for name in "ab"]
    await turns(1)
    [flush] = outbox._flushes
    await turns(begun)

    flush.cancel()
    await asyncio.wait(callers, timeout=5)
    post.go.set()

    assert all(caller.cancelled() for caller in callers)
    assert (await outbox.put(new_job("c"))).created


async def test_draining_waits_for_what_is_on_its_way() -> None:
    post = Post()
    outbox = Outbox(post)
    caller = asyncio.create_task(outbox.put(new_job("a")))
    await turns(3)
    draining = asyncio.create_task(outbox.drain())
    await turns(3)
    assert not draining.done()

    post.go.set()
    await draining

    assert (await caller).created
