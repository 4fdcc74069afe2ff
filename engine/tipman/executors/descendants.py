"""Who belongs to an attempt, and how a signal reaches all of it.

Standard library only: the nursery imports it.

Source: Linux manual, PR_SET_CHILD_SUBREAPER(2const), proc_pid_task(5) (`children`), fork(2).
"""

# Paths are text here: pathlib would add a tenth to the nursery's memory.
# ruff: noqa: PTH110, PTH112, PTH123, PTH208

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from typing import ClassVar, Protocol

IGNORED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What the nursery and its keepers do not hear: a Ctrl-C is the engine's matter."""

_PR_SET_CHILD_SUBREAPER = 36


class Reach(Protocol):
    """How far a keeper's hand goes; `leader` is the attempt's main process."""

    hears_deaths: ClassVar[bool]
    """Whether the end of others than *leader* makes itself known."""

    def adopt_orphans(self) -> None:
        """Become the parent of every descendant whose parent dies, where the system can."""

    def anybody_else(self, leader: int) -> bool:
        """Tell whether something of the tree but *leader* still exists."""

    def signal_all(self, leader: int, number: int) -> int:
        """Send the signal to the whole tree.

        Return how many were reached whose death this process will hear of: after SIGKILL, that
        is the time to look again, until it returns 0.
        """

    def end_below(self, leader: int | None) -> None:
        """Kill all that is below this process, and wait until nothing of it is left."""


class Descendants:
    """Everything that descends from this process: nothing gets away, not even by setsid."""

    hears_deaths: ClassVar[bool] = True

    def adopt_orphans(self) -> None:
        """Become a subreaper."""
        if _libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")

    def anybody_else(self, leader: int) -> bool:
        """Tell whether this process has a child that is not *leader*."""
        return any(pid != leader for pid in children_of(os.getpid()))

    def signal_all(self, leader: int, number: int) -> int:  # noqa: ARG002 - a group needs it
        """Send the signal to all that descend from this process."""
        return sum(signal_tree(child, number) for child in children_of(os.getpid()))

    def end_below(self, leader: int | None) -> None:
        """Kill and wait in turns: whoever loses its parent comes here, and is in the next turn."""
        while self.signal_all(leader or 0, signal.SIGKILL):
            os.waitpid(-1, 0)
            for _ in reap():
                pass


class ProcessGroup:
    """The process group of the main process: all there is where orphans cannot be adopted.

    What left the group, by setsid say, is out of reach.
    """

    hears_deaths: ClassVar[bool] = False

    def adopt_orphans(self) -> None:
        """Do nothing: orphans go to the first process of the system."""

    def anybody_else(self, leader: int) -> bool:
        """Tell whether the group exists without its leader; with it, that cannot be told."""
        return _exists(os.killpg, leader) and not _exists(os.kill, leader)

    def signal_all(self, leader: int, number: int) -> int:
        """Send the signal to the group; of its deaths only the main process's is heard."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, number)
        return 0

    def end_below(self, leader: int | None) -> None:
        """Kill the group; the nursery has none, its keepers see its end and kill theirs."""
        if leader is not None:
            self.signal_all(leader, signal.SIGKILL)


REACHES: dict[str, type[Reach]] = {"descendants": Descendants, "group": ProcessGroup}


def widest_reach() -> str:
    """Return the name of the widest reach that this system offers."""
    return "descendants" if sys.platform == "linux" else "group"


def signal_tree(root: int, number: int) -> int:
    """Send the signal to *root* and all below it, from the top; return how many it reached.

    SIGKILL goes to whole process groups too: the kernel sends that in one step, so that a fork
    in progress cannot slip through.
    """
    own_group = os.getpgrp()
    reached = 0
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        # Before the signal: when it dies its children are somebody else's.
        waiting += children_of(pid)
        # Gone meanwhile, or another user's (a setuid program): not to be reached.
        with suppress(ProcessLookupError, PermissionError):
            group = os.getpgid(pid)
            os.kill(pid, number)
            reached += 1
            if number == signal.SIGKILL and group != own_group:
                os.killpg(group, number)
    return reached


@cache
def _libc() -> ctypes.CDLL:
    # Once, in the nursery: its keepers have it from there.
    return ctypes.CDLL(None, use_errno=True)


def _exists(send: Callable[[int, int], None], target: int) -> bool:
    try:
        send(target, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def reap() -> Iterator[tuple[int, int]]:
    """Wait for every child that is dead already: process id, and exit code or minus signal."""
    with suppress(ChildProcessError):
        while (dead := os.waitpid(-1, os.WNOHANG))[0]:
            yield dead[0], os.waitstatus_to_exitcode(dead[1])


def signal_pipe() -> int:
    """Return a descriptor that can be read when SIGCHLD or SIGALRM came: a byte, its number."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    for number in (signal.SIGCHLD, signal.SIGALRM):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def children_of(parent: int) -> list[int]:
    """Return the process ids of the children, dead ones that nobody has waited for included."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{parent}/task"):
            with open(f"/proc/{parent}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except (FileNotFoundError, ProcessLookupError):
        return found if _KERNEL_LISTS_CHILDREN else _children_by_search(parent)
    return found


_KERNEL_LISTS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def _children_by_search(parent: int) -> list[int]:
    """Read every process's parent, for kernels built without `children` files."""
    found: list[int] = []
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if not name.isdigit():
            continue
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            # The second field, the program's name, may hold spaces and parentheses.
            after_name = file.read().rpartition(b")")[2].split()
            if int(after_name[1]) == parent:
                found.append(int(name))
    return found
