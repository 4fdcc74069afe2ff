"""A server that hangs up: nothing is acknowledged, the engine says so, the next one goes on."""

import pytest
from core.engines import Shop
from core.house import PLAIN, House
from storage.databases import new_url
from tipman.database import DRIVER_ERRORS, Database
from tipman.errors import DatabaseError


@pytest.fixture
def house(tmp_path):
    built = House(new_url("postgresql", tmp_path))
    yield built
    built.close()


def hang_up(database):
    """End a connection, as a server does that goes down."""
    backend = database.fetch("SELECT pg_backend_pid()")[0][0]
    other = Database(database.url)
    other.open()
    assert other.fetch("SELECT pg_terminate_backend(?, 10000)", (backend,)) == [(True,)]
    other.close()


def test_an_event_that_meets_a_lost_connection_is_not_acknowledged(house):
    known = house.task()
    hang_up(house.core.database)

    with pytest.raises(DatabaseError):
        house.submit(PLAIN)

    assert isinstance(house.failure, DatabaseError)
    assert house.reader.fetch("SELECT count(*) FROM instance") == [(1,)]
    with pytest.raises(DatabaseError):
        house.cancel(known)


def test_the_next_engine_goes_on_where_the_connection_was_lost(house):
    known = house.task()
    hang_up(house.core.database)
    with pytest.raises(DatabaseError):
        house.cancel(known)

    house.crash()

    assert house.state(known) == "running"
    assert house.outcomes(known) == ["lost"]
    house.cancel(known)
    assert house.configuration(known) == "cancelling"


def test_who_looks_has_another_connection_after_one_that_was_lost(tmp_path):
    shop = Shop(tmp_path, new_url("postgresql", tmp_path))
    engine = shop.start()
    with engine.reading() as reader:
        hang_up(reader)

    with pytest.raises(DRIVER_ERRORS):
        engine.find("any")

    assert engine.submit(shop.echo, value=1).wait(30).result == 1
    shop.close()
