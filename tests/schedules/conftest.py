"""Houses with schedules on either database; those of a test are closed when it ends."""

import pytest
from schedules.house import Timehouse
from storage.databases import KINDS, empty_url


@pytest.fixture(params=KINDS)
def url(request, tmp_path):
    return empty_url(request.param, tmp_path)


@pytest.fixture
def build(url):
    """Return what makes a house with these settings; a test makes one."""
    houses = []

    def make(**settings):
        houses.append(Timehouse(url, **settings))
        return houses[-1]

    yield make
    for house in houses:
        house.close()


@pytest.fixture
def house(build):
    return build()
