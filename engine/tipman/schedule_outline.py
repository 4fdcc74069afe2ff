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
