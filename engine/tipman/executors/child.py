"""The program inside a child interpreter: runs `eval` code and `python` calls, one at a time.

It stands alone, for the interpreter need not have our packages nor our version of Python (3.8 or
newer). It speaks JSON lines over a descriptor of its own, far from those that code counts on:
``{"ready": true}`` at first, then for each request ``{"stale": true}`` (sources have changed, a
fresh interpreter is wanted) or an outcome: ``{"result": TEXT, "kept": TEXT, "left_behind": …}``
or ``{"failure": {…}, "left_behind": …}``.
"""

# Paths are text here: pathlib is slow to load, and an attempt waits for it.
# ruff: noqa: PTH109, PTH116, PTH120

from __future__ import annotations

import sys

if __name__ == "__main__":
    # Where this file stands; its neighbours must not hide modules of the standard library.
    sys.path[:] = [folder for folder in sys.path if folder != __file__.rpartition("/")[0]]

import _thread
import atexit
import copy
import ctypes
import fcntl
import importlib
import json
import linecache
import os
import resource
import time
import traceback
from contextlib import suppress
from types import ModuleType, TracebackType
from typing import Any, NoReturn

_PRIVATE_FROM = 500
_CHUNK = 262_144
_MESSAGE_CHARS_MAX = 4_096
_TRACEBACK_CHARS_MAX = 65_536
# File times come from a clock that ticks this seldom, on the systems that we know.
_FILE_TIME_STEP_NS = 20_000_000
_UNSURE = -1
_EVAL_FILE = "<eval>"
_LIBRARIES = ("site-packages", "dist-packages", f"{os.path.dirname(os.__file__)}/")


class _Refusal(Exception):  # noqa: N818 - it is no error of the code
    """What came of the code cannot be its result."""

    def __init__(self, failure: dict[str, Any]) -> None:
        super().__init__(failure["message"])
        self.failure = failure


class Channel:
    """This end of the line to the keeper; blocks."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = _moved_away(descriptor)
        os.close(descriptor)
        self._incoming = bytearray()

    def say(self, message: dict[str, Any]) -> None:
        """Send one message."""
        rest = memoryview(json.dumps(message).encode() + b"\n")
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def next_request(self) -> dict[str, Any]:
        """Wait for a request; the keeper's end is this process's end."""
        while b"\n" not in self._incoming[-_CHUNK:]:
            chunk = os.read(self._descriptor, _CHUNK)
            if not chunk:
                os._exit(0)
            self._incoming += chunk
        line, _, rest = bytes(self._incoming).partition(b"\n")
        self._incoming = bytearray(rest)
        request: dict[str, Any] = json.loads(line)
        return request


def _moved_away(descriptor: int) -> int:
    """Return a copy that neither subprocesses inherit nor a plain range of numbers reaches."""
    for lowest in (_PRIVATE_FROM, 10):
        with suppress(OSError):
            return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)
    return os.dup(descriptor)


class Surroundings:
    """What every attempt finds the same: standard streams, variables, folder, import path."""

    def __init__(self) -> None:
        sys.path.insert(0, os.getcwd())
        sys.argv = [""]
        self._folder = os.getcwd()
        self._path = tuple(sys.path)
        self._variables = dict(os.environ)
        self._streams = {number: _moved_away(number) for number in (1, 2)}
        self._libc = ctypes.CDLL(None)

    def restore(self, variables: dict[str, str]) -> None:
        """Put all in place for an attempt, whatever the one before did to it."""
        os.chdir(self._folder)
        sys.path[:] = self._path
        expected = {**self._variables, **variables}
        if dict(os.environ) != expected:
            os.environ.clear()
            os.environ.update(expected)
        for number, private in self._streams.items():
            os.dup2(private, number)
        for name, number in (("stdout", 1), ("stderr", 2)):
            stream = _stream(number)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)

    def flush(self) -> None:
        """Send on what the code's streams, and those of C, still hold."""
        streams: tuple[Any, ...] = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
        for stream in streams:
            # The code may have closed or replaced them with anything.
            with suppress(Exception):
                stream.flush()
        self._libc.fflush(None)


def _stream(number: int) -> Any:
    return open(
        number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
    )


