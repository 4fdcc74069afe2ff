"""Those who follow the event log: what they get a second, what that costs, and how late it is.

One scenario a run, one JSON line. The clients read raw bytes in this process, so that the server
is what is measured.
"""

import argparse
import json
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import servers
from metering import emit, percentile
from servers import Server

_TASKS = "/api/v1/tasks"
_EVENTS = "/api/v1/events"
_NOOP = {"type": "inline", "arguments": {"task": "noop", "args": {"i": 1}}}
_WAIT = {"type": "wait"}
_MARK = b"\ndata: "
_READ_BYTES = 262_144
_TIMEOUT_S = 120
BATCH = 500
Readings = dict[str, Any]


class Audience:
    """Clients that follow all events and count them."""

    def __init__(self, server: Server, clients: int) -> None:
        self._selector = selectors.DefaultSelector()
        self.counts = [0] * clients
        self._ends = [b""] * clients
        self.received_bytes = 0
        for number in range(clients):
            link = _followed(server)
            self._selector.register(link, selectors.EVENT_READ, number)

    def count_to(self, events: int) -> None:
        """Return when everybody has got so many events."""
        deadline = time.perf_counter() + _TIMEOUT_S
        missing = len(self.counts)
        while missing:
            if time.perf_counter() > deadline:
                raise TimeoutError(f"only {min(self.counts)} of {events} events arrived")
            for key, _ in self._selector.select(1.0):
                before = self.counts[key.data]
                self._take(key.fileobj, key.data)  # type: ignore[arg-type] # sockets alone are there
                missing -= before < events <= self.counts[key.data]

    def _take(self, link: socket.socket, number: int) -> None:
        data = link.recv(_READ_BYTES)
        if not data:
            raise ConnectionError("the server ended a stream")
        self.received_bytes += len(data)
        text = self._ends[number] + data
        self.counts[number] += text.count(_MARK)
        # A mark may stand across two reads.
        self._ends[number] = text[-len(_MARK) + 1 :]


def throughput(options: argparse.Namespace, server: Server) -> Readings:
    """Submit tasks in batches while so many clients follow; 0 clients for what it is without."""
    tasks = options.count
    per_task = _events_of_a_task(server)
    audience = Audience(server, options.clients)
    cpu_s, begun = server.cpu_s(), time.perf_counter()
    submitting = threading.Thread(target=_submit, args=(server, tasks))
    submitting.start()
    audience.count_to(tasks * per_task)
    submitting.join()
    _await_settled(server)
    wall_s = time.perf_counter() - begun
    events = tasks * per_task
    return {
        "events": events,
        "events_per_s": events / wall_s,
        "delivered_per_s": events * options.clients / wall_s,
        "cpu_us_per_event": (server.cpu_s() - cpu_s) / events * 1e6,
        "bytes_per_event": audience.received_bytes / max(events * options.clients, 1),
        "server_rss_mib": server.rss_mib(),
    }


def latency(options: argparse.Namespace, server: Server) -> Readings:
    """Submit one task after the other; say how long after its request each is heard of.

    `posted` is when the submitter has its answer, which comes after the commit, too.
    """
    link = _followed(server)
    heard, posted = [], []
    for _ in range(options.count):
        begun = time.perf_counter()
        arrived: list[float] = []
        listening = threading.Thread(target=_hear, args=(link, arrived))
        listening.start()
        server.ask("POST", _TASKS, json.dumps(_WAIT)).read()
        posted.append(time.perf_counter() - begun)
        listening.join()
        heard.append(arrived[0] - begun)
    link.close()
    both = {"heard": heard, "posted": posted}
    return {
        f"{name}_p{percent}_ms": percentile(values, percent) * 1e3
        for name, values in both.items()
        for percent in (50, 99)
    }


def _hear(link: socket.socket, arrived: list[float]) -> None:
    data = b""
    while _MARK not in data:
        data += link.recv(_READ_BYTES)
    arrived.append(time.perf_counter())


def _followed(server: Server) -> socket.socket:
    """Return a connection on which a stream has begun."""
    link = socket.create_connection(("127.0.0.1", server.port), timeout=_TIMEOUT_S)
    fields = {**server.headers, "host": f"127.0.0.1:{server.port}", "accept": "text/event-stream"}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    link.sendall(f"GET {_EVENTS} HTTP/1.1\r\n{head}\r\n".encode())
    begun = b""
    while b"retry: " not in begun:
        begun += link.recv(_READ_BYTES)
    return link


def _submit(server: Server, tasks: int) -> None:
    body = json.dumps({"tasks": [_NOOP] * BATCH})
    for _ in range(tasks // BATCH):
        server.ask("POST", f"{_TASKS}/batch", body).read()


def _events_of_a_task(server: Server) -> int:
    with server.ask("POST", _TASKS, json.dumps(_NOOP), {"prefer": "wait=10"}) as answer:
        uri = json.load(answer)["uri"]
    with server.ask("GET", f"{uri}/events") as answer:
        return len(json.load(answer)["items"])


def _await_settled(server: Server) -> None:
    # Tasks of a queue start in order, so when this one has settled none is left.
    server.ask("POST", _TASKS, json.dumps(_NOOP), {"prefer": "wait=60"}).read()


@contextmanager
def _server(options: argparse.Namespace, folder: Path) -> Iterator[Server]:
    home = folder / "home"
    variables = {"TIPMAN_DURABILITY": options.durability, "TIPMAN_STREAMS_MAX": "1000"}
    with servers.running(servers.ours(home), home, **variables) as server:
        yield server


def main() -> None:
    """Run one scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    scenarios = {"throughput": throughput, "latency": latency}
    parser.add_argument("scenario", choices=scenarios)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--durability", choices=["full", "normal"], default="full")
    options = parser.parse_args()
    with (
        TemporaryDirectory(dir=options.data) as folder,
        _server(options, Path(folder)) as server,
    ):
        readings = scenarios[options.scenario](options, server)
    emit("ours", "tipman", clients=options.clients, **readings)


if __name__ == "__main__":
    main()
