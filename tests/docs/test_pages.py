"""The pages say what is there: every state, event, error code and invariant."""

import re
import runpy
from pathlib import Path

import pytest
from tipman import errors, events, registrations
from tipman.charts import STATES

ROOT = Path(__file__).parent.parent.parent
NAMES = (ROOT / "docs" / "events-and-errors.md").read_text(encoding="utf-8")
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
QUOTED = set(re.findall(r"`([^`\n]+)`", NAMES))
ANNOUNCED = re.compile(r'"log": "([a-z.]+)"')
WRITTEN = re.compile(r'"((?:attempt|event|task)\.[a-z_]+)"')
FAILURES = re.compile(r'Failure\(\s*(?:code=)?"([a-z_]+)"')
SOURCES = sorted((ROOT / "engine").rglob("*.py"))


def of_sources(pattern):
    return {name for path in SOURCES for name in pattern.findall(path.read_text(encoding="utf-8"))}


def test_every_state_is_explained():
    assert STATES <= QUOTED


def test_every_event_is_explained():
    kinds = [*vars(events).values(), *vars(registrations).values()]
    wires = {kind.wire for kind in kinds if hasattr(kind, "wire")} - {"event"}

    assert wires | of_sources(ANNOUNCED) | of_sources(WRITTEN) <= QUOTED


def test_every_error_of_the_engine_is_explained():
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.TipmanError)
    ]

    assert {kind.code for kind in kinds} | {kind.__name__ for kind in kinds} <= QUOTED
    assert len({kind.code for kind in kinds}) == len(kinds)


def test_every_error_of_an_attempt_is_explained():
    assert of_sources(FAILURES) <= QUOTED


def test_the_drawings_show_the_charts_as_they_are():
    page = ARCHITECTURE.read_text(encoding="utf-8")
    drawn = runpy.run_path(str(ROOT / "docs" / "drawings.py"))["drawn"]

    assert drawn(page) == page, "run `make drawings`"


def invariants():
    rows = re.findall(
        r"^\| (\d+) \|.*\| ([^|]+) \|$", ARCHITECTURE.read_text("utf-8"), re.MULTILINE
    )
    return [pytest.param(held_by, id=number) for number, held_by in rows]


@pytest.mark.parametrize("held_by", invariants())
def test_every_invariant_names_a_test_that_exists(held_by):
    for file, name in re.findall(r"`([^`]+\.py)::([^`]+)`", held_by):
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")
    assert "::" in held_by


def test_all_invariants_are_listed():
    assert [each.id for each in invariants()] == [str(n) for n in range(1, 13)]
