"""Snapshots as JSON: states by name, so that they outlive the compiled chart they came from."""

from collections.abc import Mapping

from tipman.statecharts.chart import Chart, State, bits
from tipman.statecharts.document import Kind
from tipman.statecharts.errors import SnapshotError, suggestion
from tipman.statecharts.model import Json, Snapshot

LAYOUT = 1

PAIR = 2
_KEYS = {"layout", "configuration", "history", "data", "invokes", "done", "sequence", "bound"}


def encode(chart: Chart, snapshot: Snapshot) -> dict[str, Json]:
    """Write a snapshot as a JSON object; what is empty is left out."""
    written: dict[str, Json] = {"layout": LAYOUT, "configuration": chart.configuration(snapshot)}
    if snapshot.history is not None and any(snapshot.history):
        written["history"] = {
            chart.nodes[number].name: _names(chart, mask)
            for number, mask in zip(chart.histories, snapshot.history, strict=True)
            if mask
        }
    if snapshot.data is not None:
        written["data"] = dict(snapshot.data)
    if snapshot.invokes:
        written["invokes"] = {
            key: [chart.nodes[number].name, index]
            for key, (number, index) in snapshot.invokes.items()
        }
    if snapshot.done is not None:
        written["done"] = list(snapshot.done)
    if snapshot.sequence:
        written["sequence"] = snapshot.sequence
    if snapshot.bound:
        written["bound"] = _names(chart, snapshot.bound)
    return written


def _names(chart: Chart, mask: int) -> list[str]:
    return [chart.nodes[number].name for number in bits(mask)]


def decode(chart: Chart, written: Mapping[str, Json]) -> Snapshot:
    """Read a snapshot back, for this chart or a later version of it that has the same states.

    Raises:
        SnapshotError: another layout, a state the chart does not have, states that can not be
            active together, or a part of the wrong type.
    """
    layout = written.get("layout")
    if layout != LAYOUT:
        raise SnapshotError(f"the snapshot has layout {layout!r}; this version reads {LAYOUT}")
    for key in written.keys() - _KEYS:
        raise SnapshotError(f"unknown part {key!r}{suggestion(key, _KEYS)}")
    return Snapshot(
        _configuration(chart, written.get("configuration")),
        _history(chart, written.get("history", {})),
        _object(written, "data"),
        _invokes(chart, _object(written, "invokes")),
        _done(written.get("done")),
        _whole_number(written.get("sequence", 0)),
        _mask(chart, written["bound"], "bound") if "bound" in written else 0,
    )


def _number(chart: Chart, name: Json) -> int:
    known = chart.numbers.get(name) if isinstance(name, str) else None
    if known is None:
        near = suggestion(str(name), chart.states)
        raise SnapshotError(f"the chart {chart.name!r} has no state {name!r}{near}")
    return known


def _configuration(chart: Chart, names: Json) -> int:
    if not isinstance(names, str):
        raise SnapshotError("the configuration must be a text of state names")
    known = chart.memo.configurations.get(("active", names))
    if isinstance(known, int):
        return known
    mask = 1
    for name in names.split():
        state = chart.nodes[_number(chart, name)]
        mask |= 1 << state.number
        for ancestor in state.ancestors:
            mask |= 1 << ancestor
    _check_legal(chart, mask)
    chart.memo.keep(chart.memo.configurations, ("active", names), mask)
    return mask


def _check_legal(chart: Chart, mask: int) -> None:
    """Refuse states that can not be active together (SCXML 3.11)."""
    for number in bits(mask):
        state = chart.nodes[number]
        children = [child for child in state.children if not chart.nodes[child].kind.is_history]
        active = [child for child in children if mask >> child & 1]
        if state.kind is Kind.COMPOUND and len(active) != 1:
            raise SnapshotError(f"{_title(state)} must have one active state, not {len(active)}")
        if state.kind is Kind.PARALLEL and len(active) != len(children):
            raise SnapshotError(f"every region of {_title(state)} must be active")
        if state.kind.is_history:
            raise SnapshotError(f"{_title(state)} is a history and can not be active")


def _title(state: State) -> str:
    return f"the state {state.name!r}" if state.number else "the chart"


def _history(chart: Chart, written: Json) -> tuple[int, ...] | None:
    if not isinstance(written, Mapping):
        raise SnapshotError("the history must be an object")
    if not written:
        return (0,) * len(chart.histories) or None
    masks = [0] * len(chart.histories)
    for name, states in written.items():
        node = chart.nodes[_number(chart, name)]
        if not node.kind.is_history:
            raise SnapshotError(f"the state {name!r} is no history")
        masks[node.slot] = _mask(chart, states, name)
        if masks[node.slot] & ~chart.nodes[node.parent].descendants:
            raise SnapshotError(f"the history {name!r} can not hold all of {states!r}")
    return tuple(masks) or None


def _mask(chart: Chart, names: Json, key: str) -> int:
    if not isinstance(names, list | tuple):
        raise SnapshotError(f"{key} must be a list")
    mask = 0
    for name in names:
        mask |= 1 << _number(chart, name)
    return mask


def _invokes(
    chart: Chart, written: Mapping[str, Json] | None
) -> dict[str, tuple[int, int]] | None:
    if not written:
        return None
    found = {}
    for key, owner in written.items():
        name, index = _pair(owner, "an invoke")
        number = _number(chart, name)
        if index not in range(len(chart.nodes[number].invokes)):
            raise SnapshotError(f"the state {name!r} has no invoke number {index!r}")
        found[key] = (number, index)
    return found


def _done(written: Json) -> tuple[str, Json] | None:
    if written is None:
        return None
    name, output = _pair(written, "done")
    return name, output


def _pair(written: Json, what: str) -> tuple[Json, Json]:
    if not isinstance(written, list | tuple) or len(written) != PAIR:
        raise SnapshotError(f"{what} must be a list of two")
    return written[0], written[1]


def _object(written: Mapping[str, Json], key: str) -> Mapping[str, Json] | None:
    part = written.get(key)
    if part is not None and not isinstance(part, Mapping):
        raise SnapshotError(f"{key} must be an object")
    return part


def _whole_number(part: Json) -> int:
    if type(part) is not int or part < 0:
        raise SnapshotError("the sequence must be a whole number")
    return part
