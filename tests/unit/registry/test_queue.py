"""`queue.py`: what a queue cannot be is refused where it is written."""

from datetime import timedelta
from typing import Any

import pytest

from scalr_tasks import DefinitionError, Queue


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"name": "with space"}, "queue name 'with space' "),
        ({"name": "bulk", "concurrency": 0}, "expected concurrency to be 1 or more, got 0 (queue 'bulk')"),
        ({"name": "bulk", "concurrency": True}, "expected concurrency to be 1 or more, got True (queue 'bulk')"),
        ({"name": "bulk", "poll_delay": -1}, "(queue 'bulk')"),
    ],
)
def test_an_option_that_cannot_work_is_named_with_its_queue(options: dict[str, Any], text: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        Queue(**options)

    assert text in str(caught.value)


def test_a_queue_has_arqs_key_unless_it_names_another() -> None:
    assert (Queue("bulk").key, Queue("bulk", key="arq:queue").key) == ("arq:queue:bulk", "arq:queue")


def test_a_poll_delay_may_be_a_timedelta() -> None:
    assert Queue("bulk", poll_delay=timedelta(milliseconds=250)).poll_delay_s == 0.25
