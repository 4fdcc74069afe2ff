"""Databases of either kind, and houses on them; those of a test are closed when it ends."""

import pytest
from core.house import House
from storage.databases import KINDS, new_url
from tipman import migrations
from tipman.database import Database


@pytest.fixture(params=KINDS)
def url(request, tmp_path):
    """Return the URL of a database in which there is nothing yet."""
    return new_url(request.param, tmp_path)


@pytest.fixture
def database(url):
    """Return an open database with our tables."""
    opened = Database(url)
    opened.open()
    migrations.migrate(opened, migrations.known())
    yield opened
    opened.close()


@pytest.fixture
def house(url):
    built = House(url)
    yield built
    built.close()
