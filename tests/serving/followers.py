"""Clients that follow a stream: they read what arrives, and break off where a test says."""

import http.client
import json
from typing import NamedTuple
from urllib.parse import urlsplit

PATIENCE_S = 30
EVENT_STREAM = "text/event-stream"


class Message(NamedTuple):
    """One message as it arrived."""

    id: str
    name: str
    data: str

    @property
    def json(self):
        return json.loads(self.data)


class Stream:
    """One open answer."""

    def __init__(self, url, path, headers=None):
        address = urlsplit(url)
        self._link = http.client.HTTPConnection(address.hostname, address.port, timeout=PATIENCE_S)
        self._link.request("GET", path, headers={"Accept": EVENT_STREAM, **(headers or {})})
        self.response = self._link.getresponse()
        self.last_id = ""
        self.comments = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def status(self):
        return self.response.status

    def header(self, name):
        return self.response.getheader(name)

    def messages(self):
        """Yield messages until the server ends the stream."""
        name, data = "", []
        for raw in self.response:
            line = raw.decode().removesuffix("\n")
            field, _, value = line.partition(": ")
            match field:
                case "id":
                    self.last_id = value
                case "event":
                    name = value
                case "data":
                    data.append(value)
                case "" if line:
                    self.comments += 1
                case "":
                    if data:
                        yield Message(self.last_id, name, "\n".join(data))
                    name, data = "", []

    def take(self, count):
        """Return the next messages."""
        source = self.messages()
        return [next(source) for _ in range(count)]

    def until(self, name):
        """Return the messages up to the first with this name."""
        found = []
        for message in self.messages():
            found.append(message)
            if message.name == name:
                break
        return found

    def close(self):
        self.response.close()
        self._link.close()


def follow(served, path, *, last_id=None, **headers):
    """Open a stream."""
    if last_id is not None:
        headers["Last-Event-ID"] = last_id
    return Stream(served.url, path, headers)
