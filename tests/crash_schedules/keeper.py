"""The child: an engine that keeps many schedules, until it is killed or told to stop."""

import faulthandler
import os
import signal
import sys
import time
from pathlib import Path
from queue import SimpleQueue

from crash import aims, driver
from crash.nest import DriverHatch, serve
from crash.tasks import registry_of
from tipman.clock import MICROSECONDS, rfc3339
from tipman.runtime import Engine
from tipman.settings import Settings

SCHEDULES = 200
OVERLAPS = ("skip", "queue_one", "queue_all", "latest", "cancel_running", "allow", "skip")
CATCH_UPS = ("latest", "none", "earliest", "all", "latest")
SLOW_EVERY = 9
"""One in so many submits what takes longer than until it is due again."""


def run(orders):
    """Start an engine, make the schedules if there are none, and wait."""
    folder = Path(orders.folder)
    aim = aims.Aim(orders.aim, orders.nth)
    driver.prepare(orders, aim)
    # A handler runs wherever this thread is, also within the waiting: an Event would lock itself.
    stops = SimpleQueue()
    signal.signal(signal.SIGTERM, lambda number, _: stops.put(number))
    settings = Settings(home=folder, slots=64, grace_s=0.3, durability=orders.durability)
    engine = Engine(settings=settings, tasks=registry_of(folder), work_directory=folder)
    aim.enter("boot")
    engine.start()
    aim.enter("life")
    known = {schedule["key"] for schedule in engine.schedules(limit=SCHEDULES).items}
    starts_at = rfc3339((time.time_ns() // 1_000_000_000 + 1) * MICROSECONDS)
    with (folder / "acknowledged").open("a") as acknowledged:
        for number in range(SCHEDULES):
            if f"s{number}" not in known:
                handle = engine.create_schedule(asked(number, starts_at))
                acknowledged.write(f"{handle.id}\n")
                acknowledged.flush()
    stops.get()
    aim.enter("close")
    engine.close(drain_s=1.0)


def asked(number, starts_at):
    """Return what somebody asks for."""
    is_slow = number % SLOW_EVERY == 0
    args = {"duration_s": 0.4 + number / 80} if is_slow else {}
    task = {"task": "dawdle" if is_slow else "note", "args": args}
    policy = CATCH_UPS[number % len(CATCH_UPS)]
    return {
        "key": f"s{number}",
        "every_s": 1,
        "starts_at": starts_at,
        "overlap": OVERLAPS[number % len(OVERLAPS)],
        "catch_up": {"policy": policy, **({"max": 3} if policy == "all" else {})},
        "task": {"type": "inline", "arguments": task},
    }


class KeeperHatch(DriverHatch):
    """How a keeper is started; nobody talks to it."""

    run = staticmethod(run)

    @classmethod
    def main(cls, orders, listener):
        """Be the child; never return."""
        listener.close()
        log = os.open(Path(orders.folder) / "driver.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        os.dup2(log, 2)
        # An engine that does not end is aborted, and says where it stood.
        faulthandler.enable(file=2)
        code = 1
        try:
            cls.run(orders)
            code = 0
        except BaseException:  # noqa: BLE001 - the log says what it was
            sys.__excepthook__(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(code)


if __name__ == "__main__":
    serve(KeeperHatch)
