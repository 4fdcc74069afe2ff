"""Envelopes: lines of the event log as they are sent.

`GET /events` speaks CloudEvents 1.0; the events of one instance are plain log lines.
"""

import json

from tipman.clock import rfc3339
from tipman.ids import text_of
from tipman.journal import Line

from tipman_api.stream import frame

SOURCE = "/api/v1/events"
URIS = {"task": "/api/v1/tasks/", "run": "/api/v1/runs/"}
"""Where the instances of each kind have their addresses."""
_ANY_URI = "/api/v1/instances/"
_quoted = json.encoder.encode_basestring
"""Text as a JSON string; a constant format around it costs a quarter of `dumps` of a dict."""


def uri_of(line: Line) -> str:
    """Return the address of the instance that a line is of."""
    return URIS.get(line.kind, _ANY_URI) + text_of(line.instance)


def line_text(line: Line) -> str:
    """Return a line of one instance's log as JSON text."""
    return _line_text(line, rfc3339(line.at))


def _line_text(line: Line, at: str) -> str:
    return (
        f'{{"seq":{line.sequence},"name":{_quoted(line.name)},"at":"{at}",'
        f'"actor":{_quoted(line.actor)},"before":{_quoted(line.before)},'
        f'"after":{_quoted(line.after)},"data":{line.data or "null"}}}'
    )


def envelope_text(line: Line) -> str:
    """Return a line as a CloudEvents 1.0 event, JSON text.

    Beside the attributes of the specification it has `namespace`, `kind`, and the instance's own
    `subjectname` and `subjectkey` (left out when it has none).
    """
    at = rfc3339(line.at)
    key = "" if line.key is None else f'"subjectkey":{_quoted(line.key)},'
    return (
        f'{{"specversion":"1.0","id":"{line.mark}","source":"{SOURCE}","type":{_quoted(line.name)},'
        f'"subject":"{uri_of(line)}","time":"{at}",'
        f'"datacontenttype":"application/json","namespace":{_quoted(line.namespace)},'
        f'"kind":{_quoted(line.kind)},{key}"subjectname":{_quoted(line.label)},'
        f'"data":{_line_text(line, at)}}}'
    )


def line_frame(line: Line) -> bytes:
    """Return a line of one instance's log as a message of a stream."""
    return frame(str(line.sequence), line.name, line_text(line))


def envelope_frame(line: Line) -> bytes:
    """Return a line as a message of the stream of all events; made once for all who follow."""
    if line.rendered is None:
        line.rendered = frame(str(line.mark), line.name, envelope_text(line))
    rendered: bytes = line.rendered
    return rendered
