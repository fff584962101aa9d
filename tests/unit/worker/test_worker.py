"""`worker.py`: what a worker cannot serve is refused before it starts; how it works is in `tests/integration/`."""

from typing import Any

import pytest

from scalr_tasks import DefinitionError, Registry, UnknownQueueError
from scalr_tasks.broker.memory import MemoryBroker
from scalr_tasks.registry.app import App
from scalr_tasks.settings import Settings
from scalr_tasks.worker.worker import Worker, served


def app(name: str) -> App:
    return Registry[Any, str](name, queues=["default", "bulk"]).app()


def test_a_queue_that_nobody_declared_is_not_served() -> None:
    with pytest.raises(UnknownQueueError, match=r"^registry 'shop' declares no queue 'blk'; did you mean 'bulk'"):
        served(app("shop"), ["blk"])


def test_the_queues_that_are_named_are_served_once_each() -> None:
    chosen = served(app("shop"), ["bulk", "bulk"], concurrency=3)

    assert [(one.queue.name, one.queue.concurrency) for one in chosen] == [("bulk", 3)]


def test_two_registries_that_share_a_key_are_refused() -> None:
    with pytest.raises(DefinitionError) as caught:
        Worker([*served(app("shop")), *served(app("mail"))], broker=MemoryBroker())

    assert str(caught.value).startswith("registries 'shop' and 'mail' both serve arq:queue:default, and would park")
    assert "give one of them another queue: Queue('default', key=...)" in str(caught.value)


def test_registries_of_two_redis_servers_are_refused() -> None:
    apps = [
        Registry[Any, str](name, queues=[name], settings=Settings(redis=f"redis://:s3cr3t@{name}.test/0")).app()
        for name in ("shop", "mail")
    ]

    with pytest.raises(DefinitionError) as caught:
        Worker([*served(apps[0]), *served(apps[1])], broker=MemoryBroker())

    assert str(caught.value) == (
        "registries 'shop' and 'mail' store their jobs in two Redis servers; run one worker for each"
    )
