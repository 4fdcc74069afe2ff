"""What a killed engine left: its rows, read from a copy of the files, and the marks beside them.

A copy, because SQLite would recover the original while it reads, and the next engine is to find
it as the dead one left it.
"""

import json
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tipman.ids import text_of

# Registries have a log and nothing else.
_INSTANCES = "SELECT * FROM instance WHERE kind <> 'registry'"
_LINES = (
    "SELECT l.* FROM log_line AS l JOIN instance AS i ON i.id = l.instance"
    " WHERE i.kind <> 'registry' ORDER BY l.instance, l.sequence"
)


@dataclass
class Evidence:
    """Rows as dictionaries, in order; ids are text."""

    integrity: str
    epoch: int
    """The number of the last start, 0 for none."""
    instances: dict
    tasks: dict
    dependencies: dict
    attempts: dict
    """By task: rows in the order of their numbers."""
    lines: dict
    """By task: log lines in the order of their sequence."""
    kept: dict
    inbox: list
    marks: list
    """`(task, attempt, epoch)`."""


def gather(folder):
    """Return what stands in the folder of an engine that does not run."""
    with tempfile.TemporaryDirectory(prefix="tipman-evidence-") as copy:
        for path in folder.glob("tipman.db*"):
            if path.suffix in {".db", ".db-wal"}:
                shutil.copy2(path, copy)
        with closing(sqlite3.connect(Path(copy) / "tipman.db")) as database:
            database.row_factory = sqlite3.Row
            return _read(database, _marks(folder / "marks"))


def _read(database, marks):
    integrity = database.execute("PRAGMA integrity_check").fetchone()[0]
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'log_line'").fetchone():
        return Evidence(integrity, 0, {}, {}, {}, {}, {}, {}, [], marks)
    instances = {row["id"]: row for row in _rows(database, _INSTANCES)}
    dependencies = {}
    for row in _rows(database, "SELECT * FROM dependency ORDER BY dependent, position"):
        dependencies.setdefault(row["dependent"], []).append(row["dependency"])
    kept = {
        (row["kind"], row["name"]): json.loads(row["value"])
        for row in _rows(database, "SELECT * FROM kept")
    }
    return Evidence(
        integrity=integrity,
        epoch=database.execute("SELECT coalesce(max(number), 0) FROM epoch").fetchone()[0],
        instances=instances,
        tasks={row["id"]: row for row in _rows(database, "SELECT * FROM task")},
        dependencies=dependencies,
        attempts=_grouped(database, "SELECT * FROM attempt ORDER BY instance, number"),
        lines=_grouped(database, _LINES),
        kept=kept,
        inbox=[row["event"] for row in _rows(database, "SELECT * FROM inbox")],
        marks=marks,
    )


def _rows(database, query):
    for row in database.execute(query):
        yield {k: text_of(row[k]) if isinstance(row[k], bytes) else row[k] for k in row.keys()}  # noqa: SIM118 - a Row iterates over values


def _grouped(database, query):
    groups = {}
    for row in _rows(database, query):
        groups.setdefault(row["instance"], []).append(row)
    return groups


def _marks(path):
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    return [(task, int(n), int(epoch)) for task, n, epoch in map(str.split, lines)]
