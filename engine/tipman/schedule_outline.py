"""The outlines of the SCHEDULE chart, and of two that only keep a log: ENGINE and REGISTRY."""

from typing import Any

from tipman.outlines import Verdict

_HEARD: dict[str, object] = {}


def _when(verdict: Verdict, target: str) -> dict[str, object]:
    return {"guard": f"event.data.verdict == '{verdict}'", "target": target}


_SLOT_HEARD: dict[str, object] = dict.fromkeys(
    ("slot.decided", "slot.settled", "slot.reopened", "trigger.requested", "backfill.requested"),
    _HEARD,
)
_RESUMING = [
    _when(Verdict.RUN, "running"),
    _when(Verdict.FINISH, "finished"),
    _when(Verdict.IDLE, "idle"),
]

SCHEDULE_OUTLINE: dict[str, Any] = {
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
    verdict = Verdict(f"close_{outcome}")
    return [_when(verdict, f"closing_{outcome}"), {"target": outcome}]


_OUTCOMES = ("succeeded", "failed", "cancelled")
_RUN_REOPENING = {"target": "working", "actions": [{"log": "run.reopened"}]}

RUN_OUTLINE: dict[str, Any] = {
    "chart": "run",
    "initial": "open",
    "states": {
        "open": {
            "initial": "active",
            "on": {"run.submitted": _HEARD, "run.grown": _HEARD},
            "states": {
                "active": {
                    "initial": "queued",
                    "on": {"suspend.requested": "suspended"},
                    "states": {
                        "queued": {
                            "on": {
                                "run.started": "working",
                                "cancel.requested": "cancelling",
                                "timer.fired": "overdue",
                                "run.drained": _ending(*_OUTCOMES),
                            }
                        },
                        "working": {
                            "on": {
                                "cancel.requested": "cancelling",
                                "timer.fired": "overdue",
                                "run.drained": _ending(*_OUTCOMES),
                            }
                        },
                        "overdue": {
                            "on": {
                                "cancel.requested": "cancelling",
                                "run.drained": _ending("failed"),
                            }
                        },
                        "cancelling": {"on": {"run.drained": _ending("cancelled")}},
                        "undoing": {
                            "initial": "undoing_failed",
                            "on": {"run.reopened": "working"},
                            "states": {
                                f"undoing_{outcome}": {
                                    "on": {"run.undone": _after_undoing(outcome)}
                                }
                                for outcome in ("failed", "cancelled")
                            },
                        },
                        "closing": {
                            "initial": "closing_succeeded",
                            "on": {"run.reopened": "working"},
                            "states": {
                                f"closing_{outcome}": {"on": {"run.closed": outcome}}
                                for outcome in _OUTCOMES
                            },
                        },
                        "before_suspension": {"type": "history", "history": "deep"},
                    },
                },
                "suspended": {
                    "on": {
                        "resume.requested": "before_suspension",
                        "cancel.requested": "cancelling",
                        "run.started": _HEARD,
                    }
                },
            },
        },
        "settled": {
            "initial": "succeeded",
            "entry": [{"log": "run.settled"}],
            "on": {"run.reopened": _RUN_REOPENING},
            "states": {
                "succeeded": {},
                "failed": {"on": {"retry.requested": _RUN_REOPENING}},
                "cancelled": {"on": {"retry.requested": _RUN_REOPENING}},
            },
        },
    },
}

_NOTING = {"on": dict.fromkeys(("clock.jumped", "request.refused"), _HEARD)}
ENGINE_OUTLINE: dict[str, Any] = {
    "chart": "engine",
    "initial": "noting",
    "states": {"noting": _NOTING},
}
"""It only keeps a log, and counts as settled from the start: nobody waits for its end."""

_REGISTERED = (
    "namespace.created", "namespace.changed", "definition.added", "definition.retired",
    "workflow.added", "workflow.retired", "token.created", "token.revoked",
)  # fmt: skip
_KEEPING = {"on": {**dict.fromkeys(_REGISTERED, _HEARD), "namespace.deleted": "finished"}}
REGISTRY_OUTLINE: dict[str, Any] = {
    "chart": "registry",
    "initial": "active",
    "states": {"active": _KEEPING, "finished": {}},
}
"""The registry of a namespace lives as long as the namespace, and keeps a log of what it has."""
