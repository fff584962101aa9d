"""What the code does not understand is parked, listed and never destroyed, under the real `arq` CLI."""

import json
import pickle
from typing import Any

import pytest
from redis.asyncio import Redis

from scalr_tasks import JobState
from scalr_tasks.registry.delivery import Misfit, receive
from tests.arq.conftest import StartArq

PAYLOADS = {
    "random bytes": b"\x00\xff\xfe garbage \x80",
    "a pickle": pickle.dumps({"t": None, "f": "add", "a": (1,), "k": {}, "et": 1}),
    "truncated json": b'{"v":1,"et":1,"f":"add","n":"x"}\n{"a":1',
    "half a head": b'{"v":1,"et":1,"f":"ad',
    "an empty value": b"\n",
    "an unknown task": b'{"v":1,"et":1,"f":"not_there","n":"x"}\n{}',
    "a newer wire version": b'{"v":2,"et":1,"f":"add","n":"x"}\n{"a":1}',
    "a newer task version": b'{"v":1,"et":1,"f":"add","tv":2,"n":"x"}\n{"a":1}',
    "a name of arq's own": b'{"v":1,"et":1,"f":"scalr:park","n":"x"}\n{}',
    "a cron job that is not ours": b'{"v":1,"et":1,"f":"cron:nobody","n":"x"}\n{}',
}


async def put(redis: Redis, job_id: str, payload: bytes) -> None:
    await redis.set(f"arq:job:{job_id}", payload)
    await redis.zadd("arq:queue:default", {job_id: 1})


@pytest.mark.parametrize("kind", PAYLOADS)
async def test_a_job_that_cannot_be_understood_is_parked_with_its_bytes_and_the_worker_lives(
    app: Any, arq_cli: StartArq, redis: Redis, kind: str
) -> None:
    await put(redis, "odd", PAYLOADS[kind])
    following = await app.add.enqueue(1)

    assert arq_cli("tests.arq.app.DefaultSettings", "--burst").wait() == 0

    parked = await app.registry.broker().parked("odd")
    assert parked is not None
    assert parked.payload == PAYLOADS[kind]
    assert await app.registry.job("odd").status() is JobState.PARKED
    assert await following.result(timeout=1) == 2


async def test_a_job_from_after_the_year_9999_does_not_end_the_worker(
    app: Any, arq_cli: StartArq, redis: Redis
) -> None:
    late = b'{"v":1,"et":9007199254740991,"f":"%s","n":"x"}\n{"a":1}'
    await put(redis, "known", late % b"add")
    await put(redis, "unknown", late % b"not_there")
    following = await app.add.enqueue(1)

    status = arq_cli("tests.arq.app.DefaultSettings", "--burst").wait()

    assert status == 0
    assert await app.registry.job("known").status() is JobState.DONE
    assert await app.registry.job("unknown").status() is JobState.PARKED
    assert await following.result(timeout=1) == 2


async def test_a_pickle_is_never_loaded(app: Any, arq_cli: StartArq, redis: Redis, tmp_path: Any) -> None:
    proof = tmp_path / "loaded"

    class Bomb:
        def __reduce__(self) -> Any:
            return (open, (str(proof), "w"))

    await put(redis, "bomb", pickle.dumps({"f": "add", "a": (Bomb(),), "k": {}, "t": 1, "et": 1}))

    arq_cli("tests.arq.app.DefaultSettings", "--burst").wait()

    assert not proof.exists()
    assert await app.registry.job("bomb").status() is JobState.PARKED


async def test_a_parked_job_is_taken_back_by_a_worker_that_knows_its_task(
    app: Any, arq_cli: StartArq, redis: Redis
) -> None:
    job = await app.add.enqueue(5)
    payload = await redis.get(f"arq:job:{job.job_id}")
    score = await redis.zscore("arq:queue:default", job.job_id)
    await app.registry.broker().park(job.job_id, "arq:queue:default", reason="unknown task", task="add", version=1)

    arq = arq_cli()
    result = await job.result(timeout=15)
    arq.stop()

    assert result == 6
    assert payload is not None
    assert score is not None


async def test_a_job_that_this_code_still_cannot_read_is_not_taken_back_again_and_again(app: Any, redis: Redis) -> None:
    broker = app.registry.broker()
    known = app.registry.app().known
    for job_id, kind in (
        ("broken", "truncated json"),
        ("wire", "a newer wire version"),
        ("task", "a newer task version"),
    ):
        misfit = receive(PAYLOADS[kind], app.registry.app().declarations)
        assert isinstance(misfit, Misfit)
        await put(redis, job_id, PAYLOADS[kind])
        await broker.park(job_id, "arq:queue:default", reason=misfit.reason, task=misfit.task, version=misfit.version)

    now = await broker.unpark("arq:queue:default", known)
    after_an_upgrade = await broker.unpark("arq:queue:default", known | {"": 2, "add": 2})

    assert now == []
    assert sorted(after_an_upgrade) == ["task", "wire"]


async def test_arguments_that_do_not_fit_this_code_make_a_job_dead_without_burning_attempts(
    app: Any, arq_cli: StartArq, redis: Redis
) -> None:
    await put(redis, "misfit", b'{"v":1,"et":1,"f":"add","n":"x"}\n' + json.dumps({"a": "secret-word"}).encode())

    arq = arq_cli("tests.arq.app.DefaultSettings", "--burst")
    arq.wait()

    dead = await app.registry.broker().dead("misfit")
    assert dead is not None
    assert (dead.reason, dead.attempts) == ("invalid_arguments", 1)
    assert "secret-word" not in dead.error.message
    assert "secret-word" not in arq.output
