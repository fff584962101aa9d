"""`check.py`: names that were probably mistyped."""

import pytest

from scalr_tasks.registry.check import Finding, near_queue_names, one_edit_apart


@pytest.mark.parametrize(
    ("one", "other"), [("bulk", "bluk"), ("bulk", "bul"), ("bulk", "bulks"), ("bulk", "balk"), ("mail", "email")]
)
def test_one_mistake_is_seen_from_both_sides(one: str, other: str) -> None:
    assert one_edit_apart(one, other)
    assert one_edit_apart(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("bulk", "bulk"), ("bulk", "mail"), ("bulk", "blku"), ("shard1", "shard2"), ("shard", "shard1"), ("ab", "ba-c")],
)
def test_other_names_are_meant(one: str, other: str) -> None:
    assert not one_edit_apart(one, other)
    assert not one_edit_apart(other, one)


def test_near_queue_names_are_warned_of_in_pairs() -> None:
    (finding,) = near_queue_names(["mail", "bulk", "bluk"])

    assert finding == Finding(
        "warning", "queues 'bluk' and 'bulk' are one typing mistake apart; is one of them meant to be the other?"
    )
    assert str(finding).startswith("warning: queues")
