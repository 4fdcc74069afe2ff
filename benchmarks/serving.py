"""Our server and peers of it: one scenario a run, one JSON line of what it took."""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import servers
from history import TEMPLATE_TASKS, multiply
from load import Plan, Question, plan_text
from metering import emit
from servers import Server

_HERE = Path(__file__).resolve().parent
_TASKS = "/api/v1/tasks"
_NOOP = {"type": "inline", "arguments": {"task": "noop", "args": {"i": 1}}}
_IN_FORCE = {"type": "inline", "arguments": {"task": "in_force"}}
WARM_UP = 500
READ_TASKS = 500
"""So many different tasks are read by turns."""
LISTED = 500
LISTS = {
    "list": f"{_TASKS}?limit=100",
    "list_succeeded": f"{_TASKS}?limit=100&state=succeeded",
    "list_open": f"{_TASKS}?limit=100&state=queued",
}
_LOAD_TIMEOUT_S = 300
Readings = dict[str, Any]


def post(options: argparse.Namespace, folder: Path) -> Readings:
    """Post tasks, each answered when it is on disk."""
    with _server(options, folder) as server:
        question = Question("POST", _TASKS, json.dumps(_NOOP), server.headers)
        readings = _loaded(server, [question], options, status=202)
        return {**readings, **_durability(options, server)}


def get(options: argparse.Namespace, folder: Path) -> Readings:
    """Read tasks that have settled."""
    with _server(options, folder) as server:
        paths = [f"{_TASKS}/any"]
        if options.server == "ours":
            paths = [_submitted(server, _NOOP)["uri"] for _ in range(READ_TASKS)]
        questions = [Question("GET", path, headers=server.headers) for path in paths]
        return {**_loaded(server, questions, options, status=200), **_durability(options, server)}


def start(options: argparse.Namespace, folder: Path) -> Readings:
    """Start on an empty folder, and again on what that left, so many times."""
    first, again = [], []
    for number in range(options.count):
        home = folder / str(number)
        for taken in (first, again):
            with servers.running(_command(options, home), home) as server:
                taken.append(server.start_s)
    readings = {"first_start_s": median(first), "start_s": median(again)}
    if options.server == "program":
        readings["program_mb"] = servers.PROGRAM.stat().st_size / 1e6
    return readings


def history(options: argparse.Namespace, folder: Path) -> Readings:
    """Post, and list, with so many settled tasks in the file."""
    home = folder / "home"
    _make_history(options, home)
    size_mib = (home / "tipman.db").stat().st_size / 2**20
    with _server(options, folder) as server:
        question = Question("POST", _TASKS, json.dumps(_NOOP), server.headers)
        posted = _loaded(server, [question], options, status=202)
        listed = {
            f"{name}_p50_ms": _listed(server, path)["latency_p50_ms"]
            for name, path in LISTS.items()
        }
        return {
            "post_per_s": posted["requests_per_s"],
            **listed,
            "server_rss_mib": server.rss_mib(),
            "start_s": server.start_s,
            "file_mib": size_mib,
            **_durability(options, server),
        }


def _make_history(options: argparse.Namespace, home: Path) -> None:
    """Leave a database with `options.rows` tasks, all settled."""
    with servers.running(servers.ours(home), home) as server:
        batch = json.dumps({"tasks": [_NOOP] * TEMPLATE_TASKS})
        with server.ask("POST", f"{_TASKS}/batch", batch) as answer:
            items = json.load(answer)["items"]
        # Tasks of a queue start in order, so when this one has settled none is left waiting.
        _submitted(server, {**_NOOP, "dependencies": [item["id"] for item in items]})
    multiply(home / "tipman.db", options.rows // TEMPLATE_TASKS)


def _listed(server: Server, path: str) -> Mapping[str, float]:
    question = Question("GET", path, headers=server.headers)
    return _ask_all(Plan(server.port, [question], LISTED))


def _loaded(
    server: Server, questions: list[Question], options: argparse.Namespace, *, status: int
) -> Readings:
    """Return what the clients saw and the server took."""
    _ask_all(Plan(server.port, questions, WARM_UP, options.clients, status))
    cpu_s = server.cpu_s()
    readings = _ask_all(Plan(server.port, questions, options.count, options.clients, status))
    cpu_us = (server.cpu_s() - cpu_s) / options.count * 1e6
    return {**readings, "cpu_us_per_request": cpu_us, "server_rss_mib": server.rss_mib()}


def _ask_all(plan: Plan) -> Mapping[str, float]:
    ended = subprocess.run(
        [sys.executable, "-m", "load"],
        cwd=_HERE,
        input=plan_text(plan),
        stdout=subprocess.PIPE,
        text=True,
        timeout=_LOAD_TIMEOUT_S,
        check=True,
    )
    read: Mapping[str, float] = json.loads(ended.stdout)
    return read


def _submitted(server: Server, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a task once it has succeeded."""
    with server.ask("POST", _TASKS, json.dumps(task), {"prefer": "wait=10"}) as answer:
        read: Mapping[str, Any] = json.load(answer)
    assert read["state"] == "succeeded", read
    return read


def _durability(options: argparse.Namespace, server: Server) -> Readings:
    if options.server != "ours":
        return {}
    return {"durability": _submitted(server, _IN_FORCE)["result"]}


@contextmanager
def _server(options: argparse.Namespace, folder: Path) -> Iterator[Server]:
    home = folder / "home"
    variables = {"TIPMAN_DURABILITY": options.durability}
    with servers.running(_command(options, home), home, **variables) as server:
        yield server


def _command(options: argparse.Namespace, home: Path) -> list[str]:
    commands: Mapping[str, Callable[[], list[str]]] = {
        "ours": lambda: servers.ours(home),
        "program": lambda: servers.program(home),
        "bare": lambda: servers.peer("bare", home),
        "empty": lambda: servers.peer("empty", home),
        "guarded": lambda: servers.peer("empty", home, "--guarded"),
    }
    return commands[options.server]()


def main() -> None:
    """Run one scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    scenarios = {"post": post, "get": get, "start": start, "history": history}
    parser.add_argument("scenario", choices=scenarios)
    chosen = ["ours", "empty", "guarded", "bare", "program"]
    parser.add_argument("--server", choices=chosen, default="ours")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=TEMPLATE_TASKS)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--durability", choices=["full", "normal"], default="full")
    options = parser.parse_args()
    with TemporaryDirectory(dir=options.data) as folder:
        readings = scenarios[options.scenario](options, Path(folder))
    peer = {"ours": "tipman serve"}.get(options.server, options.server)
    emit(peer, "tipman", clients=options.clients, **readings)


if __name__ == "__main__":
    main()
