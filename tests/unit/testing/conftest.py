"""The kit's own tests cover the registries of `shop.py`, and no other that a test of the suite has made."""

from collections.abc import Sequence
from typing import Any

import pytest

from scalr_tasks import Registry
from tests.unit.testing.shop import around, shop, tills


@pytest.fixture
def tasks_registries() -> Sequence[Registry[Any, Any]]:
    return [shop]


@pytest.fixture(autouse=True)
def _new_notes() -> None:
    around.clear()
    tills.clear()
