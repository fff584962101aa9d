"""What must hold of everything that is stored, at every moment between two acts."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from redis.asyncio import Redis

from scalr_tasks.broker.keys import DEAD, DEAD_RECORD, JOB, PARKED, PARKED_OF, PARKED_RECORD, QUEUE
from scalr_tasks.broker.records import DEAD_FIELDS, PARKED_FIELDS
from tests.support.jobs import snapshot

_TIME = re.compile(r"1\d{12}(\.0)?")


def timeless(value: object) -> str:
    """How a value reads, with a `T` for every time of the real clock in it."""
    return _TIME.sub("T", repr(value))


async def stored(redis: Redis) -> str:
    """Everything that is stored, without its times."""
    everything = await snapshot(redis)
    # Not in the order of times, which are left out; and two servers give the fields of a hash in different orders.
    return timeless({key: _in_order(value) for key, value in everything.items()})


def _in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted(value.items())
    return sorted(value) if isinstance(value, list) else value


async def torn(redis: Redis) -> list[str]:
    """What is half done in the store: jobs without a place, places without a job. Empty where it is whole."""
    everything = {key.decode(): value for key, value in (await snapshot(redis)).items()}
    jobs = _ids(everything, JOB)
    queued = Counter(_members(everything, QUEUE))
    parked, dead = _ids(everything, PARKED_RECORD), _ids(everything, DEAD_RECORD)
    problems = [f"{job_id} is {times} times queued" for job_id, times in queued.items() if times > 1]
    problems += _differ("a job", jobs, "its place in a queue", queued)
    problems += _differ("a parked record", parked, "its row in the index", _row_ids(everything.get(PARKED, [])))
    problems += _differ("a parked record", parked, "its row of its task", _members(everything, PARKED_OF))
    problems += _differ("a dead record", dead, "its row in the index", _row_ids(everything.get(DEAD, [])))
    problems += [f"{job_id} is queued and parked" for job_id in jobs & parked]
    for prefix, fields in ((PARKED_RECORD, PARKED_FIELDS), (DEAD_RECORD, DEAD_FIELDS)):
        for job_id in _ids(everything, prefix):
            missing = {field.encode() for field in fields} - set(everything[prefix + job_id])
            problems += [f"the record of {job_id} has no {name.decode()}" for name in missing]
    return problems


def _ids(everything: dict[str, Any], prefix: str) -> set[str]:
    return {key.removeprefix(prefix) for key in everything if key.startswith(prefix)}


def _members(everything: dict[str, Any], prefix: str) -> list[str]:
    return [job_id for key, rows in everything.items() if key.startswith(prefix) for job_id in _row_ids(rows)]


def _row_ids(rows: Iterable[tuple[bytes, float]]) -> list[str]:
    return [job_id.decode() for job_id, _ in rows]


def _differ(one: str, ones: Iterable[str], other: str, others: Iterable[str]) -> list[str]:
    has, needs = set(ones), set(others)
    return [f"{job_id}: {one} without {other}" for job_id in has - needs] + [
        f"{job_id}: {other} without {one}" for job_id in needs - has
    ]
