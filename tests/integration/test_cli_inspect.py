"""`queues` and `inspect` on a real Redis."""

import json
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from scalr_tasks.broker.health import Health, WorkedQueue, WorkerSelf
from scalr_tasks.broker.redis import RedisBroker
from tests.integration.conftest import Run
from tests.support.cli import run_beside
from tests.support.jobs import QUEUE_KEY, claim, dead_of, finish, new_job, now_ms, result_of

HOSTILE = "\x1b[2Jforged\nline"


@pytest.fixture(autouse=True)
def environment(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)


@pytest.fixture
async def health(redis: Redis, redis_url: str) -> Health:
    return Health(redis, url=redis_url)


async def beat(health: Health, *keys: str, worker: str = "w-1", name: str | None = None) -> None:
    queues = tuple(WorkedQueue(name or key.rpartition(":")[2], key, 10, 0) for key in keys)
    await health.beat(worker, WorkerSelf("box", 7, "0.1.0", 5, queues))


async def bury(broker: RedisBroker, redis: Redis, job_id: str, **options: Any) -> None:
    job = new_job(job_id, **options)
    await broker.enqueue([job])
    await broker.bury(dead_of(job))
    await finish(redis, job, result_of(job, kind="failed", body=b'{"type":"ValueError","message":"x","traceback":""}'))


# -- queues ------------------------------------------------------------------------------


async def test_queues_shows_every_queue_that_is_known_with_its_jobs_and_workers(
    health: Health, broker: RedisBroker, redis: Redis
) -> None:
    await beat(health, "arq:queue:bulk")
    await broker.enqueue([new_job("a", queue_key="arq:queue:bulk"), new_job("b"), new_job("c", delay_ms=90_000)])
    await claim(redis, "a")
    await bury(broker, redis, "d")

    shown = await run_beside("queues")

    heading, first, second = shown.out.splitlines()
    assert shown.status == 0
    assert heading.split() == ["QUEUE", "READY", "OLDEST", "DEFERRED", "RUNNING", "DEAD", "WORKERS"]
    assert first.startswith("default  1")
    assert first.endswith("! no worker serves this queue")
    assert second.split() == ["bulk", "0", "-", "0", "1/10", "0", "1"]


async def test_the_json_of_queues_has_numbers_in_units(health: Health, broker: RedisBroker, redis: Redis) -> None:
    await beat(health, QUEUE_KEY)
    await broker.enqueue([new_job("a")])
    await redis.zadd(QUEUE_KEY, {"a": 1000})

    (queue,) = (await run_beside("queues", "--json")).document["queues"]

    assert queue.pop("oldest_ms") > 1_000_000_000_000
    assert queue == {
        "queue": "default",
        "key": QUEUE_KEY,
        "ready": 1,
        "deferred": 0,
        "running": 0,
        "slots": 10,
        "dead": 0,
        "workers": 1,
    }


async def test_a_job_that_has_waited_for_ten_minutes_is_pointed_out(
    health: Health, broker: RedisBroker, redis: Redis
) -> None:
    await beat(health, QUEUE_KEY)
    await broker.enqueue([new_job("a")])
    await redis.zadd(QUEUE_KEY, {"a": 1000})

    assert (await run_beside("queues")).out.splitlines()[1].endswith("! oldest > 10m")


async def test_with_a_module_the_queues_are_those_that_it_declares(folder: Path, health: Health, command: Run) -> None:
    await beat(health, "arq:queue:other")

    shown = command("queues", "shop.tasks", "--json")

    assert shown.wait() == 0
    assert [queue["queue"] for queue in json.loads(shown.stdout)["queues"]] == ["default", "bulk"]


async def test_watching_writes_one_json_document_a_line_until_it_is_stopped(command: Run) -> None:
    watching = command("queues", "--watch", "--json", "--interval", "0.1")
    assert watching.process.stdout is not None
    first, second = (json.loads(watching.process.stdout.readline()) for _ in range(2))

    watching.signal(2)

    assert watching.wait() == 130
    assert second["now_ms"] > first["now_ms"]
    assert "Traceback" not in watching.stderr


async def test_what_a_worker_calls_its_queue_cannot_forge_a_line(health: Health) -> None:
    await beat(health, "arq:queue:x", name=HOSTILE)

    shown = await run_beside("queues")

    assert len(shown.out.splitlines()) == 3
    assert "\x1b" not in shown.out


async def test_queues_is_one_script_whose_cost_does_not_grow_with_the_jobs(
    health: Health, broker: RedisBroker, redis: Redis
) -> None:
    await beat(health, QUEUE_KEY)
    await broker.enqueue([new_job() for _ in range(3000)])
    await run_beside("queues")
    before = await calls(redis)

    await run_beside("queues")

    after = await calls(redis)
    assert after["evalsha"] - before["evalsha"] == 1
    assert after["exists"] - before["exists"] <= 1000
    assert (after["keys"], after["scan"]) == (before["keys"], before["scan"])


async def calls(redis: Redis) -> dict[str, int]:
    """How often the server has run some commands."""
    stats = await redis.info("commandstats")
    return {name: stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "exists", "keys", "scan")}


