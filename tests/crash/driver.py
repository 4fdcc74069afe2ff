"""The child: an engine that serves requests over a Unix socket until somebody kills it.

One JSON line a request, one an answer: `{"ok": …}` or `{"refused": code}`. Each connection has a
thread of its own, as clients of a server would.
"""

import faulthandler
import json
import os
import socket
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from crash import aims, sabotage
from crash.tasks import registry_of
from tipman import bus, checkpoints
from tipman.errors import TipmanError
from tipman.ids import text_of
from tipman.runtime import Engine
from tipman.settings import Settings

NOT_STARTED = 3
"""Exit code of a child whose engine did not start; its error stands in the folder's log."""


LOG_PAGES = 60
"""Lives are short: the log of none would ever be long enough to be written back."""
VARIABLE = "TIPMAN_TEST_ORDERS"
"""In whose environment orders stand as JSON, where they can not be handed over."""


@dataclass(frozen=True)
class Orders:
    """What one start is to be."""

    folder: str
    aim: str | None = None
    """Where the child kills itself, see `aims`; None: it waits to be killed."""
    nth: int = 1
    sabotage: str | None = None
    drain_events_max: int | None = None
    durability: str = "full"
    file_bytes_max: int | None = None
    """No file grows beyond this, as on a full disk."""
    republish: bool = True
    """Whether the reports of earlier attempts are sent once more, late."""


class Desk:
    """Answers requests."""

    def __init__(self, engine, tasks, aim):
        self._engine = engine
        self._tasks = tasks
        self._aim = aim

    def serve(self, connection):
        with connection, connection.makefile("rwb") as lines:
            for line in lines:
                lines.write(json.dumps(self._answer(json.loads(line))).encode() + b"\n")
                lines.flush()
                self._aim.passed("acknowledged")

    def _answer(self, request):
        try:
            return {"ok": getattr(self, request.pop("do"))(**request)}
        except TipmanError as error:
            return {"refused": error.code, "message": str(error)}

    def submit(self, tasks, actor):
        return [handle.id for handle in self._engine.submit_batch(tasks, actor=actor)]

    def call(self, task, keys):
        function = self._tasks.get(task)
        handles = [self._engine.submit_nowait(function.options(key=key)) for key in keys]
        return [handle.acknowledged().id for handle in handles]

    def send(self, reference, name, data, actor):
        return self._engine.send(reference, name, data, actor=actor).id

    def wait(self, reference, timeout_s):
        handle = self._engine.find(reference)
        self._engine.wait_settled(handle.identifier, timeout_s)
        return self._engine.task(handle)

    def open(self):
        with self._engine.reading() as database:
            rows = database.fetch("SELECT id, state FROM instance WHERE settled_at IS NULL")
        return [(text_of(bytes(identifier)), state) for identifier, state in rows]

    def explain(self, reference):
        return self._engine.explain(reference)

    def failure(self):
        return None if self._engine.failure is None else str(self._engine.failure)

    def stop(self, drain_s):
        self._aim.enter("close")
        self._engine.close(drain_s=drain_s)


def run(orders, listener):
    """Start an engine and serve; return the exit code."""
    folder = Path(orders.folder)
    aim = aims.Aim(orders.aim, orders.nth)
    prepare(orders, aim)
    settings = Settings(
        home=folder,
        slots=8,
        queues={"narrow": 2},
        grace_s=0.3,
        durability=orders.durability,
    )
    tasks = registry_of(folder)
    engine = Engine(settings=settings, tasks=tasks, work_directory=folder)
    aim.enter("boot")
    try:
        engine.start()
    except TipmanError as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        return NOT_STARTED
    aim.enter("life")
    desk = Desk(engine, tasks, aim)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=desk.serve, args=(connection,), daemon=True).start()


def prepare(orders, aim):
    """Change the engine's classes in this process as the orders say."""
    checkpoints.LOG_PAGES = LOG_PAGES
    if orders.drain_events_max is not None:
        bus.EVENTS_MAX = orders.drain_events_max
    if orders.file_bytes_max is not None:
        aims.limit_files(orders.file_bytes_max)
    if orders.republish:
        sabotage.republish_reports()
    if orders.sabotage is not None:
        sabotage.CONTROLS[orders.sabotage]()
    aims.install(aim)


def listener_at(path):
    """Return a socket that takes connections at *path*, before anybody accepts them."""
    Path(path).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(64)
    return listener


def main(orders, listener):
    """Be the child; never return."""
    log = os.open(Path(orders.folder) / "driver.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.dup2(log, 2)
    # An engine that does not end is aborted, and says where it stood.
    faulthandler.enable(file=2)
    code = 1
    try:
        code = run(orders, listener)
    except BaseException:  # noqa: BLE001 - the log says what it was
        sys.__excepthook__(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)
