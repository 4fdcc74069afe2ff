"""The built-in charts, written in the language that users get, compiled by the same compiler.

The TASK chart has no data of its own: what must be weighed (retries left, dependencies met) is
decided by pure rules beforehand and arrives as the event's *verdict*, which is the only thing the
guards look at. So a step depends on nothing but (snapshot, event name, verdict), and the steps
that were taken once are remembered.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from tipman.statecharts import Chart, Event, Log, Snapshot, compile_chart, decode, encode
from tipman.statecharts import start as begin
from tipman.statecharts import step as take


class Verdict(StrEnum):
    """What the rules say about an event before the chart hears of it."""

    NONE = ""
    WAIT = "wait"
    BLOCK = "block"
    DELAY = "delay"
    QUEUE = "queue"
    AWAIT = "await"
    SKIP = "skip"
    RETRY = "retry"
    AGAIN = "again"
    ABANDON = "abandon"
    STOP = "stop"
    RUN = "run"
    IDLE = "idle"
    PAUSE = "pause"
    FINISH = "finish"


def _when(verdict: Verdict, target: str, **more: object) -> dict[str, object]:
    return {"guard": f"event.data.verdict == '{verdict}'", "target": target, **more}


def _ready(**more: object) -> list[dict[str, object]]:
    return [_when(Verdict.QUEUE, "queued", **more), _when(Verdict.AWAIT, "awaiting", **more)]


_ADMISSION = [*_ready(), _when(Verdict.DELAY, "delayed"), _when(Verdict.SKIP, "skipped")]


_HEARD: dict[str, object] = {}
"""A transition without a target: the event is counted, nothing moves."""
_PARK = {"actions": [{"raise": "park"}]}
_REOPEN = {"actions": [{"log": "task.reopened"}]}
_REOPENING = {"retry.requested": [*_ready(**_REOPEN), _when(Verdict.WAIT, "waiting", **_REOPEN)]}


def _failing(**more: object) -> list[dict[str, object]]:
    return [
        _when(Verdict.RETRY, "backing_off", **more),
        _when(Verdict.AGAIN, "queued", **more),
        _when(Verdict.ABANDON, "abandoned"),
        {"target": "failed"},
    ]


_OUTLINE: dict[str, Any] = {
    "chart": "task",
    "initial": "open",
    "states": {
        "open": {
            "initial": "active",
            "on": {"cancel.requested": "cancelled"},
            "states": {
                "active": {
                    "initial": "idle",
                    "states": {
                        "idle": {
                            "initial": "waiting",
                            "on": {"suspend.requested": "suspended", "park": "suspended"},
                            "states": {
                                "waiting": {
                                    "on": {
                                        "task.submitted": [
                                            *_ADMISSION,
                                            _when(Verdict.BLOCK, "blocked"),
                                            _HEARD,
                                        ],
                                        "dependency.settled": [
                                            *_ADMISSION,
                                            _when(Verdict.BLOCK, "blocked"),
                                            _HEARD,
                                        ],
                                        "dependency.reopened": _HEARD,
                                        "slot.released": _ADMISSION,
                                        "slot.superseded": "skipped",
                                        "finish.reported": _HEARD,
                                        "fail.reported": _HEARD,
                                    }
                                },
                                "blocked": {"on": {"dependency.reopened": "waiting"}},
                                "delayed": {
                                    "on": {
                                        "timer.fired": _ready(),
                                        "finish.reported": _HEARD,
                                        "fail.reported": _HEARD,
                                    }
                                },
                                "queued": {
                                    "entry": [{"log": "task.queued"}],
                                    "on": {"attempt.started": "running"},
                                },
                                "backing_off": {"on": {"timer.fired": _ready()}},
                                "awaiting": {
                                    "on": {
                                        "finish.reported": "succeeded",
                                        "fail.reported": _failing(),
                                        "timer.fired": _failing(),
                                    }
                                },
                            },
                        },
                        "running": {
                            "initial": "executing",
                            "on": {
                                "attempt.succeeded": "succeeded",
                                "attempt.failed": _failing(),
                                "attempt.timed_out": _failing(),
                                "attempt.lost": _failing(),
                                "attempt.interrupted": "queued",
                                "cancel.requested": "cancelling",
                            },
                            "states": {
                                "executing": {
                                    "on": {
                                        "timer.fired": "ending",
                                        "suspend.requested": [
                                            _when(Verdict.STOP, "parking"),
                                            {"target": "finishing"},
                                        ],
                                    }
                                },
                                "yielding": {
                                    "initial": "finishing",
                                    "on": {
                                        "attempt.failed": _failing(**_PARK),
                                        "attempt.timed_out": _failing(**_PARK),
                                        "attempt.lost": _failing(**_PARK),
                                        "attempt.interrupted": {"target": "queued", **_PARK},
                                    },
                                    "states": {
                                        "finishing": {
                                            "on": {
                                                "resume.requested": "executing",
                                                "timer.fired": "parking",
                                                "suspend.requested": [
                                                    _when(Verdict.STOP, "parking")
                                                ],
                                            }
                                        },
                                        "parking": {"on": {"resume.requested": "ending"}},
                                    },
                                },
                                "stopping": {
                                    "initial": "ending",
                                    "states": {
                                        "ending": {"on": {"suspend.requested": "parking"}},
                                        "cancelling": {"on": {"attempt.*": "cancelled"}},
                                    },
                                },
                            },
                        },
                        "before_suspension": {"type": "history", "history": "deep"},
                    },
                },
                "suspended": {
                    "on": {
                        "resume.requested": [*_ADMISSION, {"target": "before_suspension"}],
                        "dependency.settled": _HEARD,
                        "dependency.reopened": _HEARD,
                        "slot.released": _HEARD,
                        "slot.superseded": "skipped",
                        "finish.reported": _HEARD,
                        "fail.reported": _HEARD,
                    }
                },
            },
        },
        "settled": {
            "initial": "succeeded",
            "entry": [{"log": "task.settled"}],
            "states": {
                "succeeded": {},
                "failed": {"on": _REOPENING},
                "skipped": {
                    "on": {
                        **_REOPENING,
                        "dependency.settled": _HEARD,
                        "dependency.reopened": [
                            _when(Verdict.WAIT, "waiting", **_REOPEN),
                            _HEARD,
                        ],
                    }
                },
                "cancelled": {
                    "on": {
                        **_REOPENING,
                        "dependency.settled": _HEARD,
                        "dependency.reopened": _HEARD,
                    }
                },
                "abandoned": {"on": _REOPENING},
            },
        },
    },
}

_SLOT_HEARD: dict[str, object] = dict.fromkeys(
    ("slot.decided", "slot.settled", "slot.reopened", "trigger.requested", "backfill.requested"),
    _HEARD,
)
_RESUMING = [
    _when(Verdict.RUN, "running"),
    _when(Verdict.FINISH, "finished"),
    _when(Verdict.IDLE, "idle"),
]

_SCHEDULE_OUTLINE: dict[str, Any] = {
    "chart": "schedule",
    "initial": "open",
    "states": {
        "open": {
            "initial": "active",
            "on": {"schedule.deleted": "finished", **_SLOT_HEARD},
            "states": {
                "active": {
                    "initial": "idle",
                    "on": {
                        "pause.requested": "paused",
                        "schedule.created": [_when(Verdict.PAUSE, "paused"), _HEARD],
                        "schedule.changed": [
                            _when(Verdict.PAUSE, "paused"),
                            _when(Verdict.FINISH, "finished"),
                            _HEARD,
                        ],
                    },
                    "states": {
                        "idle": {
                            "on": {
                                "slot.decided": [
                                    _when(Verdict.RUN, "running"),
                                    _when(Verdict.FINISH, "finished"),
                                    _HEARD,
                                ],
                                "slot.reopened": "running",
                                "backfill.requested": [_when(Verdict.RUN, "running"), _HEARD],
                            }
                        },
                        "running": {
                            "on": {
                                "slot.settled": [
                                    _when(Verdict.IDLE, "idle"),
                                    _when(Verdict.PAUSE, "paused"),
                                    _when(Verdict.FINISH, "finished"),
                                    _HEARD,
                                ],
                            }
                        },
                    },
                },
                "paused": {
                    "entry": [{"log": "schedule.paused"}],
                    "on": {
                        "resume.requested": _RESUMING,
                        "schedule.changed": [*_RESUMING, _HEARD],
                    },
                },
            },
        },
        "finished": {
            "entry": [{"log": "schedule.finished"}],
            "on": dict.fromkeys(("schedule.deleted", "slot.settled", "slot.reopened"), _HEARD),
        },
    },
}


def _with_ids(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state whose children are known by their own names, not by their paths."""
    children = state.get("states", {})
    named = {key: {"id": key, **_with_ids(child)} for key, child in children.items()}
    return {**state, "states": named} if named else dict(state)


