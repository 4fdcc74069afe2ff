"""Protections of the server taken away in turn: clients and checker see it, and nothing else."""

from typing import NamedTuple

import pytest
from crash_rest import servers
from crash_rest.life import RestLife

KILLS_MAX = 10
PATIENCE_S = 5.0
AIMED_S = 2.0
SCRIPT = {"one": 10, "counter": 4, "again": 8}


class Control(NamedTuple):
    """Where to kill, and what must be said of a server without the protection."""

    place: str
    seen: tuple


CONTROLS = {
    "acknowledge_before_commit": Control("commit.before", ("was acknowledged",)),
    "forget_answers": Control("acknowledged", ("twice", "again")),
    "answers_of_their_own": Control("commit.after", ("twice", "again")),
}


@pytest.fixture(scope="module")
def nest():
    nest = servers.forking()
    yield nest
    nest.close()


def kill_until_seen(control, nest, **orders):
    """Return what was found, after as few kills as it takes."""
    life = RestLife("control", nest, script=SCRIPT, patience_s=PATIENCE_S, **orders)
    try:
        for number in range(KILLS_MAX):
            life.round(control.place, 4 + 3 * number, within_s=AIMED_S)
            if any(word in what for what in life.found for word in control.seen):
                break
    finally:
        life.close()
        life.forget()
    return life.found


@pytest.mark.parametrize("name", CONTROLS)
def test_a_server_is_seen_to_be_without(name, nest):
    control = CONTROLS[name]

    found = kill_until_seen(control, nest, sabotage=name)

    assert any(word in what for what in found for word in control.seen), found


@pytest.mark.parametrize("name", CONTROLS)
def test_nothing_is_found_where_the_same_kills_meet_a_whole_server(name, nest):
    assert kill_until_seen(CONTROLS[name], nest) == []
