"""Discovery: how commands find the server that runs on a home directory.

A file in the home says where it serves. The server holds a lock on that file as long as it lives,
so what a dead one left behind is not believed: somebody else may have its port by then, and would
be sent the token.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

FILE = "serve.json"
_BYTES_MAX = 4096


class Server(NamedTuple):
    """A server that lives: its address (`http://127.0.0.1:8000`) and its process."""

    url: str
    pid: int


def find_server(home: Path) -> Server | None:
    """Return the living server of a home, None when there is none."""
    try:
        descriptor = os.open(home / FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        said = json.loads(os.pread(descriptor, _BYTES_MAX, 0))
        return Server(said["url"], said["pid"])
    else:
        # Nobody holds it: its server has died.
        return None
    finally:
        os.close(descriptor)


@contextmanager
def announced(home: Path, url: str) -> Iterator[None]:
    """Let commands find this process while the block lasts."""
    path, draft = home / FILE, home / f"{FILE}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(draft, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, json.dumps({"url": url, "pid": os.getpid()}).encode())
        # Locked and whole before it can be seen.
        draft.replace(path)
        yield
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
        if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
            path.unlink()
        os.close(descriptor)
