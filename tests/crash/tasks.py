"""What the engine runs while it is being killed; every attempt leaves a mark outside the database.

A mark is one line, `TASK ATTEMPT EPOCH`, appended to a file before anything else is done.
"""

import asyncio
import os
from pathlib import Path

from tipman import current_attempt
from tipman.executors.functions import Registry

SHELL_MARK = (
    r"""printf '%s %s %s\n' "$TIPMAN_TASK" "$TIPMAN_ATTEMPT" "$TIPMAN_EPOCH" >> "$MARKS" """
)
GRANDCHILDREN = (
    f"{SHELL_MARK}; (setsid sleep 600 &); (setsid sh -c 'sleep 600 & sleep 600' &); sleep 0.4"
)
LANDED = "died where it was aimed"
"""What the log of the drivers says of every death that came at its place."""
ASSASSIN = (
    f"{SHELL_MARK}; (setsid sleep 600 &); (setsid sh -c 'sleep 600 & sleep 600' &);"
    f" [ -e armed ] && echo '{LANDED}' >> driver.log"
    " && kill -9 $(cat tipman.db.lock)"
)
"""It kills the engine if it may; it runs in the folder of the database."""
PYTHON_MARK = """
import os
with open(os.environ["MARKS"], "a") as marks:
    marks.write("{TIPMAN_TASK} {TIPMAN_ATTEMPT} {TIPMAN_EPOCH}\\n".format(**os.environ))
"""


def registry_of(folder: Path) -> Registry:
    """Return the tasks, whose marks go to a file in *folder*."""
    tasks = Registry()
    register(tasks, folder)
    return tasks


def register(tasks: Registry, folder: Path) -> None:
    """Put the tasks into a registry."""
    marks = os.open(folder / "marks", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)

    def leave_mark():
        call = current_attempt()
        os.write(marks, f"{call.id} {call.number} {call.start.epoch}\n".encode())
        return call

    @tasks.task
    def note(number=0):
        leave_mark()
        return number

    @tasks.task
    def falter(failures):
        if leave_mark().number <= failures:
            raise ValueError("not yet")

    @tasks.task
    def dawdle(duration_s):
        leave_mark().stopping.wait(duration_s)

    @tasks.task
    async def pause(duration_s):
        leave_mark()
        await asyncio.sleep(duration_s)

    @tasks.task
    class Tally:
        value: int = 0

        def run(self):
            leave_mark()
            self.value += 1
            return self.value
