"""Child interpreters for `eval` and `python`: their command, which one is idle, what they say."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tipman.bundle import is_frozen, rerun_environment
from tipman.effects import StartAttempt
from tipman.errors import InvalidError
from tipman.events import Failure
from tipman.executors.premises import CHILD_CHANNEL
from tipman.executors.shell import LAST_LINE_CHARACTERS_MAX, exit_failure
from tipman.jsontext import loads

_ADVICE = "; the setting `python` names the interpreter of `eval` and `python` tasks"
_NAMES = {"result": "result", "kept": "kept state"}


class InterpreterKey(NamedTuple):
    """What interpreters have in common that can stand in for one another."""

    command: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    cwd: str


def interpreter_command(python: str | None, task_type: str) -> tuple[str, ...]:
    """Return the command of an interpreter for *task_type*, `eval` or `python`.

    Without the setting it is the engine's own. A frozen program runs itself for `eval`, which
    needs no more than the standard library; for `python` it takes what is on PATH.
    """
    program = (str(Path(__file__).with_name("child.py")), str(CHILD_CHANNEL))
    if python is not None:
        return (python, *program)
    if not is_frozen():
        return (sys.executable, *program)
    if task_type == "eval":
        return (sys.executable, "--interpreter", str(CHILD_CHANNEL))
    return ("python3", *program)


def interpreter_environment(command: tuple[str, ...], env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which *command* starts an interpreter that is to see *env*."""
    return rerun_environment(env) if command[0] == sys.executable else dict(env)


class IdleInterpreters:
    """The keepers, by number, whose interpreters wait for an attempt."""

    def __init__(self, *, uses_max: int, idle_max: int) -> None:
        self._uses_max = uses_max
        self._idle_max = idle_max
        self._idle: dict[int, InterpreterKey] = {}
        self._uses: dict[int, int] = {}

    def count(self, key: InterpreterKey) -> int:
        """Return how many wait with this key."""
        return sum(1 for other in self._idle.values() if other == key)

    def add(self, number: int, key: InterpreterKey) -> None:
        """Take one that was started ahead and never used."""
        self._idle[number] = key

    def take(self, key: InterpreterKey) -> int | None:
        """Hand out the one that has waited longest with this key, None when there is none."""
        for number, other in self._idle.items():
            if other == key:
                del self._idle[number]
                return number
        return None

    def give_back(self, number: int, key: InterpreterKey) -> int | None:
        """Take one back after an attempt that ended well; return one that shall go, if any."""
        self._uses[number] = self._uses.get(number, 0) + 1
        if self._uses[number] >= self._uses_max:
            del self._uses[number]
            return number
        self._idle[number] = key
        if len(self._idle) <= self._idle_max:
            return None
        oldest = next(iter(self._idle))
        self.forget(oldest)
        return oldest

    def forget(self, number: int) -> bool:
        """Strike one off that is gone or going; tell whether it was idle."""
        self._uses.pop(number, None)
        return self._idle.pop(number, None) is not None


def eval_request(start: StartAttempt) -> dict[str, Any]:
    """Return what the interpreter must know to run an `eval` attempt."""
    context = start.context
    return {
        "code": start.arguments,
        "globals": {
            "context": context.get("context", {}),
            "results": context.get("results", {}),
            "item": context.get("item"),
            "index": context.get("index"),
        },
    }


def python_request(start: StartAttempt) -> dict[str, Any]:
    """Return what the interpreter must know to run a `python` attempt."""
    return {
        "call": start.arguments["call"],
        "arguments": start.arguments.get("args") or {},
        "kept": start.kept,
    }


def interpreter_failure(end: Mapping[str, Any]) -> Failure | None:
    """Return why an attempt in an interpreter that ended by itself failed, None if it did not."""
    refusal = end.get("failure")
    if refusal is not None:
        advice = _ADVICE if refusal["code"] == "interpreter" else ""
        return Failure(refusal["code"], refusal["message"] + advice)
    outcome = end["outcome"]
    if outcome is not None and "failure" in outcome:
        failure = outcome["failure"]
        matches = tuple(failure["matches"])
        return Failure(failure["code"], failure["message"], failure["traceback"], matches)
    if outcome is not None:
        return _json_failure(outcome)
    if end["cut_off"]:
        return Failure("interpreter", "the code closed its interpreter's line to the engine")
    if end["ready"]:
        return exit_failure(end, " before the code had ended")
    last_line = end["last_line"][:LAST_LINE_CHARACTERS_MAX]
    how = f"{end['program']} ended with exit code {end['exit']} before its use"
    return Failure("interpreter", ": ".join(filter(None, (how, last_line))))


def _json_failure(outcome: Mapping[str, Any]) -> Failure | None:
    """Judge as any other JSON what the interpreter's own library took for such."""
    for what in ("result", "kept"):
        try:
            loads(outcome[what] or "null")
        except InvalidError as error:
            return Failure("not_json", f"the {_NAMES[what]} is not JSON: {error}")
    return None


def result_of(end: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the result, and what is kept, of an attempt that did not fail: JSON texts."""
    return end["outcome"]["result"], end["outcome"]["kept"]
