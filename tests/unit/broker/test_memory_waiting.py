"""Who is woken by what."""

import asyncio

from scalr_tasks.broker.memory_waiting import Watchers
from scalr_tasks.testing.conformance_harness import soon


async def test_everybody_who_waits_for_a_job_is_woken() -> None:
    watchers = Watchers()
    waiting = [asyncio.create_task(watchers.changed("inv-1")) for _ in range(2)]
    await asyncio.sleep(0)

    watchers.tell("inv-1")
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert [task.done() for task in waiting] == [True, True]


async def test_who_waits_for_another_job_is_not_woken() -> None:
    watchers = Watchers()
    waiting = asyncio.create_task(watchers.changed("inv-2"))
    await asyncio.sleep(0)

    watchers.tell("inv-1")
    await asyncio.sleep(0)

    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait({waiting})


async def test_whoever_is_not_told_looks_by_himself_in_the_end() -> None:
    await soon(Watchers().changed("inv-1"))


def test_telling_nobody_is_no_error() -> None:
    Watchers().tell("inv-1")
