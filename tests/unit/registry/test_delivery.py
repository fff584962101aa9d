"""A pickled job as an engine is handed it: read only where that is said, validated, converted where it can be."""

import pickle
from datetime import date
from typing import Any

import pytest

from scalr_tasks import Context, Registry
from scalr_tasks.registry.delivery import Delivery, Misfit, receive


@pytest.fixture
def registry() -> Registry:
    registry = Registry("old")

    @registry.task(retries=2)
    async def add(ctx: Context, a: int, b: int = 1, *, day: date | None = None) -> int:
        return a + b

    return registry


def pickled(*args: Any, task: str = "add", attempt: int | None = None, **kwargs: Any) -> bytes:
    return pickle.dumps({"t": attempt, "f": task, "a": args, "k": kwargs, "et": 5})


def received(registry: Registry, raw: bytes) -> Delivery | Misfit:
    app = registry.app()
    return receive(raw, app.declarations, read_pickle=True)


def delivered(registry: Registry, raw: bytes) -> Delivery:
    delivery = received(registry, raw)
    assert isinstance(delivery, Delivery)
    return delivery


def test_values_are_converted_to_the_types_of_the_signature(registry: Registry) -> None:
    delivery = delivered(registry, pickled("20", b=22, day="2026-11-01"))

    assert delivery.kwargs == {"a": 20, "b": 22, "day": date(2026, 11, 1)}
    assert (delivery.envelope.enqueued_at_ms, delivery.policy.retries) == (5, 2)


def test_attempts_that_were_made_before_count(registry: Registry) -> None:
    assert delivered(registry, pickled(1, attempt=3)).envelope.first_attempt == 3


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (pickled("x"), "a: "),
        (pickled(), "a: is missing"),
        (pickled(1, 2, 3), "argument 3: is one too many"),
        (pickled(1, a=2), "a: is given twice"),
        (pickled(1, c=2), "c: is not a parameter"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(registry: Registry, raw: bytes, says: str) -> None:
    refused = delivered(registry, raw).refused

    assert refused is not None
    assert says in str(refused)


def test_a_pickled_job_of_an_unknown_task_is_a_misfit_that_no_worker_takes_back_by_itself(registry: Registry) -> None:
    misfit = received(registry, pickled(task="gone"))

    assert misfit == Misfit("unknown task", "gone", 0, 5)


def test_a_pickle_is_a_misfit_where_nobody_said_to_read_it(registry: Registry) -> None:
    misfit = receive(pickled(1), registry.app().declarations)

    assert misfit == Misfit("pickle")
