"""Logs: what the program says of itself, a line an event, on standard error.

As text it is for people, as JSON one object a line, all ASCII. Whoever logs about a task or an
attempt says so with `extra={"task": UUID, "attempt": NUMBER}`. What looks like a token never gets
into a line.
"""

import json
import logging
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

from tipman.settings import LogFormat, Settings

OURS = ("tipman", "tipman_api")
SERVERS = ("uvicorn", "uvicorn.error", "uvicorn.access")
_ABOUT = ("task", "attempt")
_SECRET = re.compile(
    r"(?i)(\bbearer[ =]+|\b[\w-]*token[\"']?\s*[=:]\s*[\"']?|\bcookie[\"']?\s*[=:]\s*[\"']?)"
    r"(?!bearer\b)[^\s\"'&,;<>]+"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Send every log line to *stream*, by default standard error.

    Our loggers and the server's say what `log_level` asks for, other libraries' only warnings. A
    second call replaces the first.
    """
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    is_json = settings.log_format is LogFormat.JSON
    handler.setFormatter(LineFormatter(as_json if is_json else as_text))
    root = logging.getLogger()
    for old in [*root.handlers]:
        if isinstance(old.formatter, LineFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root.setLevel(max(level, logging.WARNING))
    for name in (*OURS, *SERVERS):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(level)
    logging.captureWarnings(capture=True)


class LineFormatter(logging.Formatter):
    """Formats records as *shape* does, and takes out what looks like a token."""

    def __init__(self, shape: Callable[[dict[str, object]], str]) -> None:
        super().__init__()
        self._shape = shape

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line; as text a traceback follows on lines of its own."""
        fields: dict[str, object] = {
            "at": _instant(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": scrubbed(record.getMessage()),
        }
        about = ((name, record.__dict__.get(name)) for name in _ABOUT)
        fields.update((name, value) for name, value in about if value is not None)
        if record.exc_info:
            fields["traceback"] = scrubbed(self.formatException(record.exc_info))
        if record.stack_info:
            fields["stack"] = scrubbed(record.stack_info)
        return self._shape(fields)


def as_json(fields: dict[str, object]) -> str:
    r"""Return a line for programs.

    >>> as_json({"at": "2026-11-21T09:00:00.000000Z", "level": "info", "message": "é\n"})
    '{"at":"2026-11-21T09:00:00.000000Z","level":"info","message":"\\u00e9\\n"}'
    """
    # Half a character, which a client may have sent, is no trouble where all is ASCII.
    return json.dumps(fields, separators=(",", ":"), default=str)


def as_text(fields: dict[str, object]) -> str:
    r"""Return a line for people; nothing in a message can begin another line.

    >>> as_text({"at": "…", "level": "info", "logger": "x", "message": "one\ntwo", "task": 1})
    '… info    x: one\\ntwo (task 1)'
    """
    said = _CONTROL.sub(lambda found: ascii(found[0])[1:-1], str(fields["message"]))
    about = ", ".join(f"{name} {fields[name]}" for name in _ABOUT if name in fields)
    line = f"{fields['at']} {fields['level']:<7} {fields['logger']}: {said}"
    line += f" ({about})" if about else ""
    for name in ("traceback", "stack"):
        if name in fields:
            line += f"\n{fields[name]}"
    return line.encode("utf-8", "backslashreplace").decode()


def scrubbed(text: str) -> str:
    """Return *text* without what looks like a token.

    >>> scrubbed("GET /api/v1/tasks?token=s3cret&limit=1 Authorization: Bearer s3cret")
    'GET /api/v1/tasks?token=***&limit=1 Authorization: Bearer ***'
    """
    return _SECRET.sub(r"\1***", text)


def _instant(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
