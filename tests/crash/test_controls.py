"""Each protection taken away in turn: the checker sees it, and sees nothing where it is there."""

from typing import NamedTuple

import pytest
from crash.life import Life
from crash.nest import Nest

KILLS = 10
KILLS_MAX = 4 * KILLS
"""So many at most are needed to see a protection gone; most take two or three."""
PATIENCE_S = 2.0
RANDOM_S, AIMED_S = 0.2, 2.0
MIXED = {"one": 4, "burst": 2, "fan": 4, "chain": 4, "falter": 6, "dawdle": 2, "counter": 2}


class Control(NamedTuple):
    """Where to kill, and what the checker must say of an engine without the protection."""

    place: str | None
    seen: str
    orders: dict = {}  # noqa: RUF012 - never changed


CONTROLS = {
    "acknowledge_before_commit": Control("commit.before", "was acknowledged"),
    "no_fencing": Control(None, "while"),
    "two_transactions": Control("commit.before", "its log"),
    "leftovers_in_memory": Control("commit.after", "waits for", {"drain_events_max": 2}),
    "no_cleanup": Control("process", "outlived the engine"),
    "no_recovery": Control(None, "which is dead"),
    "effects_before_commit": Control("commit.before", "does not say that it started"),
}


@pytest.fixture(scope="module")
def nest():
    nest = Nest()
    yield nest
    nest.close()


def kill_until_seen(control, nest, kills, **orders):
    """Return what was found, after as few kills as it takes."""
    life = Life("control", nest, requests=20, script=MIXED, patience_s=PATIENCE_S, **orders)
    try:
        for number in range(kills):
            within_s = RANDOM_S if control.place is None else AIMED_S
            life.round(control.place, 4 + 3 * (number % KILLS), within_s=within_s)
            if any(control.seen in what for what in life.found):
                break
    finally:
        life.close()
        life.forget()
    return life.found


@pytest.mark.parametrize("name", CONTROLS)
def test_the_checker_sees_an_engine_without(name, nest):
    control = CONTROLS[name]

    found = kill_until_seen(control, nest, KILLS_MAX, sabotage=name, **control.orders)

    assert any(control.seen in what for what in found), found


@pytest.mark.parametrize("name", CONTROLS)
def test_the_checker_finds_nothing_where_the_same_kills_meet_a_whole_engine(name, nest):
    control = CONTROLS[name]

    assert kill_until_seen(control, nest, KILLS, **control.orders) == []