TASK_SOURCE: Mapping[str, Any] = _with_ids(_OUTLINE)
TASK: Chart = compile_chart(TASK_SOURCE)
SCHEDULE_SOURCE: Mapping[str, Any] = _with_ids(_SCHEDULE_OUTLINE)
SCHEDULE: Chart = compile_chart(SCHEDULE_SOURCE)
_NOTING = {"on": dict.fromkeys(("clock.jumped", "request.refused"), _HEARD)}
ENGINE = compile_chart({"chart": "engine", "initial": "noting", "states": {"noting": _NOTING}})
"""It only keeps a log, and counts as settled from the start: nobody waits for its end."""

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
_PUBLIC = {**dict.fromkeys(RUNNING, "running"), "idle": "active", "running": "active"}


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
    return Move(snapshot, configuration, public_state(configuration), announced)


def public_state(configuration: str) -> str:
    """Return the state users see for a leaf of a built-in chart.

    >>> public_state("parking"), public_state("idle")
    ('running', 'active')
    """
    return _PUBLIC.get(configuration, configuration)


INITIAL = _moved(TASK, begin(TASK).snapshot, ())
INITIAL_SCHEDULE = _moved(SCHEDULE, begin(SCHEDULE).snapshot, ())
INITIAL_ENGINE = _moved(ENGINE, begin(ENGINE).snapshot, ())


