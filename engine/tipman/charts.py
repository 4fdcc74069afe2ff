"""The built-in charts, compiled by the compiler that users get.

They have no data of their own: what must be weighed (retries left, dependencies met) arrives as
the event's *verdict*. So a step depends on nothing but (snapshot, event name, verdict), and the
steps that were taken once are remembered.
"""

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

from tipman.outlines import TASK_OUTLINE, Verdict
from tipman.run_outline import RUN_OUTLINE
from tipman.schedule_outline import ENGINE_OUTLINE, REGISTRY_OUTLINE, SCHEDULE_OUTLINE
from tipman.statecharts import Chart, Event, Log, Snapshot, compile_chart, decode, encode
from tipman.statecharts import start as begin
from tipman.statecharts import step as take


def _with_ids(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state whose children are known by their own names, not by their paths."""
    children = state.get("states", {})
    named = {key: {"id": key, **_with_ids(child)} for key, child in children.items()}
    return {**state, "states": named} if named else dict(state)


_OUTLINES: Mapping[str, Mapping[str, Any]] = {
    "task": TASK_OUTLINE,
    "schedule": SCHEDULE_OUTLINE,
    "run": RUN_OUTLINE,
    "engine": ENGINE_OUTLINE,
    "registry": REGISTRY_OUTLINE,
}


@cache
def chart_of(kind: str) -> Chart:
    """Return the chart of a kind of instance, compiled when it is first needed."""
    return compile_chart(_with_ids(_OUTLINES[kind]))


TASK = chart_of("task")

SETTLED = frozenset({"succeeded", "failed", "skipped", "cancelled", "abandoned"})
UNSUCCESSFUL = SETTLED - {"succeeded"}
RUNNING = frozenset({"executing", "finishing", "parking", "ending", "cancelling"})
"""The leaves inside `running`: an attempt is in progress."""
STATES = frozenset(
    {"waiting", "blocked", "delayed", "queued", "running", "backing_off", "awaiting", "suspended"}
    | SETTLED
)
"""The names that users see of tasks."""
ENDED = SETTLED | {"finished", "noting"}
"""The states in which an instance of any kind has ended."""
_OF_RUNS = (
    "working", "overdue", "failing", "cancelling", "undoing_failed", "undoing_cancelled",
)  # fmt: skip
_CLOSING = ("closing_succeeded", "closing_failed", "closing_cancelled")
_PUBLIC = {
    **dict.fromkeys((*RUNNING, *_OF_RUNS, *_CLOSING), "running"),
    **dict.fromkeys(("idle", "running"), "active"),
    **dict.fromkeys(("closing", "withdrawing"), "awaiting"),
    "suspended_anew": "suspended",
}
RUN_STATES = ("queued", "running", "suspended", "succeeded", "failed", "cancelled")
"""The names that users see of runs."""


class Move(NamedTuple):
    """One step of a built-in chart, as much of it as is written down."""

    snapshot: Snapshot
    configuration: str
    """The leaf that is active."""
    state: str
    """The name that users see."""
    announced: tuple[str, ...]
    """Log names of what the step made true besides, such as `task.settled`."""


def _moved(chart: Chart, snapshot: Snapshot, announced: tuple[str, ...]) -> Move:
    configuration = chart.configuration(snapshot)
    if configuration in ENDED and snapshot.history is not None:
        # What was left for good is remembered for nobody: a retry enters it by its first state,
        # and it is remembered anew when it is left again. So a row has a column less to change.
        snapshot = snapshot._replace(history=(0,) * len(snapshot.history))
    return Move(snapshot, configuration, public_state(configuration), announced)


def public_state(configuration: str) -> str:
    """Return the state users see for a leaf of a built-in chart.

    >>> public_state("parking"), public_state("idle")
    ('running', 'active')
    """
    return _PUBLIC.get(configuration, configuration)


@cache
def initial_of(kind: str) -> Move:
    """Return where an instance of this kind begins."""
    chart = chart_of(kind)
    return _moved(chart, begin(chart).snapshot, ())


INITIAL = initial_of("task")


@lru_cache(maxsize=4096)
def move(snapshot: Snapshot, name: str, verdict: Verdict) -> Move | None:
    """Step the TASK chart; None when the event changes nothing in this state."""
    return _step(TASK, snapshot, name, verdict)


@lru_cache(maxsize=1024)
def move_schedule(snapshot: Snapshot, name: str, verdict: Verdict) -> Move | None:
    """Step the SCHEDULE chart; None when the event changes nothing in this state."""
    return _step(chart_of("schedule"), snapshot, name, verdict)


@lru_cache(maxsize=1024)
def move_run(snapshot: Snapshot, name: str, verdict: Verdict) -> Move | None:
    """Step the RUN chart; None when the event changes nothing in this state."""
    return _step(chart_of("run"), snapshot, name, verdict)


def move_engine(snapshot: Snapshot, name: str) -> Move | None:
    """Step the ENGINE chart; None when it is no event of an engine's own."""
    return _step(chart_of("engine"), snapshot, name, Verdict.NONE)


def move_registry(snapshot: Snapshot, name: str) -> Move | None:
    """Step the REGISTRY chart; None when it is no event of a registry."""
    return _step(chart_of("registry"), snapshot, name, Verdict.NONE)


def _step(chart: Chart, snapshot: Snapshot, name: str, verdict: Verdict) -> Move | None:
    after, effects = take(chart, snapshot, Event(name, {"verdict": str(verdict)}))
    if after is snapshot:
        return None
    announced = (e.label for e in effects if isinstance(e, Log))
    return _moved(chart, after, tuple(label for label in announced if label is not None))


@lru_cache(maxsize=1024)
def history_text(snapshot: Snapshot, kind: str = "task") -> str | None:
    """Return what a row must keep of the snapshot besides its configuration, as JSON text."""
    if snapshot.history is None or not any(snapshot.history):
        return None
    return json.dumps(encode(chart_of(kind), snapshot), separators=(",", ":"))


@lru_cache(maxsize=1024)
def snapshot_of(kind: str, configuration: str, history: str | None) -> Snapshot:
    """Return the snapshot that a row stands for."""
    chart = chart_of(kind)
    if history is not None:
        return decode(chart, json.loads(history))
    plain = encode(chart, initial_of(kind).snapshot)
    return decode(chart, {**plain, "configuration": configuration})
