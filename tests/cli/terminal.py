"""A terminal: what a program shows on one, keys pressed included."""

import os
import pty
import select
import subprocess
import sys

from cli.program import PATIENCE_S


class Terminal:
    """Runs a program on a terminal of its own."""

    def __init__(self, folder, *arguments, columns=80, **variables):
        self._ours, theirs = pty.openpty()
        kept = {name: value for name, value in os.environ.items() if "TIPMAN" not in name}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tipman_api", *map(str, arguments)],
            cwd=folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**kept, "TERM": "xterm", "COLUMNS": str(columns), "LINES": "24", **variables},
            start_new_session=True,
            preexec_fn=_control,  # noqa: PLW1509 - no thread of this process holds a lock here
        )
        os.close(theirs)
        self.shown = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE_S)
        os.close(self._ours)

    def until(self, words):
        """Read until these words were shown."""
        while words not in self.shown:
            data = self._read()
            assert data, f"no {words!r}: {self.shown!r}"
            self.shown += data

    def more(self):
        """Read what is shown next."""
        data = self._read()
        assert data, f"it shows no more: {self.shown!r}"
        self.shown += data

    def press(self, keys):
        """Press keys."""
        os.write(self._ours, keys.encode())

    def end(self):
        """Read to the end; return the exit code."""
        while data := self._read():
            self.shown += data
        return self.process.wait(PATIENCE_S)

    def _read(self):
        is_ready = select.select([self._ours], [], [], PATIENCE_S)[0]
        assert is_ready, f"it neither says more nor ends: {self.shown!r}"
        try:
            return os.read(self._ours, 65536).decode("utf-8", "replace")
        except OSError:
            # How Linux says that nobody has the other end.
            return ""


def _control():
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
