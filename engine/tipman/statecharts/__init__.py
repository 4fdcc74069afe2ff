"""Statecharts: compiled once, stepped as pure functions, kept as JSON.

A chart comes from a mapping (`compile_chart`) or an SCXML document (`load_scxml`). `start` gives
the first snapshot of an instance, `step` the next one for an event, each with the effects the
host is to perform once the snapshot is saved; `encode` and `decode` carry snapshots to JSON and
back. Nothing here does I/O, reads a clock or keeps state of an instance.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tipman.statecharts.chart import Chart
from tipman.statecharts.chartfile import compile_chart
from tipman.statecharts.drawing import draw_dot, draw_json, draw_mermaid
from tipman.statecharts.errors import (
    ChartError,
    EvaluationError,
    ExpressionError,
    Fault,
    SnapshotError,
    StatechartError,
    UnsettledError,
)
from tipman.statecharts.expressions import Expression, compile_expression
from tipman.statecharts.interpreter import start, step, stop
from tipman.statecharts.model import (
    CancelInvoke,
    CancelSend,
    Done,
    Effect,
    Event,
    Forward,
    Invoke,
    Log,
    Send,
    Session,
    Snapshot,
    Step,
)
from tipman.statecharts.snapshots import LAYOUT, decode, encode

if TYPE_CHECKING:
    from tipman.statecharts.scxml import load_scxml

__all__ = [
    "LAYOUT",
    "CancelInvoke",
    "CancelSend",
    "Chart",
    "ChartError",
    "Done",
    "Effect",
    "EvaluationError",
    "Event",
    "Expression",
    "ExpressionError",
    "Fault",
    "Forward",
    "Invoke",
    "Log",
    "Send",
    "Session",
    "Snapshot",
    "SnapshotError",
    "StatechartError",
    "Step",
    "UnsettledError",
    "compile_chart",
    "compile_expression",
    "decode",
    "draw_dot",
    "draw_json",
    "draw_mermaid",
    "encode",
    "load_scxml",
    "start",
    "step",
    "stop",
]


def __getattr__(name: str) -> Any:
    """Import the reader of SCXML when it is asked for: XML costs 3 MiB that most never need."""
    if name != "load_scxml":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("tipman.statecharts.scxml").load_scxml
