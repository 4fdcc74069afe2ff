"""What can go wrong, one class per thing a caller may want to tell apart."""

from typing import ClassVar, NamedTuple


class TipmanError(Exception):
    """Base of every error that Tipman raises on purpose; `code` is stable."""

    code: ClassVar[str] = "error"


class Fault(NamedTuple):
    """One thing wrong with an input: where (a JSON pointer) and what."""

    pointer: str
    detail: str


class InvalidError(TipmanError):
    """Input that can not be accepted; `faults` names every place."""

    code = "invalid"

    def __init__(self, message: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults


class TypeOffError(InvalidError):
    """A task of a type that this engine was told not to run (`types_off`)."""

    code = "type_off"


class CycleError(InvalidError):
    """Tasks that wait for one another; the message names the whole cycle."""

    code = "cycle"


class UnknownDependencyError(InvalidError):
    """A dependency that is neither in the batch nor in the database."""

    code = "unknown_dependency"


class NotFoundError(TipmanError):
    """There is no instance with this reference, or it was pruned."""

    code = "not_found"


class KeyExistsError(TipmanError):
    """The key belongs to another instance; `uri` is its address."""

    code = "key_exists"

    def __init__(self, message: str, uri: str) -> None:
        super().__init__(message)
        self.uri = uri


class ConflictError(TipmanError):
    """The event changes nothing in the state the instance is in; `state` names it."""

    code = "conflict"

    def __init__(self, message: str, state: str) -> None:
        super().__init__(message)
        self.state = state


class ForbiddenError(TipmanError):
    """Whoever asks is known and may not do this."""

    code = "forbidden"


class QuotaReachedError(TipmanError):
    """The namespace has as many open tasks as it may; nothing of the submission was kept."""

    code = "quota_reached"


class IdempotencyMismatchError(TipmanError):
    """The idempotency key was used before, for a write that asked for something else."""

    code = "idempotency_mismatch"


class RepeatedError(TipmanError):
    """The write was made already under the same idempotency key: its answer can be recalled."""

    code = "repeated"


class UnavailableError(TipmanError):
    """The engine is stopping or has stopped and takes no more."""

    code = "unavailable"


class EngineRunningError(TipmanError):
    """Another engine holds this database; `pid` is its process, if it can be told."""

    code = "engine_running"

    def __init__(self, message: str, pid: int | None) -> None:
        super().__init__(message)
        self.pid = pid


class DatabaseError(TipmanError):
    """The database can not be read or written; nothing of this write was kept."""

    code = "database"


class DatabaseVersionError(DatabaseError):
    """The database was written by a newer version; it was not touched."""

    code = "database_newer"


class WaitTimeoutError(TipmanError, TimeoutError):
    """The wait ran out; what was waited for goes on."""

    code = "wait_timeout"


class MergeConflictError(TipmanError):
    """Two tasks gave a key of the context a value, and none had seen the other's.

    `key` is the key; `first` and `second` are the writers, in the order of the dependencies.
    """

    code = "merge_conflict"

    def __init__(self, key: str, first: str, second: str) -> None:
        super().__init__(
            f"{first} and {second} both gave {key!r} a value;"
            f" let one depend on the other, or say in `merge` which counts"
        )
        self.key, self.first, self.second = key, first, second


class TaskFailedError(TipmanError):
    """`Handle.result` of a task that settled otherwise than succeeded."""

    code = "task_failed"
