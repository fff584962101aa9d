"""`tests/support/raise_sites.py` finds every place that raises an error of ours, and knows which texts were read."""

import sys

import pytest

from scalr_tasks import DefinitionError, Queue
from scalr_tasks.address import RedisAddress
from scalr_tasks.errors import SettingsError
from tests.architecture.source import ROOT
from tests.support.raise_sites import READINGS, Readings, Site, package_sites, sites, unread

MODULE = """
def refuse(problem):
    raise DefinitionError(problem)

def f(found):
    found.refuse("a finding, and no error")
    if found:
        refuse(
            "two lines"
        )
    raise errors.OptionError("delay", "is late")
"""


def test_a_place_is_a_call_of_an_error_or_of_a_helper_that_raises() -> None:
    assert list(sites({"scalr_tasks/a.py": MODULE})) == [
        Site("scalr_tasks/a.py", 3, 3),
        Site("scalr_tasks/a.py", 11, 11),
        Site("scalr_tasks/a.py", 8, 10),
    ]


def test_the_package_has_more_than_a_hundred_of_them() -> None:
    assert len(package_sites()) > 100


def test_a_place_is_read_where_one_of_its_lines_is() -> None:
    one, other = Site("a.py", 3, 3), Site("a.py", 8, 10)

    assert unread([other, one], {("a.py", 9), ("b.py", 3)}) == [one]


def test_an_error_is_read_where_a_test_asks_for_its_text_and_not_before() -> None:
    readings = Readings(ROOT)
    with pytest.raises(DefinitionError) as caught:
        Queue("bulk", concurrency=0)
    assert caught.value.__traceback__ is not None
    assert caught.value.__traceback__.tb_next is not None
    inside = caught.value.__traceback__.tb_next.tb_frame

    readings.made(caught.value, inside)
    readings.looked_at(caught.value, inside)  # the package's own asking, for a log, is no test
    before = set(readings.lines)
    readings.looked_at(caught.value, sys._getframe())

    assert before == set()
    assert [file for file, _ in readings.lines] == ["scalr_tasks/registry/queue.py"]


def test_an_error_that_is_made_of_another_has_its_places_too() -> None:
    with pytest.raises(SettingsError) as caught:
        RedisAddress.parse("redis://ca che", setting="REDIS_URL")

    lines = (ROOT / "scalr_tasks/address.py").read_text("utf-8").splitlines()
    told = {lines[line - 1] for file, line in READINGS.places_of(caught.value) if file.endswith("address.py")}
    assert any("has a blank or a control character in it" in line for line in told)
