"""The outline of the RUN chart: how a run of a workflow begins, is held, is undone and ends.

Its nodes are counted elsewhere; the chart hears when the last has settled (`run.drained`), and
the outcome stands in the leaf from then on, so that nothing that follows can change it. Whoever is
in `cancelling`, `failing` or `overdue` starts nothing more and waits for what still runs.
"""

from typing import Any

from tipman.outlines import Verdict

_OUTCOMES = ("succeeded", "failed", "cancelled")
_HEARD: dict[str, object] = {}
_REOPENED = {"actions": [{"log": "run.reopened"}]}
_REOPENING = {"target": "working", **_REOPENED}
"""Asked for by somebody; `run.reopened` itself is heard when a task of it was tried again."""


def _when(verdict: Verdict, target: str) -> dict[str, object]:
    return {"guard": f"event.data.verdict == '{verdict}'", "target": target}


def _ending(*outcomes: str) -> list[dict[str, object]]:
    """Return where a run goes that has this outcome: to what is left to do, or to its end."""
    left = [
        _when(Verdict(f"{verb}_{outcome}"), f"{state}_{outcome}")
        for outcome in outcomes
        for verb, state in (("undo", "undoing"), ("close", "closing"))
        if (verb, outcome) != ("undo", "succeeded")
    ]
    return [*left, *(_when(Verdict(outcome), outcome) for outcome in outcomes)]


def _after_undoing(outcome: str) -> list[dict[str, object]]:
    return [_when(Verdict(f"close_{outcome}"), f"closing_{outcome}"), {"target": outcome}]


_GROWING = {"tasks.added": _HEARD, "dependencies.added": _HEARD}
_STOPPING = {"cancel.requested": "cancelling", "node.failed": "failing"}
_QUEUED = {
    **_STOPPING,
    **_GROWING,
    "run.started": "working",
    "retry.requested": _HEARD,
    "run.drained": _ending(*_OUTCOMES),
}
_WORKING = {
    **_STOPPING,
    **_GROWING,
    "timer.fired": "overdue",
    "retry.requested": _HEARD,
    "run.drained": _ending(*_OUTCOMES),
}
_FAILING = {"cancel.requested": "cancelling", "run.drained": _ending("failed")}
_AFTERWARDS = {
    "run.reopened": "working",
    "retry.requested": _REOPENING,
    "cancel.requested": _HEARD,
}
"""While it is undone or closed, its outcome being decided."""

RUN_OUTLINE: dict[str, Any] = {
    "chart": "run",
    "initial": "open",
    "states": {
        "open": {
            "initial": "active",
            "on": {"run.submitted": _HEARD},
            "states": {
                "active": {
                    "initial": "queued",
                    "on": {"suspend.requested": "suspended"},
                    "states": {
                        "queued": {"on": _QUEUED},
                        "working": {"on": _WORKING},
                        "overdue": {"on": _FAILING},
                        "failing": {"on": _FAILING},
                        "cancelling": {"on": {"run.drained": _ending("failed", "cancelled")}},
                        "undoing": {
                            "initial": "undoing_failed",
                            "on": _AFTERWARDS,
                            "states": {
                                f"undoing_{outcome}": {
                                    "on": {"run.undone": _after_undoing(outcome)}
                                }
                                for outcome in ("failed", "cancelled")
                            },
                        },
                        "closing": {
                            "initial": "closing_succeeded",
                            "on": _AFTERWARDS,
                            "states": {
                                f"closing_{outcome}": {"on": {"run.closed": outcome}}
                                for outcome in _OUTCOMES
                            },
                        },
                        "before_suspension": {"type": "history", "history": "deep"},
                    },
                },
                "held": {
                    "initial": "suspended",
                    "on": {
                        "cancel.requested": [
                            _when(Verdict.FINISH, "before_suspension"),
                            {"target": "cancelling"},
                        ],
                        "run.started": _HEARD,
                        **_GROWING,
                        "retry.requested": _HEARD,
                    },
                    "states": {
                        "suspended": {
                            "on": {
                                "resume.requested": "before_suspension",
                                "run.reopened": "suspended_anew",
                            }
                        },
                        "suspended_anew": {"on": {"resume.requested": "working"}},
                    },
                },
            },
        },
        "settled": {
            "initial": "succeeded",
            "entry": [{"log": "run.settled"}],
            "on": {
                "run.reopened": "working",
                "retry.requested": _REOPENING,
                "aftermath.reopened": [
                    {**_when(Verdict(f"close_{outcome}"), f"closing_{outcome}"), **_REOPENED}
                    for outcome in _OUTCOMES
                ],
            },
            "states": {outcome: {} for outcome in _OUTCOMES},
        },
    },
}
