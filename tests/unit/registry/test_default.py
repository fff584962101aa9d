"""`default.py`: the spellings without a registry."""

import subprocess
import sys
import textwrap

import pytest

import scalr_tasks


def run(code: str, redis_url: str) -> str:
    """Run code in a process of its own: the default registry is one for each process."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        check=False, capture_output=True, text=True, timeout=60, env={"REDIS_URL": redis_url, "PYTHONPATH": "."},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_bare_task_declares_task_and_queue_and_is_enqueued_by_name(redis_url: str) -> None:
    out = run(
        """
        import asyncio
        import scalr_tasks
        from scalr_tasks import Context, default_registry, declare, enqueue, task

        @task(queue="bulk")
        async def send(ctx: Context, invoice_id: int) -> None: ...
        @declare(queue="mail")
        async def render(a: int) -> int: raise NotImplementedError

        async def main() -> None:
            job = await enqueue("send", invoice_id=1)
            print(await job.status(), sorted(default_registry.tasks), sorted(default_registry.queues))
            await scalr_tasks.close()

        asyncio.run(main())
        """,
        redis_url,
    )

    assert out == "queued ['render', 'send'] ['bulk', 'default', 'mail']\n"


async def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(scalr_tasks.UnknownTaskError, match="no task named 'nowhere' is registered"):
        await scalr_tasks.enqueue("nowhere")


async def test_close_closes_every_registry_of_this_loop(redis_url: str) -> None:
    registries = [scalr_tasks.Registry(name, settings=scalr_tasks.Settings(redis=redis_url)) for name in ("a", "b")]
    brokers = [registry.broker() for registry in registries]
    for broker in brokers:
        await broker.client.ping()

    await scalr_tasks.close()

    assert [registry.broker() is broker for registry, broker in zip(registries, brokers, strict=True)] == [False, False]
    await scalr_tasks.close()
