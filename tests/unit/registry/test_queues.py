"""`queues.py`: declared queues only, unless the registry is open."""

import pytest

from scalr_tasks import DefinitionError, Queue, UnknownQueueError
from scalr_tasks.registry.queues import Queues


def test_a_name_stands_for_a_queue_of_that_name() -> None:
    assert Queues("app", ["bulk"], is_open=False).find("bulk") == Queue("bulk")


def test_an_unknown_queue_is_refused_with_the_nearest_name() -> None:
    queues = Queues("app", ["default", "bulk"], is_open=False)

    with pytest.raises(UnknownQueueError, match=r"registry 'app' declares no queue 'bluk'.*did you mean 'bulk'\?"):
        queues.find("bluk", task="send")


def test_a_queue_that_is_declared_twice_is_refused() -> None:
    with pytest.raises(DefinitionError, match="queue 'bulk' is declared twice"):
        Queues("app", [Queue("bulk"), "bulk"], is_open=False)


def test_something_that_is_no_queue_is_refused() -> None:
    with pytest.raises(DefinitionError, match="expected queues to be Queue objects or names, got int"):
        Queues("app", [5], is_open=False)  # type: ignore[list-item]  # what is tested


def test_a_queue_with_other_options_is_refused() -> None:
    queues = Queues("app", [Queue("bulk", concurrency=5)], is_open=False)

    with pytest.raises(DefinitionError, match="declared with other options"):
        queues.find(Queue("bulk"))


def test_in_an_open_registry_a_task_declares_its_queue() -> None:
    queues = Queues("default", ["default"], is_open=True)

    queues.declare("bulk", task="send", where="app.py:1")

    assert list(queues.by_name) == ["default", "bulk"]


def test_in_an_open_registry_a_queue_object_completes_a_bare_name() -> None:
    queues = Queues("default", ["default"], is_open=True)

    queues.declare("bulk", task="send", where="app.py:1")
    queues.declare(Queue("bulk", concurrency=50), task="other", where="app.py:2")

    assert queues.find("bulk").concurrency == 50


def test_in_an_open_registry_two_queue_objects_must_agree() -> None:
    queues = Queues("default", ["default"], is_open=True)
    queues.declare(Queue("bulk", concurrency=50), task="send", where="app.py:1")

    with pytest.raises(DefinitionError, match=r"declared with other options \(task 'other' at app.py:2\)"):
        queues.declare(Queue("bulk"), task="other", where="app.py:2")


def test_a_call_never_declares_a_queue() -> None:
    with pytest.raises(UnknownQueueError):
        Queues("default", ["default"], is_open=True).find("bulk")


def test_a_name_that_cannot_be_a_queue_is_refused() -> None:
    with pytest.raises(DefinitionError, match="queue name 'health-check' is reserved"):
        Queues("default", [], is_open=True).declare("health-check", task="send", where="app.py:1")


def test_two_queues_of_one_key_are_refused() -> None:
    with pytest.raises(
        DefinitionError, match=r"queues 'qa' and 'qb' share the key 'arq:queue' \(registry 'app'\)"
    ) as caught:
        Queues("app", [Queue("qa", key="arq:queue"), Queue("qb", key="arq:queue")], is_open=False)

    assert str(caught.value).endswith("; give one of them another key")


def test_in_an_open_registry_a_task_declares_no_queue_of_a_key_that_is_taken() -> None:
    queues = Queues("default", [Queue("qa", key="arq:queue:bulk")], is_open=True)

    with pytest.raises(DefinitionError, match="share the key 'arq:queue:bulk'"):
        queues.declare("bulk", task="send", where="app.py:1")
