"""The outline of the TASK chart, in the language that users get, and the verdicts of all charts.

Guards look at nothing but the event's verdict: what must be weighed is decided by pure rules
before the chart hears of the event.
"""

from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What the rules say about an event before the chart hears of it."""

    NONE = ""
    WAIT = "wait"
    BLOCK = "block"
    TAKE = "take"
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
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNDO_FAILED = "undo_failed"
    UNDO_CANCELLED = "undo_cancelled"
    CLOSE_SUCCEEDED = "close_succeeded"
    CLOSE_FAILED = "close_failed"
    CLOSE_CANCELLED = "close_cancelled"

    # An enum's own is written in Python, and every step asks for it.
    __hash__ = str.__hash__


def _when(verdict: Verdict, target: str, **more: object) -> dict[str, object]:
    return {"guard": f"event.data.verdict == '{verdict}'", "target": target, **more}


def _ready(**more: object) -> list[dict[str, object]]:
    return [_when(Verdict.QUEUE, "queued", **more), _when(Verdict.AWAIT, "awaiting", **more)]


_ADMISSION = [*_ready(), _when(Verdict.DELAY, "delayed"), _when(Verdict.SKIP, "skipped")]


_HEARD: dict[str, object] = {}
"""A transition without a target: the event is counted, nothing moves."""
_OF_DEPENDENCIES = {"dependency.settled": _HEARD, "dependency.reopened": _HEARD}
"""Counted in every state: a task whose rule was met goes on whatever becomes of them."""
_TURNED_BACK = _when(Verdict.WAIT, "waiting")
_ADDED = [*_ADMISSION, _when(Verdict.BLOCK, "blocked"), _TURNED_BACK, _HEARD]
"""A task that has not begun may have to wait for more."""
_WITHDRAWING = _when(Verdict.STOP, "withdrawing")
_EARLY: dict[str, object] = dict.fromkeys(
    ("finish.reported", "fail.reported", "approve.reported", "reject.reported"), _HEARD
)
"""Kept for when it is the task's turn."""
_PARK = {"actions": [{"raise": "park"}]}
_REOPEN = {"actions": [{"log": "task.reopened"}]}
_AWAITING_AGAIN = [_when(Verdict.AWAIT, "awaiting", **_REOPEN)]
_REOPENING = {"retry.requested": [*_ready(**_REOPEN), _when(Verdict.WAIT, "waiting", **_REOPEN)]}


def _failing(**more: object) -> list[dict[str, object]]:
    return [
        _when(Verdict.RETRY, "backing_off", **more),
        _when(Verdict.AGAIN, "queued", **more),
        _when(Verdict.ABANDON, "abandoned"),
        {"target": "failed"},
    ]


def _ending() -> list[dict[str, object]]:
    """Return where a task goes with what others do for it, or with what it waits for."""
    return [
        _when(Verdict.SUCCEEDED, "succeeded"),
        _when(Verdict.STOP, "closing"),
        *_failing(),
    ]


TASK_OUTLINE: dict[str, Any] = {
    "chart": "task",
    "initial": "open",
    "states": {
        "open": {
            "initial": "active",
            "on": {"cancel.requested": "cancelled", **_OF_DEPENDENCIES},
            "states": {
                "active": {
                    "initial": "idle",
                    "states": {
                        "idle": {
                            "initial": "waiting",
                            "on": {
                                "suspend.requested": "suspended",
                                "park": "suspended",
                                "dependencies.added": _ADDED,
                            },
                            "states": {
                                "waiting": {
                                    "on": {
                                        "task.submitted": [
                                            _when(Verdict.TAKE, "succeeded"),
                                            *_ADMISSION,
                                            _when(Verdict.BLOCK, "blocked"),
                                            _HEARD,
                                        ],
                                        "dependency.settled": [
                                            *_ADMISSION,
                                            _when(Verdict.BLOCK, "blocked"),
                                            _HEARD,
                                        ],
                                        "slot.released": _ADMISSION,
                                        "slot.superseded": "skipped",
                                        **_EARLY,
                                    }
                                },
                                "blocked": {"on": {"dependency.reopened": "waiting", **_EARLY}},
                                "delayed": {
                                    "on": {
                                        "timer.fired": _ready(),
                                        "dependency.reopened": [_TURNED_BACK, _HEARD],
                                        **_EARLY,
                                    }
                                },
                                "queued": {
                                    "entry": [{"log": "task.queued"}],
                                    "on": {
                                        "attempt.started": "running",
                                        "dependency.reopened": [_TURNED_BACK, _HEARD],
                                    },
                                },
                                "backing_off": {"on": {"timer.fired": _ready(), **_EARLY}},
                                "awaiting": {
                                    "on": {
                                        "finish.reported": "succeeded",
                                        "approve.reported": "succeeded",
                                        "fail.reported": _failing(),
                                        "reject.reported": _failing(),
                                        "attempt.failed": _ending(),
                                        "timer.fired": _ending(),
                                        "child.settled": _ending(),
                                        "cancel.requested": [_WITHDRAWING],
                                    }
                                },
                                "closing": {
                                    "on": {
                                        "child.settled": _failing(),
                                        "cancel.requested": "withdrawing",
                                    }
                                },
                                "withdrawing": {"on": {"child.settled": "cancelled"}},
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
                        "cancel.requested": [_WITHDRAWING],
                        "resume.requested": [
                            *_ADMISSION,
                            _when(Verdict.BLOCK, "blocked"),
                            _TURNED_BACK,
                            {"target": "before_suspension"},
                        ],
                        "slot.released": _HEARD,
                        "dependencies.added": _HEARD,
                        "slot.superseded": "skipped",
                        **_EARLY,
                    }
                },
            },
        },
        "settled": {
            "initial": "succeeded",
            "entry": [{"log": "task.settled"}],
            "on": _OF_DEPENDENCIES,
            "states": {
                "succeeded": {
                    "on": {"retry.requested": _AWAITING_AGAIN, "child.reopened": _AWAITING_AGAIN}
                },
                "failed": {"on": {**_REOPENING, "child.reopened": _AWAITING_AGAIN}},
                "skipped": {
                    "on": {
                        **_REOPENING,
                        "dependency.reopened": [
                            _when(Verdict.WAIT, "waiting", **_REOPEN),
                            _HEARD,
                        ],
                    }
                },
                "cancelled": {"on": {**_REOPENING, "child.reopened": _AWAITING_AGAIN}},
                "abandoned": {"on": _REOPENING},
            },
        },
    },
}
