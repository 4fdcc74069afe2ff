"""Signals put off: what must not be torn by an exception from a signal's handler."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

_PUT_OFF = (signal.SIGINT, signal.SIGTERM)
_Handler = Callable[[int, FrameType | None], Any]


class undisturbed:  # noqa: N801 - used as a word of the `with` statement
    """While it lasts, handlers of SIGINT and SIGTERM wait; then they are called.

    Python calls handlers in the main thread, between any two steps, and they may raise. In other
    threads there is nothing to put off. Handlers that are not Python's are left alone.
    """

    __slots__ = ("_came", "_handlers")

    def __enter__(self) -> None:
        """Put handlers off, in the main thread."""
        self._came: list[int] = []
        self._handlers: dict[int, _Handler] = {}
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _PUT_OFF:
            handler = signal.getsignal(number)
            if callable(handler):
                self._handlers[number] = handler
                signal.signal(number, self._note)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put the handlers back, and call them for what came."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        for number in self._came:
            self._handlers[number](number, None)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._came.append(number)