class Sources:
    """The files that the code's own modules came from; libraries are taken to stay."""

    def __init__(self) -> None:
        self._known = set(sys.modules)
        self._changed_at: dict[str, int] = {}

    def note(self, since_ns: int) -> None:
        """Remember the modules that came since the last time, which was before *since_ns*.

        What was written since then may be another file than the one that was imported.
        """
        for name in set(sys.modules) - self._known:
            file = getattr(sys.modules.get(name), "__file__", None)
            if isinstance(file, str) and not any(place in file for place in _LIBRARIES):
                at = _changed_at(file)
                self._changed_at[file] = at if at < since_ns - _FILE_TIME_STEP_NS else _UNSURE
            self._known.add(name)

    def have_changed(self) -> bool:
        """Tell whether a module would now be another."""
        return any(_changed_at(file) != at for file, at in self._changed_at.items())


def _changed_at(file: str) -> int:
    try:
        return os.stat(file).st_mtime_ns
    except OSError:
        return 0


def run_eval(request: dict[str, Any]) -> tuple[str, str | None]:
    """Run the code as the main module of this interpreter; return the JSON text of `result`."""
    module = ModuleType("__main__")
    vars(module).update(request["globals"], result=None)
    sys.modules["__main__"] = module
    lines = request["code"].splitlines(keepends=True)
    linecache.cache[_EVAL_FILE] = (len(request["code"]), None, lines, _EVAL_FILE)
    code = compile(request["code"], _EVAL_FILE, "exec", dont_inherit=True)
    _bound_memory(request["memory_bytes_max"])
    try:
        exec(code, vars(module))  # noqa: S102 - what it is for
    except SystemExit as leaving:
        if leaving.code not in (None, 0):
            raise _Refusal(_exit_failure(leaving.code)) from None
    finally:
        _bound_memory(None)
        # This process will be killed, not left in the usual way.
        atexit._run_exitfuncs()  # noqa: SLF001 - there is no public way
    result = vars(module).get("result")
    return _json_of(result, "result", request["result_bytes_max"]), None


def _bound_memory(bytes_max: int | None) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    soft = most if bytes_max is None else bytes_max
    if bytes_max is not None and most != resource.RLIM_INFINITY:
        soft = min(soft, most)
    resource.setrlimit(resource.RLIMIT_AS, (soft, most))


def run_python(request: dict[str, Any]) -> tuple[str, str | None]:
    """Call what `module:name` says; return the JSON texts of its result and its fields."""
    module_name, _, name = request["call"].partition(":")
    called: Any = importlib.import_module(module_name)
    for part in name.split("."):
        called = getattr(called, part)
    bytes_max = request["result_bytes_max"]
    if not isinstance(called, type):
        result = _awaited(called(**request["arguments"]))
        return _json_of(result, "result", bytes_max), None
    names = _field_names(called)
    instance: Any = _instance_of(called, names, json.loads(request["kept"] or "{}"))
    result = _awaited(instance.run(**request["arguments"]))
    kept = {field: getattr(instance, field) for field in names if hasattr(instance, field)}
    return _json_of(result, "result", bytes_max), _json_of(kept, "kept state", bytes_max)


def _awaited(value: Any) -> Any:
    if not hasattr(value, "__await__"):
        return value
    import asyncio  # noqa: PLC0415 - large, and few functions need it

    async def wait() -> Any:
        return await value

    return asyncio.run(wait())


def _field_names(kind: type) -> list[str]:
    """Return the public annotated and class attributes that are values, as for `inline`."""
    import inspect  # noqa: PLC0415 - slow to load, and only classes need it

    # Before Python 3.10 a class had its annotations lying open.
    annotations_of = getattr(inspect, "get_annotations", _open_annotations)
    names: dict[str, None] = {}
    for base in reversed(kind.__mro__[:-1]):
        hints = annotations_of(base)
        shared = {name for name, hint in hints.items() if "ClassVar" in str(hint)}
        plain = [name for name, value in vars(base).items() if _is_value(value)]
        names.update(dict.fromkeys(n for n in (*hints, *plain) if n not in shared))
    return [name for name in names if not name.startswith("_")]


def _open_annotations(kind: type) -> dict[str, Any]:
    hints: dict[str, Any] = vars(kind).get("__annotations__", {})
    return hints


def _is_value(attribute: object) -> bool:
    return not (callable(attribute) or hasattr(attribute, "__get__"))


# mypy takes a class that it does not know for its metaclass, hence Any.
def _instance_of(
    kind: Any,
    names: list[str],
    kept: dict[str, Any],
) -> object:
    """Return an instance with the fields that the last run left; others are left out."""
    instance = kind.__new__(kind)
    for name in names:
        default = getattr(kind, name, None)
        if isinstance(default, (list, dict)):
            # The interpreter is used again: what this run appends must not stay in the class.
            setattr(instance, name, copy.deepcopy(default))
    instance.__init__()
    for name in names:
        if name in kept:
            setattr(instance, name, kept[name])
    return instance


