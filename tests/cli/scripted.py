"""A server that follows a script: it answers, drops, stalls and lies as a test wants."""

import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Self

PATIENCE_S = 20


class Exchange:
    """One connection, as the script sees it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._stream = connection.makefile("rb")

    def read(self) -> tuple[str, dict[str, str], bytes]:
        """Return request line, headers in small letters and body; the line is empty at the end."""
        line = self._stream.readline().decode().strip()
        headers = {}
        while header := self._stream.readline().decode("latin-1").strip():
            name, _, value = header.partition(": ")
            headers[name.lower()] = value
        return line, headers, self._stream.read(int(headers.get("content-length", 0)))

    def answer(self, body: bytes, status: str = "200 OK", **headers: str) -> None:
        """Send a whole answer."""
        headers = {"Content_Type": "application/json", **headers}
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head = "\r\n".join([f"HTTP/1.1 {status}", *lines, f"Content-Length: {len(body)}"])
        self.send(head.encode() + b"\r\n\r\n" + body)

    def begin_stream(self) -> None:
        """Send the head of a stream."""
        self.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )

    def chunk(self, data: bytes) -> None:
        """Send a part of a stream, the last one being empty."""
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.connection.sendall(data)

    def drop(self) -> None:
        """Close the connection, as a server that dies does."""
        self.connection.shutdown(socket.SHUT_RDWR)


Scene = Callable[[Exchange], Any]


class ScriptedServer:
    """Plays a scene for each connection, in order; then it takes no more.

    If it is not patient, scenes that nobody came to see by the end of the test are left out.
    """

    def __init__(self, *scenes: Scene, is_patient: bool = True) -> None:
        self._is_patient = is_patient
        self._scenes: Sequence[Scene] = scenes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE_S)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._play, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_patient:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        self._listener.close()
        assert not self._errors, self._errors

    def _play(self) -> None:
        try:
            for number, scene in enumerate(self._scenes, 1):
                try:
                    connection, _ = self._listener.accept()
                except OSError:
                    if self._is_patient:
                        raise
                    return
                if number == len(self._scenes):
                    self._listener.close()
                connection.settimeout(PATIENCE_S)
                with connection:
                    scene(Exchange(connection))
        except BaseException as error:  # noqa: BLE001 - shown where the test can see it
            self._errors.append(error)
