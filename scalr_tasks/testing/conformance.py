"""The checks that every `Broker` must pass: subclass `BrokerConformance`, give it your broker.

    class TestMyBroker(BrokerConformance):
        @pytest.fixture
        async def broker_under_test(self) -> BrokerUnderTest:
            return MyBrokerUnderTest()

Each check is a sentence that holds for `RedisBroker` and `MemoryBroker`
alike; that is what makes a test on the memory broker say something of the
real one. A check acts through the harness only, and moves time by it.

Needs pytest and pytest-asyncio; in its strict mode mark your class with
`pytest.mark.asyncio`.

Reads next: `conformance_harness.py` for what the harness must do.
"""
# ruff: noqa: E402  the checks are imported after pytest was told to show the values of their asserts

import pytest

pytest.register_assert_rewrite(
    "scalr_tasks.testing.conformance_dead",
    "scalr_tasks.testing.conformance_enqueue",
    "scalr_tasks.testing.conformance_parked",
    "scalr_tasks.testing.conformance_states",
    "scalr_tasks.testing.conformance_waiting",
)

from scalr_tasks.testing.conformance_dead import DeadChecks
from scalr_tasks.testing.conformance_enqueue import EnqueueChecks
from scalr_tasks.testing.conformance_harness import BrokerUnderTest
from scalr_tasks.testing.conformance_parked import ParkedChecks
from scalr_tasks.testing.conformance_states import AbortChecks, AttemptChecks, InfoChecks
from scalr_tasks.testing.conformance_waiting import WaitChecks

__all__ = ["BrokerConformance", "BrokerUnderTest"]


class BrokerConformance(EnqueueChecks, InfoChecks, AbortChecks, AttemptChecks, DeadChecks, ParkedChecks, WaitChecks):
    """Every check of every subject.

    pytest collects it under the name of your subclass, which must provide the
    fixture `broker_under_test`: an empty broker in its harness.
    """
