"""`scalr_tasks/cli/banner.py`."""

import pytest

from scalr_tasks.cli.banner import UNKNOWN, ServerFacts


@pytest.mark.parametrize(
    ("version", "is_too_old"),
    [("5.0.14", True), ("6.0.16", True), ("6.2.0", False), ("7.0.15", False), ("10.1.0", False), (UNKNOWN, False)],
)
def test_a_server_below_6_2_is_too_old(version: str, is_too_old: bool) -> None:
    assert ServerFacts(version, "noeviction", 0.4).is_too_old is is_too_old


@pytest.mark.parametrize(
    ("policy", "may_drop"), [("noeviction", False), ("allkeys-lru", True), ("volatile-ttl", True), (UNKNOWN, False)]
)
def test_any_policy_but_noeviction_may_drop_jobs(policy: str, may_drop: bool) -> None:
    assert ServerFacts("7.0.15", policy, 0.4).may_drop_jobs is may_drop
