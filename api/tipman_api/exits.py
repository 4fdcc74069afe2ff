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
)


class ExitCode(IntEnum):
    """Ours are those of CONTRACT; 70 and 75 are named in sysexits.h."""

    OK = 0
    FAILED = 1
    INVALID = 2
    NOT_FOUND = 3
    CONFLICT = 5
    INTERNAL = 70
    HELD = 75
    INTERRUPTED = 130


_CODES: tuple[tuple[type[TipmanError], ExitCode], ...] = (
    (InvalidError, ExitCode.INVALID),
    (NotFoundError, ExitCode.NOT_FOUND),
    (KeyExistsError, ExitCode.CONFLICT),
    (ConflictError, ExitCode.CONFLICT),
    (EngineRunningError, ExitCode.HELD),
    # One that can not be used from the start; an engine that loses its database is a fault.
    (DatabaseError, ExitCode.INVALID),
)


def exit_code_of(error: TipmanError) -> ExitCode:
    """Return how a command ends that met this error.

    >>> exit_code_of(NotFoundError("no task 'pack'"))
    <ExitCode.NOT_FOUND: 3>
    """
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.INTERNAL)
