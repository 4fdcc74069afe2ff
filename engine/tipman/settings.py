"""Settings: a flag, else a `TIPMAN_…` variable, else `tipman.toml`, else the default.

Nothing here reads a file or the environment: the caller hands both in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from tipman.errors import Fault, InvalidError
from tipman.spelling import hint

VARIABLE_PREFIX = "TIPMAN_"
SWITCHED_TYPES = ("exec", "eval", "python")
"""Task types that run what their submitter wrote; `types_off` switches them off."""
SECONDS_MAX = 100 * 365 * 86_400
"""No duration is longer than a hundred years, so that no instant is past what can be stored."""


class Durability(StrEnum):
    """How far an acknowledged write has gone: to the disk, or to the operating system."""

    FULL = "full"
    NORMAL = "normal"


class LogLevel(StrEnum):
    """The least important lines that are still logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line is written."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an engine is told before it starts.

    `database` empty means the file `tipman.db` in `home` (see `database_url`), `python` None
    means the interpreter that the engine itself runs on. From `body_bytes_max` on they are
    limits: past one the answer is a clear error, or for output a marked cut.
    """

    home: Path = Path(".tipman")
    database: str = ""
    durability: Durability = Durability.FULL
    slots: int = 16
    queues: Mapping[str, int] = field(default_factory=dict)
    python: str | None = None
    attempts_max: int = 1
    lost_max: int = 3
    timeout_s: float = 3600.0
    grace_s: float = 10.0
    drain_s: float = 30.0
    retention_days: float = 30.0
    retention_tasks_max: int | None = None
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.TEXT
    host: str = "127.0.0.1"
    port: int = 8000
    types_off: tuple[str, ...] = ()
    read_timeout_s: float = 10.0
    body_bytes_max: int = 16 * 1024 * 1024
    depth_max: int = 64
    string_bytes_max: int = 1024 * 1024
    values_max: int = 2_000_000
    header_bytes_max: int = 32 * 1024
    query_bytes_max: int = 8 * 1024
    connections_max: int = 500
    tasks_max: int = 100_000
    runs_depth_max: int = 16
    result_bytes_max: int = 1024 * 1024
    output_head_bytes: int = 1024 * 1024
    output_tail_bytes: int = 64 * 1024
    streams_max: int = 100
    stream_frame_bytes: int = 64 * 1024
    stream_lines_max: int = 4_096

    @property
    def database_url(self) -> str:
        """The URL of the database, by default `sqlite:///<home>/tipman.db`.

        >>> Settings(home=Path("/srv/tipman")).database_url
        'sqlite:////srv/tipman/tipman.db'
        """
        return self.database or f"sqlite:///{self.home / 'tipman.db'}"


def load(
    *,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    toml: str = "",
    defaults: Mapping[str, object] | None = None,
) -> Settings:
    """Return the settings, each from the first source that has it.

    *flags* and *defaults* use the names of the settings, with values or their text; a flag that
    is None was not given. *toml* is the text of `tipman.toml`; *defaults*
    stand in for the built-in ones. A variable has the name in capitals after `TIPMAN_`.

    Raises:
        InvalidError: an unknown name, a wrong type or a value out of range; all of them in
            `faults`, whose pointers start with the source.
    """
    reader = _Reader()
    reader.read("defaults", _texts(defaults), said=lambda name: name)
    reader.read("file", _file(toml), said=lambda name: name)
    reader.read("environment", _variables(environ or {}), said=_as_variable)
    reader.read("flags", _texts(flags), said=_as_flag)
    return reader.settings()


class _Kind(NamedTuple):
    """What a setting may be: in words, from text, as a value, and as what it is kept."""

    words: str
    parse: Callable[[str], object]
    accepts: Callable[[object], bool]
    keep: Callable[[Any], object] = lambda value: value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_path(value: object) -> bool:
    return isinstance(value, Path) or _is_text(value)


def _is_not_negative(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= SECONDS_MAX


def _is_positive(value: object) -> bool:
    return _is_not_negative(value) and value != 0


def _whole(least: int, most: int | None = None) -> _Kind:
    words = f"a whole number of at least {least}" + (f" and at most {most}" if most else "")
    return _Kind(
        words,
        int,
        lambda value: type(value) is int and value >= least and (most is None or value <= most),
    )


def _choice(of: type[StrEnum]) -> _Kind:
    return _Kind(f"one of {', '.join(of)}", str, lambda value: value in set(of), of)


def _parse_queues(text: str) -> dict[str, int]:
    pairs = (part.partition("=") for part in text.split(",") if part.strip())
    return {name.strip(): int(slots) for name, _, slots in pairs}


def _parse_types(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _are_types(value: object) -> bool:
    return isinstance(value, list | tuple) and all(name in SWITCHED_TYPES for name in value)


def _are_queues(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and name and type(slots) is int and slots >= 1
        for name, slots in value.items()
    )


_TEXT = _Kind("a text that is not empty", str, _is_text)
_PATH = _Kind("a path that is not empty", str, _is_path, Path)
_AT_MOST = f"and at most {SECONDS_MAX:,}"
_POSITIVE = _Kind(f"a number above 0 {_AT_MOST}", float, _is_positive, float)
_NOT_NEGATIVE = _Kind(f"a number of at least 0 {_AT_MOST}", float, _is_not_negative, float)
_TYPES = _Kind(
    f"task types out of {', '.join(SWITCHED_TYPES)}, such as `exec,eval`",
    _parse_types,
    _are_types,
    tuple,
)
_QUEUES = _Kind(
    "queue names with their slots, such as `mail=4,reports=1`", _parse_queues, _are_queues, dict
)

_KINDS = {
    "home": _PATH,
    "database": _TEXT,
    "durability": _choice(Durability),
    "slots": _whole(1),
    "queues": _QUEUES,
    "python": _TEXT,
    "attempts_max": _whole(1),
    "lost_max": _whole(1),
    "timeout_s": _POSITIVE,
    "grace_s": _NOT_NEGATIVE,
    "drain_s": _NOT_NEGATIVE,
    "retention_days": _POSITIVE,
    "retention_tasks_max": _whole(1),
    "log_level": _choice(LogLevel),
    "log_format": _choice(LogFormat),
    "host": _TEXT,
    "port": _whole(0, 65535),
    "types_off": _TYPES,
    "read_timeout_s": _POSITIVE,
    "body_bytes_max": _whole(1),
    "depth_max": _whole(1, 500),
    "string_bytes_max": _whole(1),
    "values_max": _whole(1),
    "header_bytes_max": _whole(1),
    "query_bytes_max": _whole(1),
    "connections_max": _whole(1),
    "tasks_max": _whole(1),
    "runs_depth_max": _whole(0, 1_000),
    "result_bytes_max": _whole(1),
    "output_head_bytes": _whole(1),
    "output_tail_bytes": _whole(0),
    "streams_max": _whole(0, 10_000),
    "stream_frame_bytes": _whole(1),
    "stream_lines_max": _whole(1, 1_000_000),
}
_SAID = {"types_off": "--without"}
"""Flags that are not called as their setting is."""
_LATER = {
    "lease_s": "comes with PostgreSQL workers",
}
# Variables that start like settings and are none: the client's, and those that tasks find.
_OTHER_VARIABLES = frozenset(
    {"url", "token", "task", "attempt", "epoch", "context", "result", "due_at", "run", "run_state"}
)
_TEST_VARIABLES = "test_"


class _Reader:
    """Collects values, later sources over earlier ones, and everything wrong with them."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._faults: list[Fault] = []

    def read(self, source: str, given: Mapping[str, object], said: Callable[[str], str]) -> None:
        for name, value in given.items():
            kind = _KINDS.get(name)
            detail = _unknown(said, name) if kind is None else self._take(kind, name, value)
            if detail is not None:
                self._faults.append(Fault(f"/{source}/{name}", f"`{said(name)}` {detail}"))

    def settings(self) -> Settings:
        if self._faults:
            details = "; ".join(fault.detail for fault in self._faults)
            raise InvalidError(details, tuple(self._faults))
        return Settings(**self._values)

    def _take(self, kind: _Kind, name: str, value: object) -> str | None:
        """Keep a value, or say what is wrong with it."""
        given = value.text if isinstance(value, _Text) else value
        refusal = f"must be {kind.words}, not {given!r}"
        try:
            meant = kind.parse(value.text) if isinstance(value, _Text) else value
        except ValueError:
            return refusal
        if not kind.accepts(meant):
            return refusal
        self._values[name] = kind.keep(meant)
        return None