# -- inspect -----------------------------------------------------------------------------


async def test_a_waiting_job_is_shown_without_its_arguments(broker: RedisBroker) -> None:
    await broker.enqueue([new_job("inv-1", delay_ms=90_000)])

    shown = await run_beside("inspect", "inv-1")

    words = dict(line.split(maxsplit=1) for line in shown.out.splitlines())
    assert shown.status == 0
    assert (words["job"], words["state"], words["task"], words["queue"]) == ("inv-1", "deferred", "add", "default")
    assert words["due"].endswith("(in 1m)")
    assert "invoice_id" not in shown.out


async def test_the_arguments_of_a_job_are_shown_where_they_are_asked_for(broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([new_job("inv-1")])
    await bury(broker, redis, "inv-2")

    waiting, dead = await run_beside("inspect", "inv-1", "--args"), await run_beside("inspect", "inv-2", "--args")

    assert 'arguments  {"invoice_id":1}' in waiting.out
    assert 'arguments  {"invoice_id":1}' in dead.out


async def test_a_job_that_is_done_tells_the_size_of_its_result_and_never_the_result(
    broker: RedisBroker, redis: Redis
) -> None:
    job = new_job("inv-1")
    await broker.enqueue([job])
    await finish(redis, job, result_of(job, body=b'"s3cret"'))

    text, document = await run_beside("inspect", "inv-1"), (await run_beside("inspect", "inv-1", "--json")).document

    assert (document["state"], document["arq_status"], document["result_bytes"]) == ("done", "complete", 8)
    assert "result    8 bytes" in text.out
    assert "s3cret" not in text.out


async def test_a_dead_job_tells_its_error_and_the_next_command(broker: RedisBroker, redis: Redis) -> None:
    await bury(broker, redis, "inv-1")

    shown = await run_beside("inspect", "inv-1")

    assert "error     ValueError: no such invoice" in shown.out
    assert "attempts  5" in shown.out
    assert shown.out.splitlines()[-1] == "next      scalr-tasks dead show inv-1"


async def test_a_parked_job_tells_why(broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([new_job("inv-1")])
    await broker.park("inv-1", QUEUE_KEY, reason="unknown task", task="add", version=1)

    document = (await run_beside("inspect", "inv-1", "--json")).document

    assert (document["state"], document["reason"], document["queue"]) == ("parked", "unknown task", "default")


async def test_a_job_that_is_running_is_shown_as_running(broker: RedisBroker, redis: Redis) -> None:
    await broker.enqueue([new_job("inv-1")])
    await claim(redis, "inv-1")

    assert (await run_beside("inspect", "inv-1", "--json")).document["state"] == "running"


async def test_a_job_that_is_not_there_exits_3_with_the_nearest_id(broker: RedisBroker, redis: Redis) -> None:
    await bury(broker, redis, "invoice-17")

    shown = await run_beside("inspect", "invoice-71")

    assert shown.status == 3
    assert "no job 'invoice-71' is known to this Redis; did you mean 'invoice-17'?" in shown.err


async def test_what_a_foreign_hand_wrote_is_shown_without_control_characters(redis: Redis) -> None:
    await redis.set("arq:job:odd\x1b[2J", b'{"v":1,"et":1,"f":"a\\u001b[2Jb","n":"x"}\n{"a":"\x1b[2J"}')
    await redis.zadd(QUEUE_KEY, {"odd\x1b[2J": 10**15})

    shown = await run_beside("inspect", "odd\x1b[2J", "--args")

    assert shown.status == 0
    assert "\x1b" not in shown.out


@pytest.mark.parametrize("words", [["queues", "--json"], ["inspect", "inv-1", "--json"]])
async def test_what_a_foreign_hand_wrote_among_queues_and_workers_does_not_hide_them(
    health: Health, broker: RedisBroker, redis: Redis, words: list[str]
) -> None:
    await beat(health, "arq:queue:bulk")
    await beat(health, QUEUE_KEY, worker="w-2")
    await redis.set("scalr:worker:w-2", '{"host":"a","pid":Infinity,"version":"1","started_at_ms":1,"queues":[]}')
    await redis.set("odd", "x")
    await redis.zadd("scalr:queues", {"odd": await now_ms(redis)})
    await broker.enqueue([new_job("inv-1", queue_key="arq:queue:bulk")])

    shown = await run_beside(*words)

    assert (shown.status, shown.err) == (0, "")
    assert "arq:queue:bulk" in shown.out or '"queue": "bulk"' in shown.out


@pytest.mark.parametrize("verb", [["queues"], ["inspect", "x"], ["dead", "list"], ["parked", "list"]])
async def test_redis_away_is_one_line_and_exit_4(verb: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:s3cret@127.0.0.1:1/0")
    monkeypatch.setenv("SCALR_TASKS_ENQUEUE_TIMEOUT", "0.2")

    shown = await run_beside(*verb)

    assert shown.status == 4
    assert shown.err.startswith("BrokerUnavailableError [ST301]: redis://127.0.0.1:1/0 did not answer")
    assert len(shown.err.splitlines()) == 1
    assert "s3cret" not in shown.err
