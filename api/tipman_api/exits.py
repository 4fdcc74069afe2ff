"""Exit codes: what scripts tell the ends of a command apart by."""

from enum import IntEnum

from tipman.errors import (
    ConflictError,
    DatabaseError,
    EngineRunningError,
    InvalidError,
    KeyExistsError,
    NotFoundError,
    TipmanError,
    WaitTimeoutError,
)

from tipman_api.refusals import ForeignAnswerError, NoServerError, RefusedError


class ExitCode(IntEnum):
    """Ours are those of CONTRACT; 70, 74 and 75 are named in sysexits.h."""

    OK = 0
    FAILED = 1
    INVALID = 2
    NOT_FOUND = 3
    NO_SERVER = 4
    CONFLICT = 5
    INTERNAL = 70
    OUTPUT_LOST = 74
    HELD = 75
    WAIT_RAN_OUT = 124
    INTERRUPTED = 130


_CODES: tuple[tuple[type[TipmanError], ExitCode], ...] = (
    (InvalidError, ExitCode.INVALID),
    (NotFoundError, ExitCode.NOT_FOUND),
    (KeyExistsError, ExitCode.CONFLICT),
    (ConflictError, ExitCode.CONFLICT),
    (EngineRunningError, ExitCode.HELD),
    # One that can not be used from the start; an engine that loses its database is a fault.
    (DatabaseError, ExitCode.INVALID),
    (NoServerError, ExitCode.NO_SERVER),
    (WaitTimeoutError, ExitCode.WAIT_RAN_OUT),
)
_BY_STATUS = {
    404: ExitCode.NOT_FOUND,
    409: ExitCode.CONFLICT,
    # A quota: other work has to settle first.
    429: ExitCode.CONFLICT,
    # The engine is stopping, or has not started.
    503: ExitCode.NO_SERVER,
}
_STATUS_FAULT = 500


def exit_code_of(error: TipmanError) -> ExitCode:
    """Return how a command ends that met this error.

    >>> exit_code_of(NotFoundError("no task 'pack'"))
    <ExitCode.NOT_FOUND: 3>
    """
    if isinstance(error, ForeignAnswerError):
        return ExitCode.NO_SERVER
    if isinstance(error, RefusedError):
        otherwise = ExitCode.INTERNAL if error.status >= _STATUS_FAULT else ExitCode.INVALID
        return _BY_STATUS.get(error.status, otherwise)
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.INTERNAL)
