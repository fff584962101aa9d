"""`registry.py` and `catalog.py`: the tasks of an app, until it is compiled."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from scalr_tasks import (
    Context,
    DefinitionError,
    DuplicateTaskError,
    JobState,
    Queue,
    Registry,
    RegistryFrozenError,
    ScalrTasksWarning,
    Settings,
    UnknownQueueError,
    UnknownTaskError,
)
from scalr_tasks.envelope import ResultRecord, write_result


async def test_tasks_are_listed_by_name(registry: Registry) -> None:
    @registry.task
    async def send(ctx: Context) -> None: ...
    @registry.task(name="billing.render-all")
    async def render(ctx: Context) -> None: ...

    assert dict(registry.tasks) == {"send": send, "billing.render-all": render}
    assert repr(registry) == "<Registry 'app': 2 tasks on queues default, bulk>"


async def test_a_name_that_is_taken_is_refused_with_both_places(registry: Registry) -> None:
    @registry.task
    async def send(ctx: Context) -> None: ...

    with pytest.raises(
        DuplicateTaskError, match=r"taken by the task declared at tests/.*:\d+ \(task 'send' at tests/.*:\d+\)"
    ):

        @registry.task(name="send")
        async def other(ctx: Context) -> None: ...


async def test_two_registries_may_have_tasks_of_one_name(registry: Registry, redis_url: str) -> None:
    other = Registry("other", settings=Settings(redis=redis_url))

    async def send(ctx: Context) -> None: ...

    assert registry.task(send).declaration.registry == "app"
    assert other.task(send).declaration.registry == "other"


def test_a_registry_without_queues_has_the_default_one() -> None:
    assert dict(Registry("app").queues) == {"default": Queue("default")}


def test_a_task_on_an_undeclared_queue_is_refused_with_its_place() -> None:
    with pytest.raises(
        UnknownQueueError, match=r"declares no queue 'default' \(task 'send' at tests/.*\); did you mean|known"
    ):

        @Registry("app", queues=[Queue("bulk")]).task
        async def send(ctx: Context) -> None: ...


@pytest.mark.parametrize("name", ["", "my app", 5])
def test_a_name_that_cannot_be_a_registry_is_refused(name: Any) -> None:
    with pytest.raises(DefinitionError, match="registry name"):
        Registry(name)


# -- by name -----------------------------------------------------------------------------


async def test_a_task_is_enqueued_by_its_name(registry: Registry, redis: Redis) -> None:
    @registry.task
    async def send(ctx: Context, name: str) -> None: ...

    job = await registry.enqueue("send", name="x")

    assert job.task == "send"
    assert await redis.zcard("arq:queue:default") == 1


async def test_an_unknown_name_is_refused_with_the_nearest(registry: Registry, redis: Redis) -> None:
    @registry.task
    async def send_invoice_email(ctx: Context) -> None: ...

    with pytest.raises(
        UnknownTaskError, match=r"no task named 'send_invoice_emial' .*did you mean 'send_invoice_email'"
    ):
        await registry.enqueue("send_invoice_emial")
    assert await redis.keys("*") == []


async def test_a_job_of_any_task_is_read_as_that_tasks_result(registry: Registry, redis: Redis) -> None:
    @registry.task(ctx=False)
    async def pair() -> tuple[int, bytes]:
        return 1, b"\xff"

    for task in ("pair", "gone"):
        record = ResultRecord("done", task, task, pair.declaration.result.write((1, b"\xff")))
        await redis.set(f"arq:result:{task}", write_result(record))

    assert await registry.job("pair").result(timeout=1) == (1, b"\xff")
    assert await registry.job("gone").result(timeout=1) == [1, "_w=="]
    assert await registry.job("nothing").status() is JobState.NOT_FOUND


# -- checking and compiling --------------------------------------------------------------


async def test_check_finds_nothing_wrong_with_sound_declarations(registry: Registry) -> None:
    @registry.task
    async def send(ctx: Context, invoice_id: int) -> None: ...

    assert registry.check() == []


async def test_check_gives_errors_first_and_then_what_is_probably_not_meant(redis_url: str) -> None:
    registry = Registry("app", queues=["bulk", "bluk"], settings=Settings(redis=redis_url))

    @registry.task(queue="bulk")
    async def first(ctx: Context, user: "User") -> None: ...  # noqa: F821

    with pytest.warns(ScalrTasksWarning):

        @registry.task(queue="bulk")
        async def second(ctx: Context, payload: dict[str, Any]) -> None: ...

    @registry.declare(queue="bulk")
    async def third() -> None: ...

    findings = registry.check()

    assert [(each.level, each.task) for each in findings] == [
        ("error", "first"),
        ("error", "third"),
        ("warning", "second"),
        ("warning", None),
    ]
    assert registry.check() == findings


async def test_a_compiled_registry_takes_no_more_tasks(registry: Registry) -> None:
    settings = registry.worker_settings("bulk")

    assert settings.__name__ == "BulkSettings"
    with pytest.raises(
        RegistryFrozenError, match=r"registry 'app' is compiled and takes no more tasks .*; import every"
    ):

        @registry.task
        async def late(ctx: Context) -> None: ...


async def test_checking_does_not_freeze(registry: Registry) -> None:
    registry.check()

    @registry.task
    async def send(ctx: Context) -> None: ...

    assert "send" in registry.tasks


async def test_compile_gives_fresh_classes_for_all_queues(registry: Registry) -> None:
    first, second = registry.compile(), registry.compile()

    assert list(first) == ["default", "bulk"]
    assert first["bulk"] is not second["bulk"]


async def test_settings_of_an_unknown_queue_are_refused(registry: Registry) -> None:
    with pytest.raises(UnknownQueueError, match="did you mean 'bulk'"):
        registry.worker_settings("bluk")


async def test_an_app_is_what_the_registry_was_when_it_was_made(registry: Registry) -> None:
    async def around(ctx: Context, call_next: Any) -> Any:
        return await call_next()

    settings = Settings(redis="redis://localhost:1/0")
    app = Registry("other", middleware=[around], settings=settings).app()

    assert (app.name, app.middleware, app.settings()) == ("other", (around,), settings)


def test_settings_are_read_from_the_environment_at_the_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry("app")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere:6380/3")

    assert registry.app().settings().redis.safe_url == "redis://elsewhere:6380/3"


# -- running and closing -----------------------------------------------------------------


async def test_running_enters_and_leaves_the_lifespan() -> None:
    said = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[str]:
        said.append("entered")
        yield "state"
        said.append("left")

    async with Registry("app", lifespan=lifespan).running() as state:
        assert (state, said) == ("state", ["entered"])
    assert said == ["entered", "left"]


async def test_a_closed_registry_opens_again(redis_url: str) -> None:
    async with Registry("app", settings=Settings(redis=redis_url)) as registry:

        @registry.task
        async def send(ctx: Context) -> None: ...

        await send.enqueue()
        first = registry.broker()

    await send.enqueue()

    assert registry.broker() is not first
    await registry.close()


def test_one_handle_serves_several_event_loops(redis_url: str) -> None:
    registry = Registry("app", settings=Settings(redis=redis_url))

    @registry.task
    async def send(ctx: Context) -> None: ...

    async def use() -> str:
        async with registry:
            return (await send.enqueue()).job_id

    assert asyncio.run(use()) != asyncio.run(use())


async def test_a_plain_arq_client_writes_what_we_read(registry: Registry, redis: Redis) -> None:
    @registry.task(queue="bulk")
    async def send(ctx: Context, invoice_id: int, subject: str = "") -> None: ...

    pool = await registry.arq_pool("bulk")
    await pool.enqueue_job("send", 1, subject="x", _job_id="inv-1")
    await pool.aclose()

    stored = await redis.get("arq:job:inv-1")
    assert stored.endswith(b'\n{"invoice_id":1,"subject":"x"}')
    assert registry.arq_deserializer(stored)["f"] == "send"
    assert registry.arq_serializer({"f": "send", "a": (1,), "k": {}, "t": None, "et": 5}).endswith(b'{"invoice_id":1}')


def test_a_producer_loads_no_arq() -> None:
    code = "import sys; from scalr_tasks import Registry, task, enqueue_many; Registry('x'); assert 'arq' not in sys.modules"

    import subprocess

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
