"""Rows U1 to U4, E1 to E4, W1 to W4 and N1 of the page: enqueuing, and what a task is."""

import re
import warnings
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from scalr_tasks import InvalidArgumentsError, JobState, UnknownQueueError, UnknownTaskError
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.integrations.scalr_queue import enqueue
from tests.architecture.source import ROOT
from tests.seed.conftest import Run


async def bridged(*args: Any, **kwargs: Any) -> Any:
    """The old call; that it is deprecated is another test's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return await enqueue(*args, **kwargs)


async def test_u1_enqueue_by_name_puts_the_job_on_the_queue(app: Any, run: Run, engine: list[str]) -> None:
    by_name = await app.registry.enqueue("send_invoice_email", invoice_id=1)
    by_bridge = await bridged("send_invoice_email", invoice_id=2)
    typed = await app.send_invoice_email.enqueue(invoice_id=3)

    run(*engine, "--burst").wait()

    results = [await job.result(timeout=1) for job in (by_name, by_bridge, typed)]
    assert results == [f"invoice {number} is sent" for number in (1, 2, 3)]


async def test_u2_the_handler_returns_at_once_after_one_round_trip(app: Any, redis: Redis) -> None:
    await app.send_invoice_email.enqueue(invoice_id=1)
    await redis.config_resetstat()

    await app.send_invoice_email.enqueue(invoice_id=2)

    stats: dict[str, dict[str, int]] = await redis.info("commandstats")
    assert stats["cmdstat_evalsha"]["calls"] == 1
    assert not {"cmdstat_watch", "cmdstat_multi", "cmdstat_exec", "cmdstat_psetex"} & stats.keys()


async def test_u3_the_endpoint_gets_a_job_id_even_where_the_id_exists_or_its_result_is_kept(
    app: Any, run: Run, engine: list[str]
) -> None:
    task = app.send_invoice_email.using(job_id="inv-1")
    first = await task.enqueue(invoice_id=1)

    while_it_waits = await task.enqueue(invoice_id=1)
    run(*engine, "--burst").wait()
    while_its_result_is_kept = await bridged("send_invoice_email", invoice_id=1, _job_id="inv-1")

    jobs = (first, while_it_waits, while_its_result_is_kept)
    assert [job.job_id for job in jobs] == ["inv-1"] * 3
    assert [job.duplicate for job in jobs] == [False, True, True]


OLD = """
from scalr_tasks import Context


async def send_invoice_email(ctx: Context, invoice_id: int) -> None:
    await ctx["redis"].rpush("said", f"{invoice_id} of {ctx['job_id']}")


async def another(ctx: Context) -> None: ...


