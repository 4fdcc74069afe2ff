"""The keeper: the parent of one attempt's processes, and of nothing else.

It opens the output files, starts the main process, keeps what that writes, and ends everything
that descends from it: when it is told to stop, `linger_s` after the main process ended, and when
the nursery is gone. The nursery forks it; standard library only. Its messages:

- in, first: `{"exec": …}` (one attempt) or `{"host": …}` (an interpreter, which then gets
  attempts one after the other: `{"attempt": …}`); then `{"stop": serial, "grace_s": s}`.
  An interpreter that answers `stale` is replaced by a fresh one before the attempt runs.
- out: `{"end": serial, …}` once the attempt is over and nothing of it is left but, where
  `"reusable"` is true, the interpreter; `{"broken": why}` when an idle interpreter is gone.
"""

import json
import os
import selectors
import signal
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from functools import partial
from typing import Any, NamedTuple, NoReturn

from tipman.executors.channel import Channel
from tipman.executors.descendants import Reach, reap, signal_pipe
from tipman.executors.output import text_of_bytes
from tipman.executors.premises import AttemptFiles, MainProcess, start_main

_CHUNK = 65_536
_DRAIN_CHUNKS_MAX = 64
_IDLE_OUTPUT_BYTES_MAX = 4096


class _Phase(Enum):
    RUNNING = "running"
    STOPPING = "stopping"
    """Asked to end; SIGKILL follows when the grace is over."""
    LINGERING = "lingering"
    """The main process has ended; what it left has `linger_s`."""
    KILLING = "killing"


class _Attempt(NamedTuple):
    serial: int
    files: AttemptFiles


