"""The nursery: a small process between the engine and everything that attempts start.

It forks one keeper an attempt and passes lines between it and the engine. When the engine's end
of the socket closes, or its process ends, it kills all that is below it. Standard library only.

Lines from the engine: ``+7 {…}`` forks keeper 7 and gives it the message, ``>7 {…}`` gives it a
further one, ``-7`` lets it go (it kills what it has and ends). Lines to the engine: ``7 {…}`` is
keeper 7's, and ``7 {"gone": …}`` says that it died without a last word, and that everything that
was below it is gone too.
"""

import gc
import json
import os
import resource
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from tipman.executors.channel import Channel
from tipman.executors.descendants import (
    IGNORED_SIGNALS,
    REACHES,
    children_of,
    reap,
    signal_pipe,
    signal_tree,
)
from tipman.executors.keeper import Keeper

FAULT = 70
"""The exit code of a process of ours that met a bug."""


_FILES_MAX = 65_536


class _Child(NamedTuple):
    number: bytes
    pid: int
    channel: Channel


class Nursery:
    """The loop that passes lines on, and buries."""

    def __init__(self, engine: Channel, reach: str) -> None:
        self._engine = engine
        self._reach = reach
        self._children: dict[bytes, _Child] = {}
        self._numbers: dict[int, bytes] = {}
        self._mourned: list[tuple[bytes, str]] = []
        self._selector = selectors.DefaultSelector()
        self._signals = signal_pipe()
        self._files_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._highest_descriptor = self._signals
        self._watch(engine.descriptor, self._hear_engine)
        self._watch(self._signals, self._bury)

    def watch_engine_process(self, pid: int) -> None:
        """End also when the process *pid* does, though a fork of it may hold the socket open."""
        if hasattr(os, "pidfd_open"):
            try:
                self._watch(os.pidfd_open(pid), self._end)
            except ProcessLookupError:
                self._end()

    def allow_many_files(self) -> None:
        """Take as many descriptors as may be: one socket a keeper; keepers give them back."""
        now, most = self._files_limit
        wanted = min(most, _FILES_MAX) if most != resource.RLIM_INFINITY else _FILES_MAX
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(now, wanted), most))

    def run(self) -> NoReturn:
        """Serve until the engine is gone."""
        while True:
            for key, _ in self._selector.select():
                key.data()

    def _watch(self, descriptor: int, call: Callable[[], None]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, call)

    def _pass_on(self, channel: Channel, line: bytes) -> None:
        channel.send(line)
        self._mind_writing(channel)

    def _mind_writing(self, channel: Channel) -> None:
        """Ask to be told when a peer that is slow to read takes more."""
        key = self._selector.get_map().get(channel.descriptor)
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if channel.waiting else 0)
        if key is not None and key.events != events:
            self._selector.modify(channel.descriptor, events, key.data)

    def _hear_engine(self) -> None:
        self._engine.flush()
        self._mind_writing(self._engine)
        for line in self._engine.receive():
            number, _, message = line[1:].partition(b" ")
            child = self._children.get(number)
            if line[:1] == b"+":
                self._fork(number, message)
            elif child is not None and message:
                self._pass_on(child.channel, message)
            elif child is not None:
                self._let_go(child)
        if self._engine.ended:
            self._end()

    def _fork(self, number: bytes, message: bytes) -> None:
        ends: list[int] = []
        try:
            ends += (end.detach() for end in socket.socketpair())
            pid = os.fork()
        except OSError as error:
            for end in ends:
                os.close(end)
            self._tell_gone(number, f"no keeper can be started: {error.strerror}")
            return
        ours, theirs = ends
        if pid == 0:
            self._become_keeper(theirs)
        os.close(theirs)
        child = _Child(number, pid, Channel(ours))
        self._children[number] = child
        self._numbers[pid] = number
        self._highest_descriptor = max(self._highest_descriptor, ours, theirs)
        self._watch(ours, lambda: self._hear_keeper(child))
        self._pass_on(child.channel, message)

    def _become_keeper(self, descriptor: int) -> NoReturn:
        # Nothing of the nursery may come back to life here: whatever happens, it ends below.
        try:
            signal.set_wakeup_fd(-1)
            os.dup2(descriptor, 3, inheritable=False)
            os.closerange(4, max(self._highest_descriptor, descriptor) + 1)
            resource.setrlimit(resource.RLIMIT_NOFILE, self._files_limit)
            Keeper(Channel(3), REACHES[self._reach]()).run()
        except BaseException:  # noqa: BLE001 - told on stderr; the nursery reports the death
            sys.__excepthook__(*sys.exc_info())
        finally:
            os._exit(FAULT)

    def _hear_keeper(self, child: _Child) -> None:
        if child.number not in self._children:
            # Let go by a line of the engine that was handled in the same turn.
            return
        child.channel.flush()
        self._mind_writing(child.channel)
        for line in child.channel.receive():
            self._pass_on(self._engine, child.number + b" " + line)
        if child.channel.ended:
            # Its death follows, and tells the rest.
            self._selector.unregister(child.channel.descriptor)

    def _let_go(self, child: _Child) -> None:
        """Close its channel: the keeper ends by itself, and nobody wants its last words."""
        if not child.channel.ended:
            self._selector.unregister(child.channel.descriptor)
        child.channel.close()
        del self._children[child.number]

    def _bury(self) -> None:
        os.read(self._signals, 4096)
        for pid, status in reap():
            if pid in self._numbers:
                self._bury_keeper(self._numbers.pop(pid), status)
        if self._mourned and not self._kill_orphans():
            for number, reason in self._mourned:
                self._tell_gone(number, reason)
            self._mourned.clear()

    def _bury_keeper(self, number: bytes, status: int) -> None:
        child = self._children.get(number)
        if child is not None:
            if not child.channel.ended:
                self._hear_keeper(child)
            self._let_go(child)
        if status != 0:
            how = f"killed by signal {-status}" if status < 0 else f"ended with code {status}"
            self._mourned.append((number, f"the attempt's keeper was {how}"))

    def _kill_orphans(self) -> int:
        """Kill what dead keepers left: all children that are no keepers. Return how many."""
        orphans = [pid for pid in children_of(os.getpid()) if pid not in self._numbers]
        return sum(signal_tree(pid, signal.SIGKILL) for pid in orphans)

    def _tell_gone(self, number: bytes, reason: str) -> None:
        message = json.dumps({"gone": reason}).encode()
        self._pass_on(self._engine, number + b" " + message)

    def _end(self) -> NoReturn:
        REACHES[self._reach]().end_below(None)
        os._exit(0)


def main(arguments: list[str]) -> None:
    """Run the nursery; *arguments* are its socket, the engine's process id and its reach."""
    descriptor, engine_pid, reach = arguments
    for number in IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, IGNORED_SIGNALS)
    os.set_inheritable(int(descriptor), False)
    REACHES[reach]().adopt_orphans()
    nursery = Nursery(Channel(int(descriptor)), reach)
    nursery.watch_engine_process(int(engine_pid))
    nursery.allow_many_files()
    # The keepers share this memory as long as nobody writes to it; the collector would.
    gc.disable()
    gc.freeze()
    nursery.run()
