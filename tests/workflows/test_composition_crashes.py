"""Whenever the engine dies: runs within tasks, items of maps and answers are there once each."""

from contextlib import suppress

import pytest
from core.house import ACTOR, PLAIN, House
from tipman import inbox
from tipman.errors import ConflictError
from tipman.events import CancelRequested

SMALL = ({**PLAIN, "name": "node"}, {"name": "ask", "type": "approval", "dependencies": ["node"]})
EACH = {
    "name": "each",
    "type": "map",
    "arguments": {
        "over": ["a", "b"],
        "task": {"type": "workflow", "arguments": {"name": "small", "input": {"what": "{item}"}}},
    },
}
LAST = {"name": "sign", "type": "approval", "dependencies": ["each"]}
DEATHS = range(1, 90, 2)
ROUNDS_MAX = 40


class Frail(House):
    """A house whose engine handles one event a drain, and dies after so many drains."""

    def __init__(self, url, dies_after):
        self.drains_left = dies_after
        super().__init__(url)

    def rest(self):
        mark = self.core.bus.publish_nowait(CancelRequested(bytes(16), ACTOR, None))
        while not mark.is_decided or self.core.bus.drain():
            self.core.bus.drain()
            self.drains_left -= 1
            if self.drains_left == 0:
                self.crash()
                return


def play(house):
    """Do what there is to do until nothing is open."""
    for _ in range(ROUNDS_MAX):
        rows = house.reader.fetch(
            "SELECT i.id, i.name FROM instance AS i JOIN task AS t ON t.id = i.id"
            " WHERE i.state = 'awaiting' AND t.type = 'approval'"
        )
        for identifier, _ in rows:
            # Whether it was heard before the engine died can not be known: so it is said again.
            with suppress(TimeoutError, ConflictError):
                house.ask("approve.reported", bytes(identifier))
        for identifier in list(house.hand.open):
            with suppress(KeyError):
                house.succeed(identifier, "done")
        house.rest()
        open_ones = house.reader.fetch(
            "SELECT id FROM instance WHERE kind <> 'registry' AND settled_at IS NULL"
        )
        if not open_ones:
            return
    raise AssertionError("something waits for ever")


def live_through(url, dies_after):
    """Let all of it happen, with one death; see what is there in the end."""
    house = Frail(url, 0)
    house.register("small", *SMALL)
    house.drains_left = dies_after
    with suppress(TimeoutError):
        house.run(EACH, LAST)
    fetch = house.reader.fetch
    if not fetch("SELECT id FROM workflow_run WHERE depth = 0"):
        house.run(EACH, LAST)
    try:
        play(house)
        fetch = house.reader.fetch
        assert fetch("SELECT state FROM instance WHERE kind = 'run'") == [("succeeded",)] * 3
        inputs = fetch("SELECT input FROM workflow_run WHERE depth = 1 ORDER BY input")
        assert inputs == [('{"what":"a"}',), ('{"what":"b"}',)]
        assert fetch("SELECT count(*) FROM instance WHERE name LIKE 'each[%'") == [(2,)]
        ended = fetch("SELECT count(*) FROM attempt WHERE outcome = 'succeeded'")
        assert ended == [(8,)], "each ends well once: a map, 2 items, 2 nodes, 3 approvals"
        assert house.failure is None
        return house.drains_left
    finally:
        house.close()


@pytest.mark.parametrize("dies_after", DEATHS)
def test_all_of_it_is_there_once_whenever_the_engine_dies(dies_after, tmp_path, monkeypatch):
    monkeypatch.setattr("tipman.bus.EVENTS_MAX", 1)

    live_through(f"sqlite:///{tmp_path}/tipman.db", dies_after)


def test_the_deaths_are_spread_over_all_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr("tipman.bus.EVENTS_MAX", 1)

    left = live_through(f"sqlite:///{tmp_path}/tipman.db", 10_000)

    assert 10_000 - left < max(DEATHS)


@pytest.mark.parametrize("kind", ["AwaitingStarted", "ChildSettled"])
def test_an_event_that_is_not_kept_is_missed(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("tipman.bus.EVENTS_MAX", 1)
    left = {name: event for name, event in inbox._LEFT.items() if name != kind}
    monkeypatch.setattr("tipman.inbox._LEFT", left)

    urls = {dies_after: f"sqlite:///{tmp_path}/{dies_after}.db" for dies_after in DEATHS}
    with pytest.raises(AssertionError):
        all(live_through(url, dies_after) is not None for dies_after, url in urls.items())
