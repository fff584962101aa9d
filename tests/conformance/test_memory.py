"""The memory broker passes every check."""

import pytest

from scalr_tasks.testing.conformance import BrokerConformance, BrokerUnderTest
from tests.conformance.under_test import MemoryUnderTest


class TestMemoryBroker(BrokerConformance):
    @pytest.fixture
    async def broker_under_test(self) -> BrokerUnderTest:
        return MemoryUnderTest()
