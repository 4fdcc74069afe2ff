"""A campaign: many seeds, one after the other, each on a database of its own in memory."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from simulation.plan import Plan
from simulation.steps import play
from simulation.world import World
from tipman.clock import ManualClock
from tipman.core import Core
from tipman.settings import Settings

SHRINKS_MAX = 400
_MEMORY = Path("/dev/shm")
_DIGESTED = (
    "SELECT * FROM log_line ORDER BY position, sequence",
    "SELECT * FROM instance ORDER BY id",
    "SELECT * FROM task ORDER BY id",
    "SELECT * FROM workflow_run ORDER BY id",
    "SELECT * FROM attempt ORDER BY instance, number",
    "SELECT * FROM dependency ORDER BY dependent, position",
    "SELECT * FROM kept ORDER BY kind, name",
)
MakeWorld = Callable[[Plan, Path, Path], World]


class Campaign:
    """Runs plans; *make_world* is another than `World` where a protection is switched off.

    *carry_out* takes a plan and its world, and raises where a promise is broken.
    """

    def __init__(
        self,
        folder: Path,
        make_world: MakeWorld = World,
        carry_out: Callable[[Plan, World], None] = play,
    ):
        self._carry_out = carry_out
        self._folder = Path(tempfile.mkdtemp(dir=folder))
        self.template = self._folder / "template.db"
        self._make_world = make_world
        self._runs = 0
        url = f"sqlite:///{self.template}"
        core = Core(url, Settings(), ManualClock(), lambda _core: {})
        core.recover()
        core.close()

    def run(self, plan: Plan) -> str:
        """Carry out a plan; return a digest of all rows that are left at its end.

        Raises:
            ViolationError: a promise was broken.
        """
        self._runs += 1
        folder = self._folder / str(self._runs)
        folder.mkdir()
        world = None
        try:
            world = self._make_world(plan, folder, self.template)
            self._carry_out(plan, world)
            rows = [world.core.database.fetch(query) for query in _DIGESTED]
            return hashlib.sha256(repr(rows).encode()).hexdigest()
        finally:
            if world is not None:
                world.abandon()
            shutil.rmtree(folder)

    def failure(self, plan: Plan) -> Exception | None:
        """Return what a plan breaks, None for nothing."""
        try:
            self.run(plan)
        except Exception as error:  # noqa: BLE001 - any error is a finding, it is shown as it is
            return error
        return None

    def shrink(self, plan: Plan) -> tuple[int, ...]:
        """Return positions of steps of *plan* that still fail, few of them.

        Source: A. Zeller, Simplifying and isolating failure-inducing input, 2002, in short.
        """
        kept = tuple(range(len(plan.steps)))
        tries, size = 0, max(len(kept) // 2, 1)
        while tries < SHRINKS_MAX:
            before = len(kept)
            start = 0
            while start < len(kept) and tries < SHRINKS_MAX:
                fewer = kept[:start] + kept[start + size :]
                tries += 1
                if self.failure(plan.only(fewer)) is not None:
                    kept = fewer
                else:
                    start += size
            if size == 1 and len(kept) == before:
                break
            size = max(size // 2, 1)
        return kept


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Lend a folder that costs no disk, where the machine has such."""
    place = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="tipman-", dir=place) as folder:
        yield Path(folder)
