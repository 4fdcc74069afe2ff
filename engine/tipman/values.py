"""Large values: JSON texts that stand in files, by the hash of what is in them, not in rows.

A row keeps a reference, which is no JSON, so that no value is ever taken for one. The file is on
the disk before the row is committed; the same content stands there once. Only beside a SQLite
database: another may be reached from machines that do not see its files, and keeps texts itself.
"""

import os
import uuid
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from threading import Lock

from tipman.errors import DatabaseError

LARGE = 65_536
"""Characters from which on a text stands in a file."""
MARK = "@sha256:"
"""How a reference begins."""
_HEX = 64


class Values:
    """The folder of one database's large values; without a folder every text stays in its row."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._recent: set[str] = set()
        self._older: set[str] = set()
        self._lock = Lock()

    def kept(self, text: str) -> str:
        """Return what a row keeps: the text, or a reference to a file that is on the disk.

        Raises:
            OSError: it can not be written.
        """
        if self._folder is None or len(text) <= LARGE:
            return text
        content = text.encode()
        digest = sha256(content).hexdigest()
        with self._lock:
            # From here on `sweep` leaves it, though no row refers to it yet.
            self._recent.add(MARK + digest)
        path = _place(self._folder, digest)
        if not path.exists():
            _write(path, content)
        return MARK + digest

    def whole(self, text: str) -> str:
        """Return the text that a row keeps, or the one that it refers to.

        Raises:
            DatabaseError: the file is missing or damaged.
        """
        if self._folder is None or not text.startswith(MARK):
            return text
        digest = text.removeprefix(MARK)
        path = _place(self._folder, digest)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DatabaseError(f"a large value can not be read: {path}: {error}") from error
        if sha256(content).hexdigest() != digest:
            raise DatabaseError(f"a large value is damaged: {path}")
        return content.decode()

    def references(self) -> Iterator[str]:
        """Yield a reference to every file that there is."""
        if self._folder is not None and self._folder.is_dir():
            for path in self._folder.glob("??/*"):
                if len(path.name) == _HEX:
                    yield MARK + path.name

    def remove(self, reference: str) -> bool:
        """Remove a file to which nothing refers; tell whether it is gone.

        It stays if somebody was about to refer to it, since the last turn but one.
        """
        with self._lock:
            if self._folder is None or reference in self._recent or reference in self._older:
                return False
            _place(self._folder, reference.removeprefix(MARK)).unlink(missing_ok=True)
        return True

    def turn(self) -> None:
        """Begin a new turn: what was about to be referred to long ago is by now, or never."""
        with self._lock:
            self._recent, self._older = set(), self._recent


def folder_of(database: Path) -> Path:
    """Return where the large values of a database file are: beside it.

    >>> folder_of(Path("/home/.tipman/tipman.db")), folder_of(Path("/data/x.db"))
    (PosixPath('/home/.tipman/values'), PosixPath('/data/x.values'))
    """
    own = database.name == "tipman.db"
    return database.with_name("values" if own else f"{database.stem}.values")


def _place(folder: Path, digest: str) -> Path:
    return folder / digest[:2] / digest


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is whole whenever it can be seen, and on the disk in the end."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(partial, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
    for above in (path.parent, path.parent.parent, path.parent.parent.parent):
        _sync(above)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
