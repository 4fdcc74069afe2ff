"""Schedules of the frozen program under a wall clock that is set, and a kill in between."""

import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from executors.house import eventually
from schedule_simulation.checker import check
from schedule_simulation.evidence import Setback, evidence_of
from tipman.database import Database

pytestmark = [pytest.mark.binary, pytest.mark.timeout(900)]

SOURCE = Path(__file__).with_name("wall.c")
OVERLAPS = ("skip", "queue_one", "latest", "allow", "cancel_running")
SCHEDULES = 20
_LAST = "SELECT min(started_at) FROM instance WHERE kind = 'schedule'"
HOUR_S = 3_600
DAY_S = 86_400


class Wall:
    """The wall clock as the program sees it."""

    def __init__(self, folder):
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler to fake a clock with")
        library = folder / "wall.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SOURCE], check=True)
        self._file = folder / "wall"
        self._offset_s = 0
        self.set(0)
        self.variables = {"LD_PRELOAD": str(library), "TIPMAN_TEST_WALL": str(self._file)}

    def set(self, offset_s):
        """Set it to so many seconds from the right time."""
        self._offset_s = offset_s
        new = self._file.with_suffix(".new")
        new.write_text(str(offset_s))
        new.replace(self._file)

    def now_us(self):
        return time.time_ns() // 1_000 + self._offset_s * 1_000_000


def fetched(database, query):
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchone()[0]


def created(server, number):
    given = {
        "key": f"s{number}",
        "every_s": 1,
        "overlap": OVERLAPS[number % len(OVERLAPS)],
        "task": {"type": "sleep", "arguments": {"duration_s": 0.3 * (number % 7)}},
    }
    status, answer = server.ask("POST", "/api/v1/schedules", given)
    assert status == 201, answer


def test_a_clock_that_is_set_and_a_kill_lose_and_double_nothing(one_file, tmp_path):
    wall, file = Wall(tmp_path), one_file.folder / ".tipman" / "tipman.db"

    def until_decided():
        instant = wall.now_us()
        eventually(lambda: fetched(file, _LAST) >= instant)

    with one_file.serving(**wall.variables) as server:
        for number in range(SCHEDULES):
            created(server, number)
        until_decided()
        wall.set(HOUR_S)
        until_decided()
        wall.set(HOUR_S // 2)
        position = fetched(file, "SELECT max(position) FROM log_entry")
        jumps = "SELECT count(*) FROM log_entry WHERE name = 'clock.jumped'"
        eventually(lambda: fetched(file, jumps) == 2)
        for process in server.everything():
            process.kill()
    wall.set(DAY_S)
    with one_file.serving(**wall.variables) as server:
        until_decided()
        ended = wall.now_us()
        until_decided()
        server.press_ctrl_c()

    with closing(Database(f"sqlite:///{file}")) as database:
        database.open()
        setback = Setback(position, HOUR_S // 2 * 1_000_000)
        check(evidence_of(database), ended, setbacks=[setback])
