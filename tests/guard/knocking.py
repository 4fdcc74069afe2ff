"""Knocking: a hostile request goes out on a raw socket, and what comes back is read."""

import json
import re
import select
import socket
from typing import NamedTuple

LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
PACE_S = 0.1
"""Between two pieces; an answer ends the wait."""
PATIENCE_S = 10.0
"""When a test gives up; nothing here takes as long."""


class Reply(NamedTuple):
    """What came back; a connection that is closed without an answer has the status 0."""

    status: int
    headers: dict
    body: bytes

    @property
    def problem(self):
        return json.loads(self.body)


class Knocker:
    """Knocks at a port, with the secrets of a house in place of the names of its tokens."""

    def __init__(self, port, secrets=None):
        self.port = port
        self._secrets = [
            (b"Bearer %s\r\n" % name.encode(), b"Bearer %s\r\n" % secret.encode())
            for name, secret in (secrets or {}).items()
        ]

    def __call__(self, *pieces):
        return knock(self.port, *(self._made_out(piece) for piece in pieces))

    def _made_out(self, piece):
        for name, secret in self._secrets:
            piece = piece.replace(name, secret)
        return piece


def knock(port, *pieces):
    """Send piece by piece until something is answered; return that, or how it ends."""
    address = ("127.0.0.1", port)
    with socket.create_connection(address, timeout=PATIENCE_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            if piece is not pieces[0] and select.select([connection], [], [], PACE_S)[0]:
                break
            try:
                connection.sendall(piece.replace(b"PORT", str(port).encode()))
            except ConnectionError:
                break
        return parsed(received(connection, has_body=not pieces[0].startswith(b"HEAD")))


def received(connection, *, has_body):
    data = b""
    while not (is_whole(data) if has_body else data.endswith(b"\r\n\r\n")):
        try:
            part = connection.recv(65_536)
        except ConnectionResetError:
            break
        if not part:
            break
        data += part
    return data


def is_whole(data):
    head, separator, body = data.partition(b"\r\n\r\n")
    length = LENGTH.search(head + b"\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        return is_whole(body)
    if head.startswith(b"HTTP/1.1 204"):
        return bool(separator)
    return bool(separator) and length is not None and len(body) >= int(length[1])


def parsed(data):
    while data.startswith(b"HTTP/1.1 100"):
        data = data.partition(b"\r\n\r\n")[2]
    if not data:
        return Reply(0, {}, b"")
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return Reply(int(first.split()[1]), headers, body)
