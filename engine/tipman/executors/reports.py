"""Reports: how the end of an attempt is told, the same for every executor."""

import traceback
from types import TracebackType

from tipman.effects import StartAttempt
from tipman.events import (
    AttemptFailed,
    AttemptInterrupted,
    AttemptReturned,
    AttemptSucceeded,
    AttemptTimedOut,
    Failure,
    Report,
    StopReason,
)

RESULT_BYTES_MAX = 1 << 20
MESSAGE_CHARS_MAX = 4_096
TRACEBACK_CHARS_MAX = 65_536
_OUR_FRAMES = "tipman.executors"


def succeeded(
    start: StartAttempt, result: str, kept: str | None = None, added: str | None = None
) -> Report:
    """Say that it ended well; *result*, *kept* and *added* are JSON text."""
    return AttemptSucceeded(start.instance, start.attempt, start.epoch, result, kept, added)


def failed(start: StartAttempt, failure: Failure, result: str | None = None) -> Report:
    """Say that it ended badly by itself."""
    return AttemptFailed(start.instance, start.attempt, start.epoch, failure, result)


def stopped(start: StartAttempt, reason: StopReason, result: str | None = None) -> Report:
    """Say that it was ended from outside, and is gone."""
    return _stopped(start, reason, result, detached=False)


def detached(start: StartAttempt, reason: StopReason) -> Report:
    """Say that it should have ended, did not, and is left to itself; `returned` follows."""
    return _stopped(start, reason, None, detached=True)


def returned(start: StartAttempt) -> Report:
    """Say that a detached attempt has come back at last."""
    return AttemptReturned(start.instance, start.attempt, start.epoch)


def _stopped(
    start: StartAttempt, reason: StopReason, result: str | None, *, detached: bool
) -> Report:
    owner = (start.instance, start.attempt, start.epoch)
    if reason is StopReason.TIMED_OUT:
        return AttemptTimedOut(*owner, result, detached)
    return AttemptInterrupted(*owner, reason, result, detached)


def failure_of(error: BaseException) -> Failure:
    """Describe what a user's code raised.

    The message reads `ValueError: …`, the traceback leaves out the engine's own frames, and a
    `retry.on` can name the exception or any base of it, bare or with its module.
    """
    return Failure(
        code="exception",
        message=message_of(error),
        traceback=_shortened(_traceback_of(error), TRACEBACK_CHARS_MAX),
        matches=matches_of(type(error)),
    )


def message_of(error: BaseException) -> str:
    """Return the exception's name and its words, `ValueError: no such day`, bounded."""
    try:
        words = str(error)
    except BaseException as broken:  # noqa: BLE001 - a user's __str__ may raise anything
        words = f"<its message can not be read: {type(broken).__name__}>"
    name = type(error).__name__
    return _shortened(f"{name}: {words}" if words else name, MESSAGE_CHARS_MAX)


def matches_of(kind: type[BaseException]) -> tuple[str, ...]:
    """Return every retry condition that an exception of this class meets.

    >>> matches_of(FileNotFoundError)
    ('exception:FileNotFoundError', 'exception:OSError', 'exception:Exception')
    """
    conditions: list[str] = []
    for base in kind.__mro__:
        if base in (BaseException, object):
            continue
        conditions.append(f"exception:{base.__qualname__}")
        if base.__module__ != "builtins":
            conditions.append(f"exception:{base.__module__}.{base.__qualname__}")
    return tuple(conditions)


def cleaned(text: str) -> str:
    r"""Return text that any database takes: NUL and lone surrogates written as escapes.

    >>> cleaned("a\x00b\udcff")
    'a\\x00b\\udcff'
    """
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def _traceback_of(error: BaseException) -> str:
    try:
        frames = _user_frames(error.__traceback__)
        return "".join(traceback.format_exception(type(error), error, frames))
    except BaseException as broken:  # noqa: BLE001 - a user's `__notes__` may raise anything
        return f"<its traceback can not be read: {type(broken).__name__}>"


def _user_frames(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None:
        module = frames.tb_frame.f_globals.get("__name__", "")
        if not module.startswith(_OUR_FRAMES):
            return frames
        frames = frames.tb_next
    return None


def _shortened(text: str, chars_max: int) -> str:
    text = cleaned(text)
    if len(text) <= chars_max:
        return text
    half = chars_max // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
