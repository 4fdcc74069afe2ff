"""Crontabs: read as cron reads them, and said again as schedules.

What a line means is that of crontab(5) of Vixie's cron and its heirs: variables hold for the lines
below them, the first `%` of a command ends it and begins its standard input.

Source: crontab(5) of cronie and of Debian; `load_env` and `child_process` of Vixie's cron.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

from tipman.spelling import hint

ALIASES: Mapping[str, str] = {
    **{f"@{name}": f"@{name}" for name in ("yearly", "monthly", "weekly", "daily", "hourly")},
    "@annually": "@yearly",
    "@midnight": "@daily",
    "@every_minute": "* * * * *",
}
"""What may stand in place of five fields, besides `@reboot`."""
SHELL = "/bin/sh"
NAME_CHARACTERS_MAX = 200
_FIELDS = 5
_VARIABLE = re.compile(
    r"""[ \t]*(?:"(?P<double>[^"=]+)"|'(?P<single>[^'=]+)'|(?P<bare>[^\s="']+))[ \t]*="""
    r"""[ \t]*(?P<value>.*?)[ \t]*""",
    re.DOTALL,
)
_WORD = re.compile(r"[^ \t]+")
_COMMAND_PART = re.compile(r"\\.|%|[^\\%]+|\\", re.DOTALL)
_INPUT_PERCENT = re.compile(r"\\?%")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_NO_KEY = re.compile(r"[^A-Za-z0-9._-]+")
_MAIL = frozenset({"MAILTO", "MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING"})
_CRONS_OWN = frozenset({"LOGNAME", "USER"})
_EVERYTHING_RANDOM = "RANDOM_DELAY"


class Syntax(Enum):
    """Whose crontab it is: that of the system names a user before each command."""

    USER = "user"
    SYSTEM = "system"


class Note(NamedTuple):
    """Something of a line that is not carried over."""

    line: int
    detail: str


class Misfit(NamedTuple):
    """A line that is no entry, and the column, from 1, from which on it is none."""

    line: int
    column: int
    detail: str


class Entry(NamedTuple):
    """A line that is to be a schedule."""

    line: int
    column: int
    """Where the expression begins, from 1."""
    cron: str
    user: str | None
    command: str
    stdin: str | None
    environment: Mapping[str, str]
    shell: str
    folder: str | None
    """Where it runs, if the crontab says `HOME`."""
    timezone: str | None
    jitter_s: float


class Crontab(NamedTuple):
    """What a crontab says; one with faults is there to be refused."""

    file: str
    entries: tuple[Entry, ...]
    notes: tuple[Note, ...]
    faults: tuple[Misfit, ...]


class _Surroundings:
    """What the lines so far have said for those to come."""

    def __init__(self) -> None:
        self.environment: dict[str, str] = {}
        self.shell = SHELL
        self.folder: str | None = None
        self.timezone: str | None = None
        self.jitter_s = 0.0

    def take(self, name: str, value: str) -> str | None:
        """Take a variable; return what is not carried over of it, None if all is."""
        if name in _MAIL:
            is_silent = name == "MAILTO" and not value
            return None if is_silent else f"`{name}`: nothing is mailed; see `tipman logs`"
        if name in _CRONS_OWN or name.startswith("TIPMAN_"):
            return f"`{name}` can not be set"
        if name == "CRON_TZ":
            self.timezone = value
            return None
        if name == _EVERYTHING_RANDOM:
            return self._delay(value)
        if name == "SHELL":
            self.shell = value or SHELL
        if name == "HOME":
            self.folder = value
        self.environment = {**self.environment, name: value}
        return None

    def _delay(self, value: str) -> str | None:
        if not (value.isascii() and value.isdigit()):
            return f"`{_EVERYTHING_RANDOM}`: {value!r} is no number of minutes"
        self.jitter_s = int(value) * 60.0
        return None


def read_crontab(text: str, *, file: str, syntax: Syntax) -> Crontab:
    """Read a crontab that is called *file*. Nothing in it is run or looked up."""
    around = _Surroundings()
    entries: list[Entry] = []
    notes: list[Note] = []
    faults: list[Misfit] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip(" \t\r") or line.lstrip(" \t").startswith("#"):
            continue
        variable = _VARIABLE.fullmatch(line.rstrip("\r"))
        if variable is not None:
            left = around.take(*_assigned(variable))
            notes += [] if left is None else [Note(number, left)]
            continue
        found = _entry(number, line.rstrip("\r"), syntax, around)
        match found:
            case Entry():
                entries.append(found)
            case Note():
                notes.append(found)
            case Misfit():
                faults.append(found)
    return Crontab(file, tuple(entries), tuple(notes), tuple(faults))


