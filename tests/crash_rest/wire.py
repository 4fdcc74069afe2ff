"""HTTP as a client needs it here: one connection kept open, JSON both ways, nothing hidden."""

import json
import os
import select
import socket
import threading
from contextlib import suppress

from crash.clients import GoneError
from crash_rest.servers import SAID

PATIENCE_S = 20.0
_API = "/api/v1"
_OPEN = ("waiting", "blocked", "delayed", "queued", "running", "backing_off", "awaiting")
_OK, _REDIRECT, _BROKEN, _UNAVAILABLE = 200, 300, 500, 503


class Address:
    """Where a server says on its pipe that it serves; made before it starts."""

    def __init__(self, folder):
        self._folder = folder
        if not (folder / SAID).exists():
            os.mkfifo(folder / SAID)
        self._pipe = os.open(folder / SAID, os.O_RDONLY | os.O_NONBLOCK)
        self._lock = threading.Lock()
        self._said = b""

    def close(self):
        """Listen no more."""
        os.close(self._pipe)

    def connect(self):
        """Return a connection, once the server has said where it serves.

        Raises:
            GoneError: it has died before, or said nothing for a long time.
        """
        with self._lock:
            while b"\n" not in self._said:
                self._listen()
        port = int(self._said.split(b"\n")[0].rpartition(b":")[2])
        token = self._folder / "token"
        return Connection(port, token.read_text().strip() if token.exists() else None)

    def _listen(self):
        ready, _, _ = select.select([self._pipe], [], [], PATIENCE_S)
        more = os.read(self._pipe, 4096) if ready else b""
        if not more:
            raise GoneError
        self._said += more


class Connection:
    """One connection to a server; a request is answered, or `GoneError` is raised."""

    def __init__(self, port, token):
        self._head = f"host: 127.0.0.1:{port}\r\n"
        if token is not None:
            self._head += f"authorization: Bearer {token}\r\n"
        try:
            self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        except OSError as error:
            raise GoneError from error
        self._lines = self._socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Hang up."""
        with suppress(OSError):
            self._lines.close()
        self._socket.close()

    def request(self, method, path, value=None, **headers):
        """Return status and body of an answer, the body as JSON."""
        body = b"" if value is None else json.dumps(value).encode()
        head = f"{method} {_API}{path} HTTP/1.1\r\n{self._head}"
        if value is not None:
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        head += "".join(f"{name.replace('_', '-')}: {word}\r\n" for name, word in headers.items())
        try:
            self._socket.sendall(f"{head}\r\n".encode() + body)
            return self._answer()
        except OSError as error:
            raise GoneError from error

    def _answer(self):
        status, length = self._line()[9:12], None
        while line := self._line().rstrip():
            name, _, word = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(word)
        body = self._lines.read(length)
        if len(body) < length:
            raise GoneError
        return int(status), json.loads(body)

    def _line(self):
        line = self._lines.readline()
        if not line.endswith(b"\n"):
            raise GoneError
        return line

    # What is asked for, by the words that clients of the driver use.

    def ask(self, do, **request):
        """Return the answer as the driver gives it: `{"ok": …}` or `{"refused": …}`."""
        return getattr(self, f"_{do}")(**request)

    def _submit(self, tasks, repeat):
        headers = {} if repeat is None else {"idempotency_key": repeat}
        if len(tasks) == 1:
            return _said(self.request("POST", "/tasks", tasks[0], **headers), _id)
        return _said(self.request("POST", "/tasks/batch", {"tasks": tasks}, **headers), _ids)

    def _send(self, reference, name, data=None, repeat=None, actor=None):  # noqa: ARG002 - whose token it is says who
        headers = {} if repeat is None else {"idempotency_key": repeat}
        event = {"name": name} if data is None else {"name": name, "data": data}
        return _said(self.request("POST", f"/tasks/{reference}/events", event, **headers), _id)

    def _wait(self, reference, timeout_s):
        headers = {"prefer": f"wait={timeout_s:.3f}"} if timeout_s > 0 else {}
        return _said(self.request("GET", f"/tasks/{reference}", **headers))

    def _explain(self, reference):
        return _said(self.request("GET", f"/tasks/{reference}/explain"))

    def _open(self):
        return {
            "ok": [found for state in (*_OPEN, "suspended") for found in self._in_state(state)]
        }

    def _in_state(self, state):
        after = ""
        while after is not None:
            _, page = self.request("GET", f"/tasks?state={state}&limit=1000{after}")
            yield from ((task["id"], task["state"]) for task in page["items"])
            after = None if page["next"] is None else f"&after={page['next']}"


def _said(answer, read=lambda body: body):
    status, body = answer
    if _OK <= status < _REDIRECT:
        return {"ok": read(body)}
    if status >= _BROKEN and status != _UNAVAILABLE:
        return {"refused": f"{status}: {body}"}
    return {"refused": body["code"], "message": body["detail"]}


def _id(body):
    return [body["id"]]


def _ids(body):
    return [item["id"] for item in body["items"]]
