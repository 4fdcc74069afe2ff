"""The W3C SCXML 1.0 conformance documents end in `pass`, straight through and in pieces."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from statecharts.world import World
from tipman.statecharts import StatechartError

DATA = Path(os.environ.get("TIPMAN_TEST_DATA", Path(__file__).parents[2] / "../shared/data"))
FOLDER = (DATA / "w3c-scxml").resolve()
MANIFEST = FOLDER / "manifest.json"
DOCUMENTS = (
    [item["document"] for item in json.loads(MANIFEST.read_text())] if MANIFEST.exists() else []
)
pytestmark = pytest.mark.skipif(not DOCUMENTS, reason=f"no W3C documents in {FOLDER}")
DOCUMENTS_MIN = 161


def rebuilt(world: World) -> World:
    return World.thawed(world.freeze(), FOLDER)


def rebuilt_without(part: str) -> Callable[[World], World]:
    """Lose one part of the world at every step."""

    def boundary(world: World) -> World:
        written = json.loads(world.freeze())
        if part in written:
            written[part] = []
        for actor in written["actors"]:
            actor["snapshot"].pop(part, None)
            if part in actor:
                actor[part] = type(actor[part])()
        return World.thawed(json.dumps(written), FOLDER)

    return boundary


def test_all_documents_are_there():
    assert len(DOCUMENTS) == DOCUMENTS_MIN


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_passes(document):
    world = World.opened(FOLDER / document).run()

    assert world.outcome == "pass", world.effects


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_passes_when_the_world_is_rebuilt_at_every_step(document):
    straight = World.opened(FOLDER / document).run()

    broken = World.opened(FOLDER / document).run(rebuilt)

    assert broken.outcome == "pass", broken.effects
    assert broken.effects == straight.effects


@pytest.mark.parametrize("part", ["data", "invokes", "sequence", "timers", "queue", "children"])
def test_a_world_that_loses_a_part_is_caught(part):
    outcomes = [outcome_without(part, document) for document in DOCUMENTS]

    assert outcomes.count("pass") < len(DOCUMENTS)


def outcome_without(part: str, document: str) -> str:
    straight = World.opened(FOLDER / document).run()
    try:
        broken = World.opened(FOLDER / document).run(rebuilt_without(part))
    except (AssertionError, LookupError, StatechartError):
        return "broken"
    return broken.outcome if broken.effects == straight.effects else "different"
