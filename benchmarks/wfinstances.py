"""Real workflows: production traces, run to their end against a simulated list scheduler.

Every file of a folder is a trace in WfFormat 1.5 (wfcommons.org). Each of its nodes becomes a
`sleep` of the recorded run time, scaled so that the simulation takes `--scale-s` on 4 slots. The
engine must be as fast as the simulation is with the measured cost of a node added to each, and
no node may start before those it waits for have ended. Each goes twice: as a batch of tasks in
this process, and as a registered workflow whose run is started and waited for over REST.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import servers
from list_scheduler import makespan
from tipman import Engine

SLOTS = 4
DEVIATION_MAX = 0.05
_ROOT = Path(__file__).resolve().parent.parent
_PROBE_NODES = 40
_PROBE_S = 0.01
_SETTLE_S = 120
_LOOK_S = 0.005
_PAGE = 1_000
_REFUSED = 400


@dataclass(frozen=True)
class Trace:
    """A recorded workflow: ids, seconds and parents of its nodes, in the order of the file."""

    name: str
    ids: Sequence[str]
    durations_s: Sequence[float]
    parents: Sequence[Sequence[int]]

    def scaled(self, ideal_s: float) -> "Trace":
        """Return the same trace, as long as it takes to last *ideal_s* on the slots."""
        factor = ideal_s / makespan(self.durations_s, self.parents, slots=SLOTS)
        return Trace(self.name, self.ids, [d * factor for d in self.durations_s], self.parents)

    def expected_s(self, node_cost_s: float) -> float:
        """Return how long it should take, *node_cost_s* being lost with each node."""
        durations = [duration + node_cost_s for duration in self.durations_s]
        return makespan(durations, self.parents, slots=SLOTS)

    def batch(self) -> list[dict[str, Any]]:
        """Return it as a batch to submit."""
        return [{**task, "key": task["name"]} for task in self.workflow()["tasks"]]

    def workflow(self) -> dict[str, Any]:
        """Return it as a workflow to register."""
        tasks = [
            {
                "type": "sleep",
                "name": identifier,
                "arguments": {"duration_s": duration_s},
                "dependencies": [self.ids[parent] for parent in above],
            }
            for identifier, duration_s, above in zip(
                self.ids, self.durations_s, self.parents, strict=True
            )
        ]
        return {"name": self.name, "tasks": tasks}


@dataclass(frozen=True)
class Course:
    """How a trace went: seconds from submitting to the last end, and what was not respected."""

    took_s: float
    violations: Sequence[str]


Way = Callable[[Trace, Path | None], Course]


def read(path: Path) -> Trace:
    """Read a trace."""
    workflow = json.loads(path.read_text(encoding="utf-8"))["workflow"]
    nodes = workflow["specification"]["tasks"]
    seconds = {node["id"]: node["runtimeInSeconds"] for node in workflow["execution"]["tasks"]}
    positions = {node["id"]: position for position, node in enumerate(nodes)}
    return Trace(
        path.stem,
        list(positions),
        [seconds[identifier] for identifier in positions],
        [[positions[parent] for parent in node["parents"]] for node in nodes],
    )


def run(trace: Trace, data: Path | None) -> Course:
    """Run a trace on an engine of its own, whose database is in a folder of *data*."""
    with (
        TemporaryDirectory(dir=data) as folder,
        Engine(f"sqlite:///{folder}/tipman.db", slots=SLOTS) as engine,
    ):
        begun = time.perf_counter()
        handles = engine.submit_batch(trace.batch())
        for handle in handles:
            handle.wait(timeout_s=_SETTLE_S)
        took_s = time.perf_counter() - begun
        attempts = [engine.attempts(handle) for handle in handles]
    return Course(took_s, violations(trace, attempts))


def run_served(trace: Trace, data: Path | None) -> Course:
    """Run a trace as a registered workflow on a server of its own, over REST alone."""
    with TemporaryDirectory(dir=data) as folder:
        home = Path(folder) / "home"
        with servers.running(servers.ours(home, slots=SLOTS), home) as server:
            _asked(server, "POST", "/workflows", trace.workflow())
            begun = time.perf_counter()
            started = _asked(server, "POST", f"/workflows/{quote(trace.name)}/runs", {})
            while not _asked(server, "GET", f"/runs/{started['id']}")["settled"]:
                time.sleep(_LOOK_S)
            took_s = time.perf_counter() - begun
            tasks = _tasks_of(server, started["id"])
            attempts = [
                _asked(server, "GET", f"/tasks/{tasks[name]}/attempts")["items"]
                for name in trace.ids
            ]
    return Course(took_s, violations(trace, attempts))


def _tasks_of(server: servers.Server, run: str) -> dict[str, str]:
    """Return the ids of a run's tasks, by their names."""
    found, after = {}, ""
    while True:
        page = _asked(server, "GET", f"/runs/{run}/tasks?limit={_PAGE}{after}")
        found.update({item["name"]: item["id"] for item in page["items"]})
        if page["next"] is None:
            return found
        after = f"&after={quote(page['next'])}"


