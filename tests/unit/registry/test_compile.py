"""`registry/compile.py`: the class that arq is given, without arq running."""

import socket
from typing import Any

import pytest
from arq.worker import get_kwargs

from scalr_tasks import BrokerUnavailableError, Context, Queue, Registry, Settings
from scalr_tasks.registry.compile import MAX_TRIES, PARK, Plan, TaskFunction, _plan


def compiled(**queue: object) -> tuple[Registry, type]:
    registry = Registry("r", queues=[Queue("default", **queue)])  # type: ignore[arg-type]

    @registry.task(timeout=20)
    async def quick(ctx: Context) -> None: ...

    @registry.task(timeout=400)
    def slow(ctx: Context) -> None: ...

    @registry.task(cron="0 3 * * *")
    async def nightly(ctx: Context) -> None: ...

    return registry, registry.worker_settings("default")


def test_the_class_carries_every_attribute_itself_because_arq_ignores_inherited_ones() -> None:
    _, settings = compiled(concurrency=7)

    read = get_kwargs(settings)

    assert settings.__mro__[1:] == (object,)
    assert read["queue_name"] == "arq:queue:default"
    assert read["max_jobs"] == 7
    assert read["max_tries"] == MAX_TRIES
    assert {"functions", "cron_jobs", "on_startup", "job_serializer", "job_deserializer"} <= read.keys()


def test_the_class_leaves_the_poll_delay_to_arq_unless_the_queue_sets_it() -> None:
    _, plain = compiled()
    _, quick = compiled(poll_delay=0.05)

    assert "poll_delay" not in get_kwargs(plain)
    assert get_kwargs(quick)["poll_delay"] == 0.05


def test_arq_strikes_ten_seconds_after_our_deadline_and_sixty_where_a_thread_may_overstay() -> None:
    _, settings = compiled()

    timeouts = {function.name: function.timeout_s for function in get_kwargs(settings)["functions"]}

    assert timeouts == {PARK: 60, "quick": 30, "slow": 460, "nightly": 310}


def test_a_functions_timeout_is_that_of_the_job_at_hand() -> None:
    async def run() -> None: ...

    function = TaskFunction("quick", run, Plan(30, 3600))
    token = _plan.set(Plan(900, 5))
    try:
        at_hand = (function.timeout_s, function.keep_result_s)
    finally:
        _plan.reset(token)

    assert at_hand == (900, 5)
    assert (function.timeout_s, function.keep_result_s) == (30, 3600)


def test_a_cron_task_is_compiled_under_a_name_that_no_task_can_have() -> None:
    _, settings = compiled()

    (tick,) = get_kwargs(settings)["cron_jobs"]

    assert tick.name == "cron:nightly"


def test_every_compile_gives_fresh_objects_because_arq_keeps_state_in_them() -> None:
    registry, first = compiled()

    second = registry.compile()["default"]

    assert second is not first
    assert get_kwargs(second)["cron_jobs"][0] is not get_kwargs(first)["cron_jobs"][0]


def test_the_class_is_named_after_its_queue() -> None:
    registry = Registry("r", queues=[Queue("bulk-mail.slow")])

    @registry.task(queue="bulk-mail.slow")
    async def send(ctx: Context) -> None: ...

    assert registry.worker_settings("bulk-mail.slow").__name__ == "BulkMailSlowSettings"


async def test_a_pool_for_a_redis_that_is_not_there_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    registry = Registry[Any, str]("shop", settings=Settings(redis=f"redis://app:s3cr3t@127.0.0.1:{port}"))

    with pytest.raises(BrokerUnavailableError) as caught:
        await registry.arq_pool()

    assert str(caught.value).startswith(f"redis://127.0.0.1:{port}/0 did not answer: Error 111 connecting")
