"""`exec`: a shell line or a program with its arguments; what goes in, and what its end means."""

import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tipman.effects import StartAttempt
from tipman.errors import InvalidError
from tipman.events import Failure
from tipman.jsontext import dumps, loads

SHELL = "/bin/sh"
LAST_LINE_CHARACTERS_MAX = 500
_SHELL_SIGNAL_BASE = 128


def command_of(arguments: str | Mapping[str, Any]) -> list[str]:
    r"""Return the program and its arguments.

    >>> command_of("make pack")
    ['/bin/sh', '-c', 'make pack']
    >>> command_of({"argv": ["make", "pack"]})
    ['make', 'pack']
    >>> command_of({"shell": "sort | uniq", "stdin": "b\\na"})
    ['/bin/sh', '-c', 'sort | uniq']
    """
    if isinstance(arguments, str):
        return [SHELL, "-c", arguments]
    if "shell" in arguments:
        return [SHELL, "-c", arguments["shell"]]
    return list(arguments["argv"])


def exec_message(
    start: StartAttempt,
    *,
    env: Mapping[str, str],
    variables: Mapping[str, str],
    cwd: Path,
    folder: Path,
) -> dict[str, Any]:
    """Return what the keeper must know.

    *env* and *cwd* are what every task gets, *variables* what tells the attempt who it is; a
    task cannot declare those away.
    """
    given = {} if isinstance(start.arguments, str) else start.arguments
    return {
        "argv": command_of(start.arguments),
        "env": {
            **env,
            **start.env,
            **(given.get("env") or {}),
            **variables,
            "TIPMAN_CONTEXT": str(folder / "context.json"),
            "TIPMAN_RESULT": str(folder / "result.json"),
        },
        "cwd": str(cwd / (given.get("cwd") or "")),
        "stdin": given.get("stdin"),
        "context": json.dumps(dict(start.context)),
    }


def exec_result(end: Mapping[str, Any]) -> str | None:
    """Return the result of an `exec` attempt as JSON text, None when it never started."""
    exit_code = end.get("exit")
    return None if exit_code is None else json.dumps({"exit_code": exit_code})


def exec_added(end: Mapping[str, Any]) -> str | None:
    """Return what a task that ended well wrote to TIPMAN_RESULT, as JSON text."""
    written = end.get("written")
    return None if written is None else dumps(loads(written["text"]))


def exec_failure(end: Mapping[str, Any]) -> Failure | None:
    """Return why an `exec` attempt that ended by itself failed, None when it did not."""
    if "failure" in end:
        return Failure(end["failure"]["code"], end["failure"]["message"])
    if end["exit"] != 0:
        return exit_failure(end)
    return _written_failure(end["written"])


def _written_failure(written: Mapping[str, str] | None) -> Failure | None:
    if written is None:
        return None
    if "fault" in written:
        return Failure("not_json", written["fault"])
    try:
        loads(written["text"])
    except InvalidError as error:
        return Failure("not_json", f"the file named by TIPMAN_RESULT holds no JSON: {error}")
    return None


def exit_failure(end: Mapping[str, Any], ended: str = "") -> Failure:
    """Return the failure that an exit code is; *ended* adds when that was.

    A death by signal n is the exit code -n; retry conditions may also name it as shells do,
    128 + n.
    """
    exit_code = end["exit"]
    matches: tuple[str, ...] = (f"exit:{exit_code}",)
    how = f"exit code {exit_code}"
    if exit_code < 0:
        matches += (f"exit:{_SHELL_SIGNAL_BASE - exit_code}",)
        how = f"killed by {_signal_name(-exit_code)} (exit code {exit_code})"
    last_line = end["last_line"][:LAST_LINE_CHARACTERS_MAX]
    message = f"{how}{ended}: {last_line}" if last_line else f"{how}{ended}"
    return Failure("exit_code", message, matches=matches)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
