"""Statecharts: compiled once, stepped as pure functions, kept as JSON.

A chart comes from a mapping (`compile_chart`) or an SCXML document (`load_scxml`). `start` gives
the first snapshot of an instance, `step` the next one for an event, each with the effects the
host is to perform once the snapshot is saved; `encode` and `decode` carry snapshots to JSON and
back. Nothing here does I/O, reads a clock or keeps state of an instance.
"""

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
from tipman.statecharts.scxml import load_scxml
from tipman.statecharts.snapshots import LAYOUT, decode, encode

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