class Keeper:
    """Keeps one attempt, or one interpreter and its attempts in turn."""

    def __init__(self, channel: Channel, reach: Reach) -> None:
        self._channel = channel
        self._reach = reach
        self._selector = selectors.DefaultSelector()
        self._signals = signal_pipe()
        self._watch(channel.descriptor, self._hear_engine)
        self._watch(self._signals, self._hear_signals)
        self._spec: dict[str, Any] = {}
        self._phase = _Phase.RUNNING
        self._main: MainProcess | None = None
        self._child: Channel | None = None
        self._exit: int | None = None
        self._broken: str | None = None
        self._ready = self._is_stale = False
        self._request = b""
        self._pipes: dict[int, int] = {}
        self._idle_output = b""
        self._attempt: _Attempt | None = None
        self._outcome: dict[str, Any] | None = None
        self._stopped = self._cut_off = False

    def run(self) -> NoReturn:
        """Serve until the attempt is over, or nobody is there to serve."""
        self._reach.adopt_orphans()
        while True:
            for key, _ in self._selector.select():
                # An earlier call of this turn may have put it away, and another in its place.
                current = self._selector.get_map().get(key.fd)
                if current is not None and current.data is key.data:
                    key.data()

    def _watch(self, descriptor: int, call: Callable[[], None]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, call)

    # What the engine says

    def _hear_engine(self) -> None:
        for line in self._channel.receive():
            message = json.loads(line)
            match message:
                case {"exec": spec}:
                    self._start_exec(spec)
                case {"host": spec}:
                    self._start_host(spec)
                case {"attempt": request}:
                    self._start_attempt(request)
                case {"stop": serial, "grace_s": grace_s}:
                    if self._attempt is not None and serial == self._attempt.serial:
                        self._stop(grace_s)
        if self._channel.ended:
            self._reach.end_below(None if self._main is None else self._main.pid)
            os._exit(0)

    def _start_exec(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        files = self._open_files(spec["serial"], spec["folder"])
        try:
            files.write_context(spec["context"])
            stdin = files.open_stdin(spec["stdin"])
        except OSError as error:
            self._refuse(spec["serial"], "output", error)
        self._start_main(stdin)
        if self._broken is not None:
            self._refuse(spec["serial"], "not_startable", self._broken)

    def _start_host(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        self._start_main(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        if self._broken is not None:
            self._say({"broken": self._broken})

    def _start_main(self, stdin: int) -> None:
        spec = self._spec
        try:
            self._main = start_main(
                spec["argv"],
                spec["env"],
                cwd=spec["cwd"],
                stdin=stdin,
                with_channel="single_use" in spec,
            )
        except (OSError, ValueError) as error:
            self._broken = _reason(error)
            return
        self._take_over(self._main)

    def _take_over(self, main: MainProcess) -> None:
        for index, descriptor in enumerate((main.stdout, main.stderr)):
            os.set_blocking(descriptor, False)
            self._pipes[index] = descriptor
            self._watch(descriptor, partial(self._hear_output, index))
        if main.channel is not None:
            self._child = Channel(main.channel)
            self._watch(main.channel, partial(self._hear_child, main, self._child))

    def _start_attempt(self, request: dict[str, Any]) -> None:
        self._open_files(request["serial"], request["folder"])
        self._request = json.dumps(request["request"]).encode()
        if self._exit is not None:
            self._renew()
        else:
            self._send_request()

    def _send_request(self) -> None:
        if self._broken is not None and self._attempt is not None:
            self._refuse(self._attempt.serial, "interpreter", self._broken)
        if self._child is not None:
            self._child.send(self._request)
            self._mind_writing(self._child)

    def _renew(self) -> None:
        """Start another interpreter in the place of one that is gone, and give it the attempt."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._reach.end_below(None if self._main is None else self._main.pid)
        self._phase = _Phase.RUNNING
        self._is_stale = self._ready = False
        self._exit = self._broken = None
        self._idle_output = b""
        if self._child is not None:
            self._close_child(self._child)
        for index in tuple(self._pipes):
            self._close_pipe(index)
        self._start_main(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        self._send_request()

    def _open_files(self, serial: int, folder: str) -> AttemptFiles:
        head_bytes, tail_bytes = self._spec["head_bytes"], self._spec["tail_bytes"]
        try:
            files = AttemptFiles(folder, head_bytes=head_bytes, tail_bytes=tail_bytes)
        except OSError as error:
            self._refuse(serial, "output", error)
        self._attempt = _Attempt(serial, files)
        return files

    def _refuse(self, serial: int, code: str, why: OSError | str) -> NoReturn:
        """End the attempt before it ran."""
        self._reach.end_below(None if self._main is None else self._main.pid)
        message = why if isinstance(why, str) else _reason(why)
        self._say({"end": serial, "failure": {"code": code, "message": message}})
        os._exit(0)

    def _stop(self, grace_s: float) -> None:
        ended_already = self._exit is not None or self._outcome is not None
        self._stopped = self._stopped or not ended_already
        if ended_already or grace_s <= 0:
            self._kill()
        elif self._main is not None:
            self._phase = _Phase.STOPPING
            self._reach.signal_all(self._main.pid, signal.SIGTERM)
            signal.setitimer(signal.ITIMER_REAL, grace_s)

    # What the processes do

    def _hear_signals(self) -> None:
        numbers = os.read(self._signals, 4096)
        for pid, status in reap():
            if self._main is not None and pid == self._main.pid:
                self._exit = status
                if self._child is not None:
                    self._read_child(self._child)
        if signal.SIGALRM in numbers and self._phase is not _Phase.RUNNING:
            self._cut_off = self._phase is _Phase.LINGERING and self._exit is None
            self._kill()
        else:
            self._advance()

    def _hear_output(self, index: int) -> None:
        self._read_output(index)
        if index not in self._pipes:
            self._advance()

    def _read_output(self, index: int) -> bool:
        """Read once from standard output (0) or error (1); tell whether something was there."""
        try:
            data = os.read(self._pipes[index], _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._close_pipe(index)
        elif self._attempt is not None:
            self._attempt.files.streams[index].write(data)
        else:
            self._idle_output = (self._idle_output + data)[-_IDLE_OUTPUT_BYTES_MAX:]
        return bool(data)

    def _close_pipe(self, index: int) -> None:
        descriptor = self._pipes.pop(index)
        self._selector.unregister(descriptor)
        os.close(descriptor)

    def _hear_child(self, main: MainProcess, child: Channel) -> None:
        child.flush()
        self._mind_writing(child)
        self._read_child(child)
        if child.ended:
            # Mostly it is dead, and that is about to be heard; if not, it is of no use any more.
            self._close_child(child)
            if self._outcome is None and not self._is_stale and self._phase is _Phase.RUNNING:
                self._linger()
        elif self._attempt is not None and self._outcome is not None:
            self._end_in_child(main, self._attempt, self._outcome)

    def _read_child(self, child: Channel) -> None:
        for line in child.receive():
            message = _understood(line)
            if "ready" in message:
                self._ready = True
            elif "stale" in message:
                self._is_stale = True
                self._kill_main()
            elif self._attempt is not None and self._outcome is None:
                self._outcome = message

    def _close_child(self, child: Channel) -> None:
        self._selector.unregister(child.descriptor)
        child.close()
        self._child = None

    def _mind_writing(self, child: Channel) -> None:
        if not child.ended:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if child.waiting else 0)
            key = self._selector.get_key(child.descriptor)
            self._selector.modify(child.descriptor, events, key.data)

    def _end_in_child(self, main: MainProcess, attempt: _Attempt, outcome: dict[str, Any]) -> None:
        """Let the interpreter go on to its next attempt if this one left nothing behind."""
        left_behind = outcome.get("left_behind", True) or self._reach.anybody_else(main.pid)
        if self._spec["single_use"] or self._stopped or left_behind:
            self._kill_main()
            return
        self._say({**self._end_facts(attempt), "reusable": True})
        self._attempt = self._outcome = None

    # How it comes to an end

    def _kill_main(self) -> None:
        if self._main is not None and self._exit is None:
            # A setuid program is out of reach; the attempt ends when that does.
            with suppress(PermissionError):
                os.kill(self._main.pid, signal.SIGKILL)

    def _kill(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._phase = _Phase.KILLING
        self._kill_main()
        self._advance()

    def _advance(self) -> None:
        """Go on to the next phase if what has happened allows it."""
        if self._main is None or self._broken is not None:
            return
        if self._phase is _Phase.KILLING:
            if (
                not self._reach.signal_all(self._main.pid, signal.SIGKILL)
                and self._exit is not None
            ):
                self._finish()
        elif self._exit is not None and self._is_stale and self._phase is _Phase.RUNNING:
            self._renew()
        elif self._exit is not None:
            left = self._reach.anybody_else(self._main.pid)
            if not left and (not self._pipes or self._phase is _Phase.STOPPING):
                self._finish()
            elif self._phase is _Phase.RUNNING or not self._reach.hears_deaths:
                self._linger()

    def _linger(self) -> None:
        self._phase = _Phase.LINGERING
        signal.setitimer(signal.ITIMER_REAL, self._spec["linger_s"])

    def _finish(self) -> None:
        if self._attempt is not None:
            self._say(self._end_facts(self._attempt))
            os._exit(0)
        self._drain()
        for index in tuple(self._pipes):
            self._close_pipe(index)
        how = f"{self._spec['argv'][0]} ended with exit code {self._exit} before its use"
        self._broken = ": ".join(filter(None, (how, self._last_idle_line())))
        self._say({"broken": self._broken})

    def _end_facts(self, attempt: _Attempt) -> dict[str, Any]:
        """Close the attempt's files and return all that is known of its end."""
        self._drain()
        last_line = attempt.files.streams[1].last_line()
        if not last_line and not self._ready:
            # The attempt came between the last words of a broken interpreter and its end.
            last_line = self._last_idle_line()
        facts = {
            "end": attempt.serial,
            "program": self._spec["argv"][0],
            "exit": self._exit,
            "stopped": self._stopped,
            "ready": self._ready,
            "cut_off": self._cut_off,
            "last_line": last_line,
            "outcome": self._outcome,
            "output_faults": attempt.files.close(),
        }
        if "result_bytes_max" in self._spec:
            facts["written"] = attempt.files.written(self._spec["result_bytes_max"])
        return facts

    def _last_idle_line(self) -> str:
        return text_of_bytes(self._idle_output).strip().rpartition("\n")[2]

    def _drain(self) -> None:
        """Take what is in the pipes now; whoever goes on writing does not hold it up."""
        for index in tuple(self._pipes):
            for _ in range(_DRAIN_CHUNKS_MAX):
                if index not in self._pipes or not self._read_output(index):
                    break

    def _say(self, message: dict[str, Any]) -> None:
        self._channel.send(json.dumps(message).encode())
        self._channel.flush_all()


def _understood(line: bytes) -> dict[str, Any]:
    """Return what an interpreter says; its code may have found the line and written to it."""
    with suppress(ValueError):
        message = json.loads(line)
        if isinstance(message, dict):
            return message
    what = "the code wrote to its interpreter's line to the engine"
    return {"failure": {"code": "interpreter", "message": what, "traceback": None, "matches": []}}


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
