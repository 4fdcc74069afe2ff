"""Databases of either kind, and houses on them; those of a test are closed when it ends."""

import pytest
from core.house import House
from storage.databases import KINDS, empty_url, new_url
from tipman import migrations
from tipman.database import Database


@pytest.fixture(params=KINDS)
def url(request, tmp_path):
    """Return the URL of a database in which there is nothing yet."""
    return new_url(request.param, tmp_path)


@pytest.fixture(params=KINDS)
def used_url(request, tmp_path):
    """Return the URL of a database in which there is no row."""
    return empty_url(request.param, tmp_path)


@pytest.fixture
def database(used_url):
    """Return an open database with our tables."""
    opened = Database(used_url)
    opened.open()
    migrations.migrate(opened, migrations.check(used_url))
    yield opened
    opened.close()


@pytest.fixture
def house(used_url):
    built = House(used_url)
    yield built
    built.close()
