"""The child: an engine with many open runs of workflows, until it is killed or has ended them all.

Whoever answers approvals, meddles with runs and starts new ones lives in it, and writes down
beside the database what was acknowledged.
"""

import os
import random
from pathlib import Path
from queue import SimpleQueue

from crash import aims, driver
from crash.nest import serve
from crash.tasks import registry_of
from crash_schedules.keeper import KeeperHatch
from crash_workflows import flows
from tipman.errors import TipmanError
from tipman.ids import text_of
from tipman.runtime import Engine
from tipman.settings import Settings

OPEN_RUNS = 24
LAST = "last"
"""A file of this name says that nothing new is to be started and all is to come to its end."""
MEDDLING = {
    "cancel.requested": (0.06, None),
    "suspend.requested": (0.06, {"in_flight": "finish"}),
    "retry.requested": (0.1, None),
}
_OPEN = (
    "SELECT id, kind, name, state FROM instance"
    " WHERE kind IN ('task', 'run') AND settled_at IS NULL"
)
_NAME = "SELECT name FROM instance WHERE id = ?"
ANSWERS = ("approve.reported", "approve.reported", "reject.reported")


class Keeper:
    """Runs workflows until it is told that these are the last."""

    def __init__(self, engine, folder, *, is_last):
        self._engine = engine
        self._folder = folder
        self._is_last = is_last
        self._news = SimpleQueue()
        self._runs = []
        self._numbers = random.Random(os.getpid())
        self._acknowledged = (folder / "acknowledged").open("a")

    def keep(self):
        """Start, answer and meddle; return when everything has ended and nothing is to begin."""
        # What is committed between the two is seen twice, which does no harm.
        self._engine.core.listeners.append(self._hear)
        for row in self._open():
            self._news.put(row)
        self._news.put(("", "nobody", "", ""))
        while True:
            identifier, kind, name, state = self._news.get()
            if state == "awaiting":
                self._answer(identifier, name)
            elif state == "suspended":
                self._send(identifier, "resume.requested", None)
            elif kind in {"settled", "nobody"} and not self._go_on():
                return

    def _hear(self, lines):
        """Hear of a commit, on the bus's own thread: only a SimpleQueue may be told here."""
        for instance, _, name, _, _, _, after, _ in lines:
            if after == "awaiting" or name in {"run.settled", "task.settled"}:
                kind = "settled" if name == "run.settled" else "task"
                self._news.put((instance, kind, None, after))

    def _open(self):
        with self._engine.reading() as database:
            rows = database.fetch(_OPEN)
        return [(bytes(identifier), *row) for identifier, *row in rows]

    def _go_on(self):
        """Start what is missing; return whether there is anything to wait for."""
        open_ = self._open()
        if self._is_last:
            for identifier, kind, name, state in open_:
                if state in {"suspended", "awaiting"}:
                    self._news.put((identifier, kind, name, state))
            return bool(open_)
        runs = sum(kind == "run" for _, kind, _, _ in open_)
        for _ in range(OPEN_RUNS - runs):
            handle = self._engine.run_workflow(self._numbers.choice(flows.STARTED))
            self._write("run", handle.id)
            self._runs.append(handle.id)
            self._meddle()
        return True

    def _answer(self, identifier, name):
        if name is None:
            with self._engine.reading() as database:
                ((name,),) = database.fetch(
                    "SELECT name FROM instance WHERE id = ?", (identifier,)
                )
        if name == "agree":
            what = self._numbers.choice(
                ("approve.reported", "approve.reported", "reject.reported")
            )
            self._send(identifier, what, {"by": "keeper"})

    def _meddle(self):
        for event, (share, data) in MEDDLING.items():
            if self._numbers.random() < share:
                run = self._numbers.choice(self._runs)
                if self._send(run, event, data) and event == "suspend.requested":
                    self._send(run, "resume.requested", None)

    def _send(self, reference, event, data):
        """Send an event; return whether it was taken: what it is for may have gone on."""
        text = reference if isinstance(reference, str) else text_of(reference)
        try:
            self._engine.send(text, event, data)
        except TipmanError:
            return False
        self._write(event, text)
        return True

    def _write(self, what, identifier):
        self._acknowledged.write(f"{what} {identifier}\n")
        self._acknowledged.flush()


def run(orders):
    """Start an engine and keep it going."""
    folder = Path(orders.folder)
    aim = aims.Aim(orders.aim, orders.nth)
    driver.prepare(orders, aim)
    settings = Settings(home=folder, slots=32, grace_s=0.3, durability=orders.durability)
    engine = Engine(settings=settings, tasks=registry_of(folder), work_directory=folder)
    aim.enter("boot")
    engine.start()
    aim.enter("life")
    for given in flows.ALL:
        engine.add_workflow(given)
    is_last = (folder / LAST).exists()
    Keeper(engine, folder, is_last=is_last).keep()
    aim.enter("close")
    engine.close(drain_s=1.0)


class WorkflowHatch(KeeperHatch):
    """How this keeper is started; nobody talks to it."""

    run = staticmethod(run)


if __name__ == "__main__":
    serve(WorkflowHatch)
