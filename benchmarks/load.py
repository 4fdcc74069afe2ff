"""Load: many keep-alive clients in one process, each asking again as soon as it is answered.

Raw sockets and one `epoll`: what the clients take of the machine, the server does not get. What to
ask comes as JSON on standard input, what came of it goes to standard output.
"""

import json
import select
import socket
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from metering import percentile

_RECEIVE_BYTES = 256 * 1024
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length: "
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Question:
    """One request."""

    method: str
    path: str
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self, port: int) -> bytes:
        """Return it as it is sent."""
        body = self.body.encode()
        headers = {"host": f"127.0.0.1:{port}", **self.headers}
        if body:
            headers |= {"content-type": "application/json", "content-length": str(len(body))}
        lines = [f"{self.method} {self.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True)
class Plan:
    """What is asked: the questions by turns, *count* times in all, by so many clients at once."""

    port: int
    questions: list[Question]
    count: int
    clients: int = 1
    status: int = 200
    """What every answer must have."""


class _Client:
    """A connection and what has come of the answer that it waits for."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.asked_at = 0.0

    def has_whole_answer(self, status: bytes) -> bool:
        """Receive what is there; tell whether the answer is complete.

        Raises:
            ValueError: it has another status, or the server has hung up.
        """
        more = self.socket.recv(_RECEIVE_BYTES)
        data = self.received = self.received + more if self.received else more
        end = data.find(_HEAD_END)
        if not more or (end >= 0 and data[9:12] != status):
            raise ValueError(f"not answered with {status!r}: {data[:2000]!r}")
        at = data.find(_LENGTH, 0, end + 2)
        if end < 0 or at < 0:
            return False
        at += len(_LENGTH)
        if len(data) < end + len(_HEAD_END) + int(data[at : data.find(b"\r", at)]):
            return False
        self.received = b""
        return True


def run(plan: Plan) -> dict[str, float]:
    """Ask all of it and return rates; latencies in milliseconds."""
    clients = [_Client(plan.port) for _ in range(min(plan.clients, plan.count))]
    by_number = {client.socket.fileno(): client for client in clients}
    sent = [question.encoded(plan.port) for question in plan.questions]
    poll = select.epoll()
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    cpu_s, began = time.process_time(), time.perf_counter()
    latencies = _play(plan, poll, by_number, sent)
    wall_s = time.perf_counter() - began
    cpu_s = time.process_time() - cpu_s
    poll.close()
    for client in clients:
        client.socket.close()
    return {
        "requests": plan.count,
        "wall_s": wall_s,
        "requests_per_s": plan.count / wall_s,
        "latency_p50_ms": percentile(latencies, 50) * 1e3,
        "latency_p99_ms": percentile(latencies, 99) * 1e3,
        "load_cpu_share": cpu_s / wall_s,
    }


def _play(
    plan: Plan, poll: select.epoll, clients: dict[int, _Client], sent: list[bytes]
) -> list[float]:
    """Return how long each answer took, in seconds."""
    status = str(plan.status).encode()
    clock = time.perf_counter
    latencies: list[float] = []
    asked = 0
    for client in clients.values():
        client.asked_at = clock()
        client.socket.sendall(sent[asked % len(sent)])
        asked += 1
    while len(latencies) < plan.count:
        ready = poll.poll(_TIMEOUT_S)
        if not ready:
            raise TimeoutError(f"nothing was answered for {_TIMEOUT_S} s")
        for number, _ in ready:
            client = clients[number]
            if not client.has_whole_answer(status):
                continue
            now = clock()
            latencies.append(now - client.asked_at)
            if asked < plan.count:
                client.asked_at = now
                client.socket.sendall(sent[asked % len(sent)])
                asked += 1
    return latencies


def plan_text(plan: Plan) -> str:
    """Return a plan as standard input has it."""
    return json.dumps(asdict(plan))


def _plan_of(text: str) -> Plan:
    given: dict[str, Any] = json.loads(text)
    questions = [Question(**question) for question in given.pop("questions")]
    return Plan(questions=questions, **given)


if __name__ == "__main__":
    print(json.dumps(run(_plan_of(sys.stdin.read()))))
