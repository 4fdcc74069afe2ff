"""Calls of registered functions: what a function sees of its attempt, and what came of it."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from tipman.effects import StartAttempt
from tipman.errors import InvalidError, NotFoundError
from tipman.events import Failure, Report
from tipman.executors import reports
from tipman.executors.functions import RegisteredTask
from tipman.executors.ledger import OpenAttempt
from tipman.ids import text_of
from tipman.jsontext import dumps

_UTF8_BYTES_MAX = 4
_SCALARS = frozenset({str, int, float, bool, type(None)})


class Call(OpenAttempt):
    """One attempt at a registered task; `tipman.current_attempt()` gives it to the function."""

    __slots__ = ("_result_bytes_max", "task")

    def __init__(
        self, start: StartAttempt, task: RegisteredTask[..., Any], result_bytes_max: int
    ) -> None:
        # As `super()` would, which takes a third as long again.
        OpenAttempt.__init__(self, start)
        self.task = task
        self._result_bytes_max = result_bytes_max

    @property
    def id(self) -> str:
        """The instance's UUID."""
        return text_of(self.start.instance)

    @property
    def name(self) -> str:
        """The instance's name."""
        return self.start.name

    @property
    def number(self) -> int:
        """The attempt's number, from 1."""
        return self.start.attempt

    @property
    def context(self) -> Mapping[str, Any]:
        """What the task sees: `context`, and `results` by the names of its dependencies."""
        return self.start.context

    def run(self) -> Report:
        """Make the call in this thread; nothing that the function does gets past this."""
        token = _current.set(self)
        try:
            return self._outcome()
        except BaseException as error:  # noqa: BLE001 - also SystemExit fails this attempt only
            return self._failed(error)
        finally:
            _current.reset(token)

    async def run_on_loop(self) -> Report:
        """Make the call of a coroutine function; to be run as a task of its own."""
        _current.set(self)
        try:
            return await self._outcome_on_loop()
        except BaseException as error:  # noqa: BLE001 - also a cancellation is an outcome here
            return self._failed(error)

    def _outcome(self) -> Report:
        task = self.task
        if self.reason is not None:
            return reports.stopped(self.start, self.reason)
        if task.fields is None:
            return self._ended(task.target(**self._arguments()))
        instance = task.fields.fresh(self.start.kept)
        return self._ended(task.adapted(instance.run)(**self._arguments()), instance)

    async def _outcome_on_loop(self) -> Report:
        task = self.task
        if self.reason is not None:
            return reports.stopped(self.start, self.reason)
        if task.fields is None:
            return self._ended(await task.target(**self._arguments()))
        instance = task.fields.fresh(self.start.kept)
        return self._ended(await task.adapted(instance.run)(**self._arguments()), instance)

    def _arguments(self) -> Mapping[str, Any]:
        # The function may change what it gets; the engine's own copy must not feel it.
        return fresh(self.start.arguments.get("args") or {})

    def _ended(self, result: object, instance: object = None) -> Report:
        what = "result"
        try:
            text, kept = dumps(result), None
            if self.task.fields is not None:
                what = "state of the object"
                kept = self.task.fields.dump(instance)
        except InvalidError as error:
            message = f"the {what} of task {self.task.name!r} is not JSON: {error}"
            return reports.failed(self.start, Failure("not_json", message))
        if self._is_too_large(text):
            return self._too_large("result")
        if kept is not None and self._is_too_large(kept):
            return self._too_large("state")
        return reports.succeeded(self.start, text, kept)

    def _is_too_large(self, text: str) -> bool:
        limit = self._result_bytes_max
        return len(text) * _UTF8_BYTES_MAX > limit and len(text.encode()) > limit

    def _too_large(self, noun: str) -> Report:
        limit = f"{self._result_bytes_max:,} bytes"
        message = f"the {noun} of task {self.task.name!r} is larger than {limit} of JSON"
        return reports.failed(self.start, Failure("too_large", message))

    def _failed(self, error: BaseException) -> Report:
        if self.reason is not None:
            return reports.stopped(self.start, self.reason)
        return reports.failed(self.start, reports.failure_of(error))


_current: ContextVar[Call] = ContextVar("tipman_current_attempt")


def current_attempt() -> Call:
    """Return the attempt in which the calling `inline` function runs.

    Its `stopping` is a `threading.Event` that is set when the attempt is to end: a function that
    may take long looks at it or waits on it, for a thread can not be killed.

    Raises:
        NotFoundError: the caller does not run inside an `inline` attempt.
    """
    attempt = _current.get(None)
    if attempt is None:
        raise NotFoundError("current_attempt() is for functions that run as an `inline` task")
    return attempt


def fresh(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a JSON object that shares no list and no object with this one.

    It may be the very same, where there is none in it: calling by name copies the outermost.

    >>> days = [1, 2]
    >>> fresh({"days": days, "year": 2024})["days"] is days
    False
    """
    for value in arguments.values():
        if type(value) not in _SCALARS:
            return {name: _copied(value) for name, value in arguments.items()}
    return arguments


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copied(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(item) for item in value]
    return value
