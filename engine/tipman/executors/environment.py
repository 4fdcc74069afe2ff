"""The environment that tasks get: little, and nothing of the engine's secrets."""

import os
from collections.abc import Mapping

from tipman.effects import StartAttempt
from tipman.ids import text_of

PASSED_ON = ("PATH", "HOME", "LANG", "TZ")
_LIBRARIES = "LD_LIBRARY_PATH"


def task_environment(engine: Mapping[str, str]) -> dict[str, str]:
    """Return what every task gets of the engine's environment.

    A frozen program runs with the library path of its bundle and keeps the user's own beside
    it; tasks get the user's.

    >>> task_environment({"PATH": "/bin", "TIPMAN_TOKEN": "secret", "LD_LIBRARY_PATH": "/bundle",
    ...                   "LD_LIBRARY_PATH_ORIG": "/opt/lib"})
    {'PATH': '/bin', 'LD_LIBRARY_PATH': '/opt/lib'}
    """
    passed = {"PATH": os.defpath} | {name: engine[name] for name in PASSED_ON if name in engine}
    original = engine.get(f"{_LIBRARIES}_ORIG")
    return passed if original is None else {**passed, _LIBRARIES: original}


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