def _json_of(value: object, what: str, bytes_max: int) -> str:
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        message = f"the {what} is not JSON: {error}"
        raise _Refusal(_failure("not_json", message)) from None
    if len(text) > bytes_max:
        message = f"the {what} is larger than {bytes_max} bytes of JSON"
        raise _Refusal(_failure("too_large", message))
    return text


def _failure(code: str, message: str) -> dict[str, Any]:
    message = _shortened(message, _MESSAGE_CHARS_MAX)
    return {"code": code, "message": message, "traceback": None, "matches": []}


def _exit_failure(code: object) -> dict[str, Any]:
    """Return what a script's `sys.exit(code)` means: a text is printed and counts as 1."""
    number = code if isinstance(code, int) else 1
    failure = _failure("exit_code", f"exit code {number}" if code == number else str(code))
    return {**failure, "matches": [f"exit:{number}", "exception:SystemExit"]}


def _exception_failure(error: BaseException) -> dict[str, Any]:
    return {
        "code": "exception",
        "message": _shortened(_message_of(error), _MESSAGE_CHARS_MAX),
        "traceback": _shortened(_traceback_of(error), _TRACEBACK_CHARS_MAX),
        "matches": _matches_of(type(error)),
    }


def _traceback_of(error: BaseException) -> str:
    try:
        frames = _user_frames(error.__traceback__)
        return "".join(traceback.format_exception(type(error), error, frames))
    except BaseException as broken:  # noqa: BLE001 - a user's `__notes__` may raise anything
        return f"<its traceback can not be read: {type(broken).__name__}>"


def _message_of(error: BaseException) -> str:
    name = type(error).__name__
    try:
        words = str(error)
    except BaseException as broken:  # noqa: BLE001 - a user's __str__ may raise anything
        words = f"<its message can not be read: {type(broken).__name__}>"
    return f"{name}: {words}" if words else name


def _matches_of(kind: type[BaseException]) -> list[str]:
    conditions = []
    for base in kind.__mro__:
        if base not in (BaseException, object):
            conditions.append(f"exception:{base.__qualname__}")
            if base.__module__ != "builtins":
                conditions.append(f"exception:{base.__module__}.{base.__qualname__}")
    return conditions


# As code objects have it, which in a bundle is not `__file__`.
_NOT_THEIRS = (_matches_of.__code__.co_filename, importlib.import_module.__code__.co_filename)


def _user_frames(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None:
        file = frames.tb_frame.f_code.co_filename
        if file not in _NOT_THEIRS and not file.startswith("<frozen importlib"):
            return frames
        frames = frames.tb_next
    return None


def _shortened(text: str, characters_max: int) -> str:
    text = text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    if len(text) <= characters_max:
        return text
    half = characters_max // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


def outcome_of(request: dict[str, Any], surroundings: Surroundings) -> dict[str, Any]:
    """Run what is asked for; nothing that the code does gets past this."""
    own_pid = os.getpid()
    surroundings.restore(request["variables"])
    try:
        result, kept = run_eval(request) if "code" in request else run_python(request)
        outcome: dict[str, Any] = {"result": result, "kept": kept}
    except _Refusal as refusal:
        outcome = {"failure": refusal.failure}
    except BaseException as error:  # noqa: BLE001 - the border between their code and ours
        outcome = {"failure": _exception_failure(error)}
    surroundings.flush()
    if os.getpid() != own_pid:
        # The code forked: the copy has come to its end, and the attempt is not its to report.
        os._exit(1 if "failure" in outcome else 0)
    return {**outcome, "left_behind": _left_behind()}


def _left_behind() -> bool:
    """Tell whether a thread or a child process of the code is still there."""
    if _thread._count() > 0:  # noqa: SLF001 - counts those that `threading` does not know, too
        return True
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def main(descriptor: int) -> NoReturn:
    """Serve requests until the keeper is gone."""
    channel = Channel(descriptor)
    surroundings, sources = Surroundings(), Sources()
    channel.say({"ready": True})
    while True:
        request = channel.next_request()
        if sources.have_changed():
            channel.say({"stale": True})
            continue
        # As files have it; nothing here waits for a time, and our clock is not at hand.
        since_ns = time.time_ns()
        outcome = outcome_of(request, surroundings)
        sources.note(since_ns)
        channel.say(outcome)


if __name__ == "__main__":
    main(int(sys.argv[1]))
