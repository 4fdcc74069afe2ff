"""Engines and houses on either database; those of a test are closed when it ends."""

import pytest
from core.engines import Shop
from core.house import House
from storage.databases import KINDS, empty_url, new_url


@pytest.fixture(params=KINDS)
def url(request, tmp_path):
    return empty_url(request.param, tmp_path)


@pytest.fixture
def build(url):
    """Return what makes a house with these settings; a test makes one."""
    houses = []

    def make(**settings):
        houses.append(House(url, **settings))
        return houses[-1]

    yield make
    for house in houses:
        house.close()


@pytest.fixture
def house(build):
    return build()


@pytest.fixture
def shop(tmp_path):
    """Return what starts engines on a file; those of a test are closed when it ends."""
    opened = Shop(tmp_path, new_url("sqlite", tmp_path))
    yield opened
    opened.close()


@pytest.fixture(params=KINDS)
def any_shop(request, tmp_path):
    """Return the same on either database."""
    opened = Shop(tmp_path, empty_url(request.param, tmp_path))
    yield opened
    opened.close()
