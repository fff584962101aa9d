"""`registry/brokers.py`: what stands in for Redis holds for every handle, and for its time only."""

from collections.abc import Iterator
from typing import Any

import pytest

from scalr_tasks import Registry
from scalr_tasks.broker.memory import MemoryBroker
from scalr_tasks.registry.brokers import RegistryBrokers, put_stand_in

registry = Registry("made-before")


@registry.task(ctx=False)
async def work() -> None: ...


class Memory:
    """Stands in with one store for all."""

    def __init__(self) -> None:
        self.store = MemoryBroker()
        self.asked: list[str] = []

    def broker(self, home: RegistryBrokers) -> MemoryBroker:
        self.asked.append(home.registry)
        return self.store

    def blocking(self, home: RegistryBrokers) -> Any:
        self.asked.append(home.registry)
        return self.store


@pytest.fixture
def memory() -> Iterator[Memory]:
    memory = Memory()
    before = put_stand_in(memory)
    yield memory
    put_stand_in(before)


async def test_a_handle_made_before_goes_to_the_stand_in(memory: Memory) -> None:
    job = await work.enqueue()

    assert await memory.store.payload(job.job_id) is not None


async def test_a_registry_made_after_goes_to_the_stand_in(memory: Memory) -> None:
    made = Registry("made-after")

    @made.task(ctx=False)
    async def other_work() -> None: ...

    await other_work.enqueue()

    assert memory.asked == ["made-after"]


async def test_putting_one_answers_what_stood_in_before(memory: Memory) -> None:
    inner = Memory()

    assert put_stand_in(inner) is memory
    assert put_stand_in(memory) is inner


async def test_a_job_asks_where_it_is_asked_and_not_where_it_was_made(memory: Memory) -> None:
    job = await work.enqueue()
    inner = Memory()
    put_stand_in(inner)

    await job.status()

    assert inner.asked == ["made-before"]


async def test_closing_a_registry_leaves_the_stand_in_alone(memory: Memory) -> None:
    await registry.close()

    assert memory.asked == []


def test_a_snapshot_grows_with_its_registry() -> None:
    made = Registry("growing")
    snapshot = made.snapshot()

    @made.task(ctx=False)
    async def late() -> None: ...

    assert list(snapshot.declarations) == ["late"]
