"""The engine's end of the line to the nursery: starts it, speaks to it, hears it die."""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tipman.bundle import is_frozen, rerun_environment
from tipman.executors.channel import LINE_BYTES_MAX, Channel
from tipman.executors.descendants import IGNORED_SIGNALS, widest_reach

Hear = Callable[[int, dict[str, Any]], None]
"""Called with a keeper's number and its message, from the link's thread."""


class MessageTooLongError(Exception):
    """The nursery would take who says so much for broken."""


def nursery_command(arguments: list[str]) -> list[str]:
    """Return the command that runs the nursery; a frozen program runs itself."""
    if is_frozen():
        return [sys.executable, "--nursery", *arguments]
    # Isolated, without site packages and without writing byte code: small, and nobody's own.
    program = Path(__file__).with_name("bootstrap.py")
    return [sys.executable, "-I", "-S", "-E", "-B", str(program), *arguments]


class NurseryLink:
    """One nursery and the thread that listens to it.

    `on_death` is called once, from that thread, when the nursery dies though nobody closed it.
    """

    def __init__(self, hear: Hear, on_death: Callable[[str], None], *, reach: str | None) -> None:
        self._hear = hear
        self._on_death = on_death
        self._reach = reach or widest_reach()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._thread: threading.Thread | None = None
        self._wake_reading, self._wake_writing = -1, -1
        self._closing = False

    @property
    def pid(self) -> int | None:
        """The nursery's process id while it is open."""
        return None if self._process is None else self._process.pid

    def open(self) -> None:
        """Start the nursery, if it was not started yet.

        Raises:
            OSError: the system starts no further process.
        """
        with self._lock:
            if self._thread is None and not self._closing:
                self._start()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        # The nursery ignores these, but not from its first instant on.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, IGNORED_SIGNALS)
        try:
            descriptor = theirs.fileno()
            arguments = [str(descriptor), str(os.getpid()), self._reach]
            process = subprocess.Popen(  # noqa: S603 - our own program
                nursery_command(arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
                env=_nursery_environment(),
                start_new_session=True,
                pass_fds=(descriptor,),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            theirs.close()
        self._process, self._channel = process, Channel(ours.detach())
        self._wake_reading, self._wake_writing = os.pipe()
        os.set_blocking(self._wake_writing, False)
        self._thread = threading.Thread(
            target=self._listen, args=(process, self._channel), name="tipman-nursery", daemon=True
        )
        self._thread.start()

    def start_keeper(self, number: int, message: Mapping[str, Any]) -> None:
        """Have keeper *number* forked, a number never used before, and give it its message.

        Raises:
            MessageTooLongError: nothing was sent.
        """
        self._send(f"+{number} {json.dumps(message)}")

    def tell_keeper(self, number: int, message: Mapping[str, Any]) -> None:
        """Give a keeper a further message; one that has ended never sees it.

        Raises:
            MessageTooLongError: nothing was sent.
        """
        self._send(f">{number} {json.dumps(message)}")

    def let_go(self, number: int) -> None:
        """Have a keeper end, with all that it keeps."""
        self._send(f"-{number}")

    def _send(self, text: str) -> None:
        line = text.encode()
        if len(line) > LINE_BYTES_MAX:
            raise MessageTooLongError
        with self._lock:
            if self._closing or self._channel is None:
                return
            self._channel.send(line)
            if self._channel.waiting:
                # A full pipe wakes the thread as well.
                with suppress(BlockingIOError):
                    os.write(self._wake_writing, b"w")

    def close(self) -> None:
        """Have everything killed; returns at once, `join` waits until it is done."""
        with self._lock:
            self._closing = True
            if self._channel is not None:
                _shut_down(self._channel.descriptor)

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until the nursery is gone and all is freed; tell whether it is."""
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _listen(self, process: "subprocess.Popen[bytes]", channel: Channel) -> None:
        try:
            self._pass_lines(channel)
        finally:
            # Closing our end makes a nursery that still lives end all and go.
            self._free(channel)
            exit_code = process.wait()
            if not self._closing:
                how = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
                self._on_death(f"the nursery (process {process.pid}) is gone: {how}")

    def _pass_lines(self, channel: Channel) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_reading, selectors.EVENT_READ)
            selector.register(channel.descriptor, selectors.EVENT_READ)
            while not channel.ended:
                ready = {key.fd for key, _ in selector.select()}
                if self._wake_reading in ready:
                    os.read(self._wake_reading, 4096)
                with self._lock:
                    channel.flush()
                    writing = selectors.EVENT_WRITE if channel.waiting else 0
                selector.modify(channel.descriptor, selectors.EVENT_READ | writing)
                for line in channel.receive():
                    number, _, message = line.partition(b" ")
                    self._hear(int(number), json.loads(message))

    def _free(self, channel: Channel) -> None:
        with self._lock:
            self._channel = None
            _shut_down(channel.descriptor)
            channel.close()
            os.close(self._wake_reading)
            os.close(self._wake_writing)


def _shut_down(descriptor: int) -> None:
    """End the connection for every process that holds the descriptor, forks of ours included."""
    end = socket.socket(fileno=descriptor)
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.detach()


def _nursery_environment() -> dict[str, str]:
    # Python itself may need it; nothing else is passed.
    name = "LD_LIBRARY_PATH"
    return rerun_environment({name: os.environ[name]} if name in os.environ else {})
