"""Attempts as processes outside the engine's own fate: `exec`, `eval` and `python`."""

import itertools
import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tipman.effects import StartAttempt, StopAttempt
from tipman.events import AttemptSucceeded, Failure, Report, StopReason
from tipman.executors import Publish, reports
from tipman.executors.channel import LINE_BYTES_MAX
from tipman.executors.descendants import widest_reach
from tipman.executors.environment import attempt_variables, task_environment
from tipman.executors.interpreters import (
    IdleInterpreters,
    InterpreterKey,
    eval_request,
    interpreter_command,
    interpreter_environment,
    interpreter_failure,
    python_request,
    result_of,
)
from tipman.executors.link import MessageTooLongError, NurseryLink
from tipman.executors.shell import exec_added, exec_failure, exec_message, exec_result
from tipman.ids import text_of

CLOSE_WAIT_S = 5.0
_log = logging.getLogger(__name__)


def half_of_memory() -> int:
    """Return half of the machine's memory in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLimits:
    """What bounds attempts that are processes."""

    output_head_bytes: int = 1024 * 1024
    output_tail_bytes: int = 64 * 1024
    result_bytes_max: int = 1024 * 1024
    eval_memory_bytes_max: int | None = None
    """Address space of an `eval` attempt; None: half of the machine's memory."""
    linger_s: float = 0.2
    """After the main process ended: until its pipes are closed and what it left is killed."""
    eval_spare: int = 2
    """Interpreters started ahead, once `eval` is used."""
    python_uses_max: int = 100
    """Attempts of `python` in one interpreter."""
    python_idle_max: int = 8
    reach: str = field(default_factory=widest_reach)
    """How far the end of an attempt goes, by name: see `tipman.executors.descendants`."""


@dataclass(slots=True)
class _Running:
    start: StartAttempt
    serial: int
    key: InterpreterKey | None
    stop_reason: StopReason | None = None