tasks = [send_invoice_email, another]
"""


async def test_u4_the_worker_takes_a_module_that_exports_a_list_of_tasks(
    app: Any, folder: Path, run: Run, redis: Redis
) -> None:
    (folder / "src" / "old.py").write_text(OLD)
    job = await app.send_invoice_email.enqueue(invoice_id=7)

    worker = run("scalr_tasks.worker", "src.old", "--burst")

    assert worker.wait() == 0
    assert await redis.lrange("said", 0, -1) == [f"7 of {job.job_id}".encode()]


# -- tasks -------------------------------------------------------------------------------


async def test_w1_a_task_is_an_async_function_with_ctx_first_and_a_plain_one_runs_too(
    app: Any, run: Run, engine: list[str]
) -> None:
    asynchronous = await app.send_invoice_email.enqueue(invoice_id=1)
    plain = await app.render.enqueue(invoice_id=1)

    run(*engine, "--burst").wait()

    assert await asynchronous.result(timeout=1) == "invoice 1 is sent"
    assert await plain.result(timeout=1) == "invoice 1 is rendered"


async def test_w2_ctx_has_what_arqs_has_and_what_the_lifespan_yields(
    app: Any, run: Run, engine: list[str], redis: Redis
) -> None:
    job = await app.tells_context.enqueue()

    run(*engine, "--burst").wait()

    told = await job.result(timeout=1)
    assert told[:5] == [job.job_id, "1", "True", "True", "hello"]
    assert await redis.exists("through ctx")


async def test_w3_what_the_enqueuer_passes_is_checked_there_and_again_in_the_worker(
    app: Any, run: Run, engine: list[str], redis: Redis
) -> None:
    with pytest.raises(InvalidArgumentsError, match="invoice_id"):
        await app.send_invoice_email.enqueue(invoice_id="not an int")
    assert await redis.keys("arq:job:*") == []
    job = await app.send_invoice_email.enqueue(invoice_id=1)
    payload = await redis.get(f"arq:job:{job.job_id}")
    await redis.set(f"arq:job:{job.job_id}", payload.replace(b'{"invoice_id":1}', b'{"invoice_id":"x"}'))

    run(*engine, "--burst").wait()

    info = await job.info()
    assert (info.state, info.result.reason) == (JobState.DEAD, "invalid_arguments")


async def test_w4_a_function_added_to_the_list_is_picked_up(folder: Path, run: Run) -> None:
    (folder / "src" / "old.py").write_text(OLD)

    listed = run("scalr_tasks", "tasks", "src.old", "--json")

    assert listed.wait() == 0
    assert [task["name"] for task in listed.json] == ["send_invoice_email", "another"]


# -- names -------------------------------------------------------------------------------


async def test_e1_the_name_is_looked_up_when_it_is_enqueued(app: Any, redis: Redis) -> None:
    job = await bridged("send_invoice_email", invoice_id=1)

    assert job.task == "send_invoice_email"
    assert job.job_id.encode() in await redis.zrange("arq:queue:default", 0, -1)


async def test_e2_a_misspelled_name_fails_at_the_enqueue_and_an_unknown_one_in_the_worker_is_kept(
    app: Any, run: Run, engine: list[str], redis: Redis
) -> None:
    with pytest.raises(UnknownTaskError, match=re.escape("did you mean 'send_invoice_email'?")):
        await bridged("send_invioce_email", invoice_id=1)
    assert await redis.keys("arq:*") == []
    await redis.set("arq:job:odd", b'{"v":1,"et":1,"f":"send_invioce_email","n":"x"}\n{"invoice_id":1}')
    await redis.zadd("arq:queue:default", {"odd": 1})

    run(*engine, "--burst").wait()

    parked = await app.registry.broker().parked("odd")
    assert (parked.reason, parked.task) == ("unknown task", "send_invioce_email")


async def test_e3_no_unit_test_of_the_names_is_needed(folder: Path, run: Run) -> None:
    (folder / "src" / "api.py").write_text("from src.worker import send_invioce_email\n")

    backend = run("src.api")

    assert backend.wait() == 1
    assert "cannot import name 'send_invioce_email'" in backend.output


async def test_e4_a_queue_name_splits_queues_and_a_misspelled_one_is_refused(app: Any, run: Run, redis: Redis) -> None:
    job = await bridged("send_invoice_email", invoice_id=1, _queue_name="bulk")
    with pytest.raises(UnknownQueueError, match=re.escape("did you mean 'bulk'?")):
        await bridged("send_invoice_email", invoice_id=1, _queue_name="bluk")

    run("scalr_tasks.worker", "src.worker", "-q", "default", "--burst").wait()
    untouched = await job.status()
    run("arq", "src.worker.BulkSettings", "--burst").wait()

    assert untouched is JobState.QUEUED
    assert await job.result(timeout=1) == "invoice 1 is sent"


# -- when not to -------------------------------------------------------------------------


async def test_n1_fast_work_is_done_in_the_request_because_the_queue_costs_more(app: Any) -> None:
    async def seconds(call: Any) -> float:
        started_s = SYSTEM_CLOCK.monotonic_s()
        for number in range(50):
            await call(number)
        return SYSTEM_CLOCK.monotonic_s() - started_s

    await app.send_invoice_email.enqueue(invoice_id=0)

    here_s = await seconds(app.send_invoice_email)
    queued_s = await seconds(app.send_invoice_email.enqueue)

    page = (ROOT / "docs" / "background-jobs.md").read_text("utf-8")
    assert here_s < queued_s
    assert "When not to use the queue" in page