class _Text(NamedTuple):
    """A value as text, from a flag or a variable, which is to be read first."""

    text: str


def _unknown(said: Callable[[str], str], name: str) -> str:
    if name in _LATER:
        return _LATER[name]
    known = {said(other): None for other in _KINDS}
    return f"is no setting{hint(said(name), known)}"


def _texts(given: Mapping[str, object] | None) -> dict[str, object]:
    pairs = (given or {}).items()
    return {
        name: _Text(value) if isinstance(value, str) else value
        for name, value in pairs
        if value is not None
    }


def _variables(environ: Mapping[str, str]) -> dict[str, object]:
    mine = (
        (name.removeprefix(VARIABLE_PREFIX).lower(), value)
        for name, value in environ.items()
        if name.startswith(VARIABLE_PREFIX)
    )
    return {
        name: _Text(value)
        for name, value in mine
        if name not in _OTHER_VARIABLES and not name.startswith(_TEST_VARIABLES)
    }


def _file(text: str) -> dict[str, object]:
    if not text:
        return {}
    import tomllib  # noqa: PLC0415 - most processes have no file

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        detail = f"tipman.toml: {error}"
        raise InvalidError(detail, (Fault("/file", detail),)) from None


def _as_variable(name: str) -> str:
    return VARIABLE_PREFIX + name.upper()


def _as_flag(name: str) -> str:
    return _SAID.get(name, "--" + name.replace("_", "-"))