class ProcessExecutor:
    """The port for the types `exec`, `eval` and `python`, on one nursery.

    *attempts* is the folder under which each attempt has its own, *cwd* where tasks run, *python*
    the interpreter for user code (None: the engine's own). *on_death* is called once, from the
    nursery's thread, when the nursery dies: the engine has to stop then, no report will come.
    Nothing here blocks; `open` early, before the engine has much memory, spares the first
    attempt the start of the nursery.
    """

    def __init__(
        self,
        publish: Publish,
        *,
        attempts: Path,
        cwd: Path,
        python: str | None = None,
        limits: ProcessLimits | None = None,
        on_death: Callable[[str], None],
    ) -> None:
        self._publish = publish
        self._attempts = attempts.absolute()
        self._cwd = cwd.absolute()
        self._python = python
        self._limits = limits or ProcessLimits()
        self._on_death = on_death
        self._env = task_environment(os.environ)
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._running: dict[int, _Running] = {}
        self._keepers: dict[tuple[bytes, int], int] = {}
        self._spare = IdleInterpreters(uses_max=1, idle_max=0)
        self._idle = IdleInterpreters(
            uses_max=self._limits.python_uses_max, idle_max=self._limits.python_idle_max
        )
        self._opened = False
        self._link = NurseryLink(self._hear, on_death, reach=self._limits.reach)

    @property
    def nursery_pid(self) -> int | None:
        """The nursery's process id, None before `open`."""
        return self._link.pid

    def open(self) -> None:
        """Start the nursery; done already: do nothing.

        Raises:
            OSError: the attempts' folder can not be made, or no further process be started.
        """
        if not self._opened:
            for folder in (self._attempts.parent, self._attempts):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._link.open()
            self._opened = True

    def start(self, attempt: StartAttempt) -> None:
        """Begin it; one that sees more than can be handed over fails."""
        try:
            self.open()
        except OSError as error:
            self._on_death(f"the nursery can not be started: {error}")
            return
        try:
            self._start(attempt)
        except MessageTooLongError:
            self._take_back(attempt)
            what = f"what the task sees is more than {LINE_BYTES_MAX:,} bytes of JSON"
            self._publish(reports.failed(attempt, Failure("too_large", what)))

    def _start(self, attempt: StartAttempt) -> None:
        match attempt.type:
            case "exec":
                self._start_exec(attempt)
            case "eval":
                self._start_eval(attempt)
            case "python":
                self._start_python(attempt)
            case other:
                raise AssertionError(f"no process runs a task of type {other}")

    def stop(self, attempt: StopAttempt) -> None:
        """End it and everything that it started; unknown or ended: do nothing."""
        with self._lock:
            number = self._keepers.get((attempt.instance, attempt.attempt))
            if number is None:
                return
            running = self._running[number]
            running.stop_reason = running.stop_reason or attempt.reason
            self._link.tell_keeper(number, {"stop": running.serial, "grace_s": attempt.grace_s})

    def close(self) -> None:
        """End all that still runs, without a report, and wait for that, for a bounded time."""
        with self._lock:
            self._running.clear()
            self._keepers.clear()
        self._link.close()
        self._link.join(CLOSE_WAIT_S)

    def join(self, timeout_s: float | None = None) -> bool:
        """After `close`: wait until every process and thread is gone; tell whether they are."""
        return self._link.join(timeout_s)

    def _take_back(self, attempt: StartAttempt) -> None:
        with self._lock:
            number = self._keepers.pop((attempt.instance, attempt.attempt))
            del self._running[number]
            self._link.let_go(number)

    def _start_exec(self, start: StartAttempt) -> None:
        folder = self._folder(start)
        message = exec_message(
            start, env=self._env, variables=attempt_variables(start), cwd=self._cwd, folder=folder
        )
        message |= self._keeping() | {
            "folder": str(folder),
            "result_bytes_max": self._limits.result_bytes_max,
        }
        with self._lock:
            number = next(self._numbers)
            self._note(number, _Running(start, number, None))
            self._link.start_keeper(number, {"exec": {"serial": number, **message}})

    def _start_eval(self, start: StartAttempt) -> None:
        key = self._key(start)
        memory_bytes_max = self._limits.eval_memory_bytes_max or half_of_memory()
        request = eval_request(start) | {"memory_bytes_max": memory_bytes_max}
        with self._lock:
            number = self._spare.take(key)
            if number is None:
                number = self._start_interpreter(key, single_use=True)
            self._start_in(number, key, start, request)
            # Declared variables are rarely the same twice; others start from a spare one.
            while not start.env and self._spare.count(key) < self._limits.eval_spare:
                self._spare.add(self._start_interpreter(key, single_use=True), key)

    def _start_python(self, start: StartAttempt) -> None:
        key = self._key(start)
        request = python_request(start)
        with self._lock:
            number = self._idle.take(key)
            if number is None:
                number = self._start_interpreter(key, single_use=False)
            self._start_in(number, key, start, request)

    def _start_interpreter(self, key: InterpreterKey, *, single_use: bool) -> int:
        number = next(self._numbers)
        spec = {
            "argv": key.command,
            "env": dict(key.env),
            "cwd": key.cwd,
            "single_use": single_use,
            **self._keeping(),
        }
        self._link.start_keeper(number, {"host": spec})
        return number

    def _start_in(
        self, number: int, key: InterpreterKey, start: StartAttempt, request: dict[str, Any]
    ) -> None:
        serial = next(self._numbers)
        self._note(number, _Running(start, serial, key))
        request |= {
            "variables": attempt_variables(start),
            "result_bytes_max": self._limits.result_bytes_max,
        }
        folder = str(self._folder(start))
        attempt = {"serial": serial, "folder": folder, "request": request}
        self._link.tell_keeper(number, {"attempt": attempt})

    def _note(self, number: int, running: _Running) -> None:
        self._running[number] = running
        self._keepers[running.start.instance, running.start.attempt] = number

    def _key(self, start: StartAttempt) -> InterpreterKey:
        command = interpreter_command(self._python, start.type)
        env = interpreter_environment(command, self._env | dict(start.env))
        return InterpreterKey(command, tuple(sorted(env.items())), str(self._cwd))

    def _folder(self, start: StartAttempt) -> Path:
        return self._attempts / text_of(start.instance) / str(start.attempt)

    def _keeping(self) -> dict[str, Any]:
        return {
            "head_bytes": self._limits.output_head_bytes,
            "tail_bytes": self._limits.output_tail_bytes,
            "linger_s": self._limits.linger_s,
        }

    def _hear(self, number: int, message: dict[str, Any]) -> None:
        """Take a keeper's message, from the link's thread."""
        if "broken" in message:
            self._drop_idle(number)
            return
        with self._lock:
            running = self._running.pop(number, None)
            if running is not None:
                del self._keepers[running.start.instance, running.start.attempt]
        if running is None:
            self._drop_idle(number)
            return
        for fault in message.get("output_faults", ()):
            _log.warning("output of an attempt is missing: %s", fault)
        try:
            report = _report_of(running, message)
        except Exception as error:  # noqa: BLE001 - code may have written to its line what it likes
            what = f"its interpreter said what nobody understands: {type(error).__name__}: {error}"
            report = reports.failed(running.start, Failure("interpreter", what))
        if running.key is not None and message.get("reusable"):
            self._give_back(number, running.key, report)
        self._publish(report)

    def _drop_idle(self, number: int) -> None:
        with self._lock:
            if self._idle.forget(number) or self._spare.forget(number):
                self._link.let_go(number)

    def _give_back(self, number: int, key: InterpreterKey, report: Report) -> None:
        """Keep an interpreter whose attempt ended well; no other is used again."""
        with self._lock:
            leaving: int | None = number
            if isinstance(report, AttemptSucceeded):
                leaving = self._idle.give_back(number, key)
            if leaving is not None:
                self._idle.forget(leaving)
                self._link.let_go(leaving)


def _report_of(running: _Running, end: Mapping[str, Any]) -> Report:
    start = running.start
    result = exec_result(end) if start.type == "exec" else None
    if running.stop_reason is not None and end.get("stopped", "gone" in end):
        return reports.stopped(start, running.stop_reason, result)
    failure = _failure_of(start.type, end)
    if failure is not None:
        return reports.failed(start, failure, result)
    if result is None:
        return reports.succeeded(start, *result_of(end))
    return reports.succeeded(start, result, added=exec_added(end))


def _failure_of(task_type: str, end: Mapping[str, Any]) -> Failure | None:
    if "gone" in end:
        return Failure("keeper", f"{end['gone']}; everything it had started was killed")
    return exec_failure(end) if task_type == "exec" else interpreter_failure(end)
