"""Telemetry: whether spans are made of what happens, and the header that ties them to others'.

Nothing of it is there unless `OTEL_TRACES_EXPORTER` names an exporter, or a program hands in a
span processor; `tipman.spans` does the work then.

Source: W3C Trace Context, section 3.2 (traceparent).
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tipman.database import Database, Row
from tipman.effects import Effect
from tipman.errors import InvalidError

EXPORTER_VARIABLE = "OTEL_TRACES_EXPORTER"
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_TEXT_MAX = 512
_log = logging.getLogger(__name__)


class Telemetry(Protocol):
    """What an engine tells of its work, on the bus's thread; both are quick."""

    def hear(self, lines: Sequence[Row]) -> None:
        """Take note of the log lines of a commit."""

    def outfit(self, effects: Sequence[Effect]) -> list[Effect]:
        """Return the effects, each new attempt with the id of the span that it will be."""

    def close(self) -> None:
        """Hand over what was heard; bounded in time."""


def traceparent_of(text: str | None) -> str | None:
    """Return a `traceparent` header as it is kept, None where it says nothing.

    >>> traceparent_of(" 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 ")
    '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    >>> traceparent_of("00-00000000000000000000000000000000-00f067aa0ba902b7-01") is None
    True
    """
    if text is None or len(text) > _TEXT_MAX:
        return None
    found = _TRACEPARENT.fullmatch(text.strip(" \t"))
    if found is None:
        return None
    version, trace, span, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest) or not int(trace, 16) or not int(span, 16):
        return None
    return f"00-{trace}-{span}-{int(flags, 16) & 1:02x}"


def from_environment(
    environ: Mapping[str, str], reader: Callable[[], Database]
) -> Telemetry | None:
    """Return telemetry if the environment asks for it and it can be had; else say why not."""
    name = environ.get(EXPORTER_VARIABLE, "").strip()
    if name in {"", "none"}:
        return None
    try:
        # The SDK takes a tenth of a second to import, and is there only if somebody wants it.
        from tipman.spans import SpanMaker, processor_named  # noqa: PLC0415 - see above

        return SpanMaker(processor_named(name), reader)
    except ImportError:
        _log.warning("%s is set, but not installed: tipman[telemetry]", EXPORTER_VARIABLE)
    except InvalidError as error:
        _log.warning("%s: %s", EXPORTER_VARIABLE, error)
    return None
