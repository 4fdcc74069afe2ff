"""The inbox: which internal events a bounded drain leaves as rows, and as what text.

The other kinds are derived again from rows, so a crash needs no row of theirs.
"""

import json
from collections.abc import Mapping
from dataclasses import fields

from tipman.events import (
    AwaitingStarted,
    CancelRequested,
    ChildReopened,
    ChildSettled,
    DependencyReopened,
    DependencySettled,
    Event,
    FailReported,
    FinishReported,
    ResumeRequested,
    RetryRequested,
    RunDrained,
    RunReopened,
    RunStarted,
    SlotReleased,
    SlotReopened,
    SlotSettled,
    SlotSuperseded,
    SuspendRequested,
)
from tipman.run_events import (
    AftermathReopened,
    AftermathSettled,
    DependentsSettled,
    HoldRequested,
    NodeFailed,
    ReleaseRequested,
)

_LEFT: Mapping[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        AwaitingStarted,
        CancelRequested,
        ChildReopened,
        ChildSettled,
        DependencyReopened,
        DependencySettled,
        DependentsSettled,
        AftermathReopened,
        AftermathSettled,
        FailReported,
        FinishReported,
        HoldRequested,
        NodeFailed,
        ReleaseRequested,
        ResumeRequested,
        RetryRequested,
        RunDrained,
        RunReopened,
        RunStarted,
        SlotReleased,
        SlotReopened,
        SlotSettled,
        SlotSuperseded,
        SuspendRequested,
    )
}


def is_left(event: Event) -> bool:
    """Tell whether an event of this kind is kept until the drain that handles it."""
    return type(event).__name__ in _LEFT


def text_of(event: Event) -> str:
    """Return an event as JSON text, its ids apart from its values."""
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    ids = {name: value.hex() for name, value in values.items() if isinstance(value, bytes)}
    plain = {name: value for name, value in values.items() if name not in ids}
    return json.dumps({"event": type(event).__name__, "ids": ids, "values": plain})


def event_of(text: str) -> Event:
    """Return the event that `text_of` wrote."""
    stored = json.loads(text)
    ids = {name: bytes.fromhex(value) for name, value in stored["ids"].items()}
    return _LEFT[stored["event"]](**ids, **stored["values"])