@lru_cache(maxsize=4096)
def move(snapshot: Snapshot, name: str, verdict: Verdict) -> Move | None:
    """Step the TASK chart; None when the event changes nothing in this state."""
    return _step(TASK, snapshot, name, verdict)


@lru_cache(maxsize=1024)
def move_schedule(snapshot: Snapshot, name: str, verdict: Verdict) -> Move | None:
    """Step the SCHEDULE chart; None when the event changes nothing in this state."""
    return _step(SCHEDULE, snapshot, name, verdict)


def move_engine(snapshot: Snapshot, name: str) -> Move | None:
    """Step the ENGINE chart; None when it is no event of an engine's own."""
    return _step(ENGINE, snapshot, name, Verdict.NONE)


def _step(chart: Chart, snapshot: Snapshot, name: str, verdict: Verdict) -> Move | None:
    after, effects = take(chart, snapshot, Event(name, {"verdict": str(verdict)}))
    if after is snapshot:
        return None
    announced = (e.label for e in effects if isinstance(e, Log))
    return _moved(chart, after, tuple(label for label in announced if label is not None))


@lru_cache(maxsize=1024)
def history_text(snapshot: Snapshot) -> str | None:
    """Return what a row must keep of the snapshot besides its configuration, as JSON text."""
    if snapshot.history is None or not any(snapshot.history):
        return None
    return json.dumps(encode(TASK, snapshot), separators=(",", ":"))


@lru_cache(maxsize=1024)
def snapshot_of(kind: str, configuration: str, history: str | None) -> Snapshot:
    """Return the snapshot that a row stands for; only tasks have a history."""
    if history is not None:
        return decode(TASK, json.loads(history))
    chart, initial = _CHARTS[kind]
    return decode(chart, {**encode(chart, initial.snapshot), "configuration": configuration})


_CHARTS: Mapping[str, tuple[Chart, Move]] = {
    "task": (TASK, INITIAL),
    "schedule": (SCHEDULE, INITIAL_SCHEDULE),
    "engine": (ENGINE, INITIAL_ENGINE),
}


def initial_of(kind: str) -> Move:
    """Return where an instance of this kind begins."""
    return _CHARTS[kind][1]
