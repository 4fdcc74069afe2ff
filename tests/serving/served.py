"""A server as its clients have it, run by a thread of the test's own process."""

import asyncio
import http.client
import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tipman.executors.functions import Registry
from tipman.runtime import Engine
from tipman.settings import Settings
from tipman_api.serve import ServeOptions, Service, listen, url_of

PATIENCE_S = 30


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Served:
    """An engine and its server; `stop` ends them, `start` begins anew on the same home."""

    def __init__(self, home, *, tasks=None, options=None, **settings):
        defaults = {"drain_s": 5.0, "grace_s": 1.0}
        self.settings = Settings(home=home, port=0, **{**defaults, **settings})
        self.options = options or ServeOptions(has_auth=False)
        self.tasks = tasks if tasks is not None else Registry()
        self.service = self.engine = self._thread = None
        self.failure = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self.engine = Engine(settings=self.settings, tasks=self.tasks)
        self.engine.open()
        listener = listen(self.settings.host, self.settings.port)
        self.url = url_of(listener)
        self.service = Service(self.engine, self.options)
        started = threading.Event()
        self._thread = threading.Thread(target=self._live, args=(listener, started))
        self._thread.start()
        assert started.wait(PATIENCE_S)
        if self.failure is not None:
            raise self.failure

    def _live(self, listener, started):
        try:
            asyncio.run(self.service.live(listener, started.set))
        except BaseException as error:  # noqa: BLE001 - told where it is waited for
            self.failure = error
        finally:
            started.set()

    def ask_to_stop(self):
        """Begin to stop, as a signal does; asked twice, at once."""
        self.service.stop()

    def wait_for_the_end(self):
        """Wait until it has ended by itself."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the server did not end"
        self._thread = None

    def stop(self):
        if self._thread is not None:
            with suppress(RuntimeError):
                self.service.stop()
            self._thread.join(PATIENCE_S)
            assert not self._thread.is_alive(), "the server did not end"
            self._thread = None
        if self.failure is not None:
            raise self.failure

    # As a client.

    def connect(self):
        """A connection that is kept."""
        address = urlsplit(self.url)
        return http.client.HTTPConnection(address.hostname, address.port, timeout=PATIENCE_S)

    def ask(self, method, path, body=None, headers=None, connection=None):
        """Send one request; *body* is bytes, or a value that is sent as JSON."""
        link = connection or self.connect()
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        link.request(method, path, body, headers)
        response = link.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, found, response.read())
        if connection is None:
            link.close()
        return answer

    def get(self, path, **headers):
        return self.ask("GET", path, headers=_headers(headers))

    def post(self, path, body, **headers):
        return self.ask("POST", path, body, headers=_headers(headers))

    def submit(self, type_="sleep", arguments=None, **fields):
        """Submit a task and return it as it is shown."""
        if arguments is None and type_ == "sleep":
            arguments = {"duration_s": 0}
        answer = self.post("/api/v1/tasks", {"type": type_, "arguments": arguments, **fields})
        assert answer.status == 202, answer.body
        return answer.json

    def wait(self, reference, state=None):
        """Wait until a task has settled and return it."""
        handle = self.engine.find(reference).wait(PATIENCE_S)
        shown = self.get(handle.uri).json
        if state is not None:
            assert shown["state"] == state, shown
        return shown


def _headers(named):
    return {name.replace("_", "-"): value for name, value in named.items()}
