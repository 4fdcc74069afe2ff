"""The environment that tasks get: little, and nothing of the engine's secrets."""

import os
from collections.abc import Mapping

from tipman.effects import StartAttempt
from tipman.ids import text_of

PASSED_ON = ("PATH", "HOME", "LANG", "TZ")


def task_environment(engine: Mapping[str, str]) -> dict[str, str]:
    """Return what every task gets of the engine's environment.

    >>> task_environment({"PATH": "/bin", "TIPMAN_TOKEN": "secret", "LD_LIBRARY_PATH": "/lib"})
    {'PATH': '/bin'}
    """
    return {"PATH": os.defpath} | {name: engine[name] for name in PASSED_ON if name in engine}


def attempt_variables(start: StartAttempt) -> dict[str, str]:
    """Return what tells an attempt who it is."""
    variables = {
        "TIPMAN_TASK": text_of(start.instance),
        "TIPMAN_ATTEMPT": str(start.attempt),
        "TIPMAN_EPOCH": str(start.epoch),
    }
    if start.traceparent is not None:
        variables["TRACEPARENT"] = start.traceparent
    return variables