def schedules_of(
    entries: Iterable[Entry], *, prefix: str, timezone: str, rest: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield entries as schedules that do what cron does, changed by the fields of *rest*.

    Their keys are *prefix* and the name of the program, with a number where there are several;
    *timezone* is that of entries that do not say.
    """
    used: dict[str, int] = {}
    for entry in entries:
        stem = prefix + _program_of(entry.command)
        used[stem] = used.get(stem, 0) + 1
        yield {
            "key": stem if used[stem] == 1 else f"{stem}-{used[stem]}",
            "name": _name_of(entry.command),
            "cron": entry.cron,
            "timezone": entry.timezone or timezone,
            **({"jitter_s": entry.jitter_s} if entry.jitter_s else {}),
            # Cron starts a job beside one that still runs, and forgets what it slept through.
            "overlap": "allow",
            "catch_up": {"policy": "none"},
            **rest,
            "task": _task_of(entry),
        }


def _task_of(entry: Entry) -> dict[str, Any]:
    arguments: Any = {"shell": entry.command}
    if entry.shell != SHELL:
        arguments = {"argv": [_plain(t) for t in (entry.shell, "-c", entry.command)]}
    if entry.stdin is not None:
        arguments["stdin"] = _plain(entry.stdin)
    if entry.folder is not None:
        arguments["cwd"] = _plain(entry.folder)
    if arguments.keys() == {"shell"}:
        arguments = entry.command
    # Cron lets a job take as long as it wants.
    task = {"type": "exec", "arguments": arguments, "timeout_s": None}
    return {**task, "env": dict(entry.environment)} if entry.environment else task


def _entry(number: int, line: str, syntax: Syntax, around: _Surroundings) -> Entry | Note | Misfit:
    """Return what a line is: an entry, one that is left out, or one that can not be read."""
    # A dash before an entry keeps cron from logging it.
    start = line.index("-") + 1 if line.lstrip(" \t").startswith("-") else 0
    words = [*_WORD.finditer(line, start)]
    is_alias = line[start:].lstrip(" \t").startswith("@")
    wanted = (1 if is_alias else _FIELDS) + (syntax is Syntax.SYSTEM)
    if len(words) <= wanted:
        what = "a user and a command" if syntax is Syntax.SYSTEM else "a command"
        when = "a word such as @daily" if is_alias else "five fields"
        return Misfit(number, len(line.rstrip(" \t")) + 1, f"needs {when} and then {what}")
    times = words[: 1 if is_alias else _FIELDS]
    cron = " ".join(word.group() for word in times)
    if is_alias:
        if cron == "@reboot":
            return Note(number, "left out: `@reboot`, as no schedule is due at a start")
        if cron not in ALIASES:
            meant = hint(cron, (*ALIASES, "@reboot"))
            return Misfit(number, words[0].start() + 1, f"`{cron}` is unknown{meant}")
        cron = ALIASES[cron]
    if "~" in cron:
        return Note(number, f"left out: `{cron}` is by chance; say a time, and a `jitter_s`")
    user = words[wanted - 1].group() if syntax is Syntax.SYSTEM else None
    command, stdin = _command_of(line[words[wanted].start() :])
    return Entry(
        number, times[0].start() + 1, cron, user, command, stdin, around.environment,
        around.shell, around.folder, around.timezone, around.jitter_s,
    )  # fmt: skip


def _assigned(variable: re.Match[str]) -> tuple[str, str]:
    name = variable["double"] or variable["single"] or variable["bare"]
    value = variable["value"]
    if len(value) > 1 and value[0] in "\"'" and value[-1] == value[0]:
        value = value[1:-1]
    return name, value


def _command_of(text: str) -> tuple[str, str | None]:
    r"""Return a command and its standard input.

    >>> _command_of(r"mail -s 100\% ada%Dear Ada,%%100\%")
    ('mail -s 100% ada', 'Dear Ada,\n\n100%\n')
    """
    parts: list[str] = []
    for part in _COMMAND_PART.finditer(text):
        if part.group() == "%":
            given = _INPUT_PERCENT.sub(
                lambda m: "%" if len(m[0]) > 1 else "\n", text[part.end() :]
            )
            ending = "" if not given or given.endswith("\n") else "\n"
            return "".join(parts), given + ending
        parts.append("%" if part.group() == r"\%" else part.group())
    return "".join(parts), None


def _program_of(command: str) -> str:
    """Return the name of the program that a command calls, as it may stand in a key.

    >>> _program_of("LANG=C /usr/bin/make -C /srv report"), _program_of("[ -x a ] && b")
    ('make', 'job')
    """
    words = (word for word in command.split() if not _ASSIGNMENT.match(word))
    name = next(words, "").rstrip("/").rpartition("/")[2]
    return _NO_KEY.sub("-", name).strip("-.")[:100] or "job"


def _name_of(command: str) -> str:
    """Return a command as the name of a schedule: one line, not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in command).split())
    if len(line) <= NAME_CHARACTERS_MAX:
        return line
    return line[: NAME_CHARACTERS_MAX - 1].rstrip() + "…"


def _plain(text: str) -> str:
    """Return a text in which braces are not those of expressions."""
    return text.replace("{", "{{").replace("}", "}}")
