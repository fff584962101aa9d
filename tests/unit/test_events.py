"""`scalr_tasks/events.py`."""

import dataclasses
import inspect
import logging
from collections.abc import Callable, Iterator

import pytest

from scalr_tasks import events
from scalr_tasks.events import AttemptStarted, Event, JobExpired, emit, subscribe

STARTED = AttemptStarted("j1", "send", "bulk", attempt=1, waited_ms=2)
EXPIRED = JobExpired("j1", "send", "bulk")

Subscribe = Callable[[events.Listener], Callable[[], None]]


@pytest.fixture
def listen() -> Iterator[Subscribe]:
    """Subscribe for the length of a test."""
    undo = []

    def add(listener: events.Listener) -> Callable[[], None]:
        undo.append(subscribe(listener))
        return undo[-1]

    yield add
    for one in undo:
        one()


def kinds() -> list[type[Event]]:
    return [kind for kind in vars(events).values() if inspect.isclass(kind) and issubclass(kind, Event)]


def test_a_listener_is_told_of_events_in_order(listen: Subscribe) -> None:
    heard: list[Event] = []
    listen(heard.append)

    emit(STARTED)
    emit(EXPIRED)

    assert heard == [STARTED, EXPIRED]


def test_nothing_happens_where_nobody_listens() -> None:
    emit(STARTED)


def test_who_stops_listening_hears_no_more(listen: Subscribe) -> None:
    heard: list[Event] = []
    stop = listen(heard.append)

    stop()
    stop()
    emit(STARTED)

    assert heard == []


def test_one_listener_subscribed_twice_hears_twice_and_stops_one_by_one(listen: Subscribe) -> None:
    heard: list[Event] = []
    stop = listen(heard.append)
    listen(heard.append)

    emit(STARTED)
    stop()
    emit(STARTED)

    assert len(heard) == 3


def test_a_listener_that_raises_stops_neither_the_job_nor_the_others(listen: Subscribe) -> None:
    heard: list[Event] = []
    listen(raising)
    listen(heard.append)

    emit(STARTED)

    assert heard == [STARTED]


def test_a_listener_that_raises_is_logged_once_for_each_kind(
    listen: Subscribe, caplog: pytest.LogCaptureFixture
) -> None:
    listen(raising)

    with caplog.at_level(logging.ERROR, "scalr_tasks.events"):
        for event in (STARTED, STARTED, EXPIRED, EXPIRED):
            emit(event)

    failed = [record for record in caplog.records if record.__dict__.get("event") == "listener.failed"]
    assert [record.args[0] for record in failed if isinstance(record.args, tuple)] == ["AttemptStarted", "JobExpired"]


def test_a_listener_may_stop_itself_while_it_is_told(listen: Subscribe) -> None:
    heard: list[Event] = []

    def once(event: Event) -> None:
        heard.append(event)
        stop()

    stop = listen(once)
    emit(STARTED)
    emit(STARTED)

    assert heard == [STARTED]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_an_event_is_frozen_and_holds_ids_numbers_and_texts_only(kind: type[Event]) -> None:
    allowed = {str, int, float, int | None, tuple[str, ...]}

    types = {field.type for field in dataclasses.fields(kind)}

    assert types <= allowed
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]  # typeshed does not know it


def raising(event: Event) -> None:
    raise ValueError("a listener's own trouble")
