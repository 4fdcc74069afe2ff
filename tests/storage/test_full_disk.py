"""A disk that is full: nothing is acknowledged, the engine says so, and what was there stays."""

import pytest
from core.house import PLAIN, House
from storage.databases import new_url
from tipman.errors import DatabaseError


@pytest.fixture
def house(tmp_path):
    built = House(new_url("sqlite", tmp_path))
    yield built
    built.close()


def leave_room_for(house, pages):
    """Let the file grow by so many pages, as a disk does that is nearly full."""
    used = house.core.database.fetch("PRAGMA page_count")[0][0]
    house.core.database.fetch(f"PRAGMA max_page_count = {used + pages}")


def fill(house):
    """Submit until it is refused; return what was acknowledged, and the refusal."""
    acknowledged = []
    for _ in range(1_000):
        try:
            acknowledged += house.submit(*[{**PLAIN, "after_s": 60}] * 10)
        except DatabaseError:
            return acknowledged, house.failure
    raise AssertionError("the disk never became full")


def test_what_did_not_fit_is_not_acknowledged_and_what_was_is_there(house):
    leave_room_for(house, 5)

    acknowledged, error = fill(house)

    assert isinstance(error, DatabaseError)
    assert acknowledged
    rows = house.reader.fetch("SELECT id FROM instance ORDER BY id")
    assert [bytes(row[0]) for row in rows] == acknowledged


def test_the_error_says_that_the_disk_is_full(house):
    leave_room_for(house, 5)

    _, error = fill(house)

    assert "full" in str(error)


def test_nothing_more_is_acknowledged_when_there_is_room_again(house):
    leave_room_for(house, 5)
    acknowledged, _ = fill(house)
    leave_room_for(house, 1_000)

    with pytest.raises(DatabaseError):
        house.task()

    house.crash()
    assert house.states(*acknowledged) == ["delayed"] * len(acknowledged)
    assert house.state(house.task()) == "running"
    assert house.reader.fetch("PRAGMA integrity_check") == [("ok",)]
