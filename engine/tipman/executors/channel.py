"""Lines of bytes over a descriptor that never blocks, buffered each way.

The engine, the nursery, the keepers and the interpreters speak over such channels. Standard
library only: the nursery imports it.
"""

import os
import select

LINE_BYTES_MAX = 256 * 1024 * 1024
"""A peer that sends a longer line is taken for broken: `ended` becomes true."""

_CHUNK = 262_144


class Channel:
    """One end of a stream socket; it owns the descriptor."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.ended = False
        self._outgoing = bytearray()
        self._incoming = bytearray()

    @property
    def waiting(self) -> bool:
        """True while bytes wait until the peer reads; call `flush` when it can be written."""
        return bool(self._outgoing)

    def send(self, line: bytes) -> None:
        """Send *line*, which holds no newline, now or with a later `flush`, in order."""
        self._outgoing += line
        self._outgoing += b"\n"
        self.flush()

    def flush(self) -> None:
        """Write what the peer takes now; what is meant for a dead peer is dropped."""
        try:
            while self._outgoing:
                sent = os.write(self.descriptor, self._outgoing)
                del self._outgoing[:sent]
        except BlockingIOError:
            return
        except OSError:
            # EPIPE or ECONNRESET: reading tells the end, after what the peer still said.
            self._outgoing.clear()

    def flush_all(self) -> None:
        """Wait until the peer has taken everything, or is dead."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLOUT)
        while self._outgoing:
            poll.poll()
            self.flush()

    def receive(self) -> list[bytes]:
        """Return the whole lines that are there; `ended` tells that none will follow.

        ECONNRESET is an end as much as an empty read: a socket whose peer died with unread data
        says that.
        """
        lines: list[bytes] = []
        while not self.ended:
            try:
                chunk = os.read(self.descriptor, _CHUNK)
            except BlockingIOError:
                break
            except OSError:
                chunk = b""
            if not chunk or len(self._incoming) > LINE_BYTES_MAX:
                self.ended = True
                break
            self._incoming += chunk
            if b"\n" in chunk:
                *whole, rest = bytes(self._incoming).split(b"\n")
                lines += whole
                self._incoming = bytearray(rest)
        return lines

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)
