"""The workflows that run while the engine is being killed: graphs, maps, child runs, approvals."""

from typing import Any

Given = dict[str, Any]


def _inline(name: str, function: str = "note", **more: Any) -> Given:
    args = more.pop("args", {})
    return {
        "name": name,
        "type": "inline",
        "arguments": {"task": function, "args": args},
        **more,
    }


def _part(function: str, **args: Any) -> Given:
    return {"type": "inline", "arguments": {"task": function, "args": args}}


HOOKS = {moment: _part("note") for moment in ("succeeded", "failed", "settled")}
_RETRY = {"attempts_max": 2, "delay_s": 0.01}

GRAPH: Given = {
    "name": "graph",
    "on_failure": "continue",
    "hooks": HOOKS,
    "slots": 3,
    "tasks": [
        _inline("first", compensate=_part("note")),
        _inline("left", dependencies=["first"], compensate=_part("note")),
        _inline("right", "dawdle", args={"duration_s": 0.01}, dependencies=["first"]),
        _inline("early", dependencies=["left", "right"], when="any_succeeded"),
        _inline("never", dependencies=["left"], when="any_failed"),
        _inline("last", dependencies=["left", "right", "never"]),
    ],
}
BROKEN: Given = {
    "name": "broken",
    "hooks": HOOKS,
    "tasks": [
        _inline("first", compensate=_part("note")),
        _inline("second", dependencies=["first"], compensate=_part("note")),
        _inline("breaks", "falter", args={"failures": 9}, retry=_RETRY, dependencies=["second"]),
        _inline("skipped", dependencies=["breaks"]),
        _inline("tells", dependencies=["breaks"], when="any_failed"),
    ],
}
MAPPED: Given = {
    "name": "mapped",
    "hooks": HOOKS,
    "tasks": [
        {
            "name": "each",
            "type": "map",
            "arguments": {
                "over": [*range(6)],
                "task": _part("falter", failures=1) | {"retry": _RETRY},
                "parallel_max": 2,
                "failures_max": 6,
            },
        },
        _inline("after", dependencies=["each"]),
    ],
}
NESTED: Given = {
    "name": "nested",
    "hooks": HOOKS,
    "tasks": [
        _inline("before"),
        {
            "name": "child",
            "type": "workflow",
            "arguments": {"name": "graph"},
            "dependencies": ["before"],
        },
        {
            "name": "loose",
            "type": "workflow",
            "arguments": {"name": "broken", "on_close": "abandon"},
            "dependencies": ["before"],
        },
        _inline("after", dependencies=["child", "loose"], when="all_settled"),
    ],
}
ASKED: Given = {
    "name": "asked",
    "hooks": HOOKS,
    "tasks": [
        {"name": "agree", "type": "approval", "arguments": {"note": "may it?"}},
        _inline("after", dependencies=["agree"]),
        {
            "name": "unheard",
            "type": "approval",
            "arguments": {"note": "nobody answers"},
            "timeout_s": 0.05,
        },
    ],
}
ALL = (GRAPH, BROKEN, MAPPED, NESTED, ASKED)
BY_NAME = {given["name"]: given for given in ALL}
STARTED = tuple(given["name"] for given in ALL)
"""Those of which somebody starts runs."""