def _asked(server: servers.Server, method: str, path: str, body: object = None) -> dict[str, Any]:
    """Return what is answered.

    Raises:
        ValueError: it was refused.
    """
    text = None if body is None else json.dumps(body)
    answer = server.ask(method, f"/api/v1{path}", text)
    read = answer.read()
    if answer.status >= _REFUSED:
        raise ValueError(f"{method} {path}: {read.decode()}")
    found: dict[str, Any] = json.loads(read)
    return found


def violations(trace: Trace, attempts: Sequence[Sequence[dict[str, Any]]]) -> list[str]:
    """Return what the attempts of a trace's nodes tell against the engine."""
    found = [
        f"{identifier} had {len(tried)} attempts"
        for identifier, tried in zip(trace.ids, attempts, strict=True)
        if [attempt["outcome"] for attempt in tried] != ["succeeded"]
    ]
    if found:
        return found
    spans = [
        (_instant(attempt["started_at"]), _instant(attempt["ended_at"])) for (attempt,) in attempts
    ]
    found = [
        f"{trace.ids[node]} started before {trace.ids[parent]} had ended"
        for node, above in enumerate(trace.parents)
        for parent in above
        if spans[node][0] < spans[parent][1]
    ]
    ahead = max(sum(start <= at < end for start, end in spans) for at, _ in spans)
    return [*found, *([f"{ahead} nodes ran at once"] if ahead > SLOTS else [])]


def node_cost_s(way: Way, data: Path | None) -> float:
    """Return what the engine adds to a node: a chain of short sleeps, less the sleeping."""
    ids = [f"probe-{i}" for i in range(_PROBE_NODES)]
    parents = [[i - 1] if i else [] for i in range(_PROBE_NODES)]
    trace = Trace("probe", ids, [_PROBE_S] * _PROBE_NODES, parents)
    return median(way(trace, data).took_s / _PROBE_NODES - _PROBE_S for _ in range(3))


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def compare(trace: Trace, way: Way, cost_s: float, data: Path | None) -> dict[str, Any]:
    """Run a trace and return how it compares with the simulation."""
    course = way(trace, data)
    expected_s = trace.expected_s(cost_s)
    deviation = course.took_s / expected_s - 1
    return {
        "trace": trace.name,
        "nodes": len(trace.ids),
        "edges": sum(len(above) for above in trace.parents),
        "node_cost_ms": cost_s * 1e3,
        "expected_s": expected_s,
        "took_s": course.took_s,
        "deviation": deviation,
        "violations": course.violations,
        "holds": abs(deviation) <= DEVIATION_MAX and not course.violations,
    }


def line(compared: dict[str, Any]) -> str:
    """Return what `compare` found, for a person."""
    verdict = "ok" if compared["holds"] else "MISSED"
    text = (
        f"{compared['trace']:44} {compared['nodes']:4} nodes {compared['edges']:4} edges"
        f"  expected {compared['expected_s']:7.3f} s  took {compared['took_s']:7.3f} s"
        f"  {compared['deviation']:+6.1%}  {verdict}"
    )
    return "\n    ".join([text, *compared["violations"]])


WAYS: Mapping[str, Way] = {"a batch": run, "a registered workflow over REST": run_served}


def folder_of_traces() -> Path:
    """Return where the traces are, by TIPMAN_TEST_DATA or beside the checkout."""
    data = os.environ.get("TIPMAN_TEST_DATA")
    return (Path(data) if data else _ROOT.parent / "shared" / "data") / "wfinstances"


def main() -> int:
    """Run every trace; return 1 when one of them was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale-s", type=float, default=10.0)
    parser.add_argument("--json", action="store_true", help="one JSON line a trace")
    parser.add_argument("--data", type=Path, help="where the databases are put")
    options = parser.parse_args()
    folder = folder_of_traces()
    if not folder.is_dir():
        print(f"skipped: there are no traces in {folder}; TIPMAN_TEST_DATA says where")
        return 0
    holds = True
    for words, way in WAYS.items():
        cost_s = node_cost_s(way, options.data)
        if not options.json:
            print(f"{words}, {cost_s * 1e3:.2f} ms a node", flush=True)
        for path in sorted(folder.glob("*.json")):
            trace = read(path).scaled(options.scale_s)
            compared = {"way": words, **compare(trace, way, cost_s, options.data)}
            print(json.dumps(compared) if options.json else line(compared), flush=True)
            holds = holds and compared["holds"]
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
