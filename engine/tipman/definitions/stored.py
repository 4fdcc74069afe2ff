"""Tasks as they are stored: their options as one JSON text, and back without validation."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from tipman.definitions.shapes import DEFAULT_OPTIONS, Retry, Task
from tipman.jsontext import loads
from tipman.retries import Backoff

DEPTH_MAX = 600
"""What was once accepted is read again, whatever the setting says by then."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def task_from_row(
    type_: str, arguments: str, options: str, name: str, key: str | None, namespace: str
) -> Task:
    """Return a task from its texts: `dumps` of its arguments, and its `options`."""
    bare = Task.model_construct(
        type=type_,
        arguments=loads(arguments, depth_max=DEPTH_MAX),
        name=name,
        key=key,
        namespace=namespace,
    )
    return bare.beside(**_stated(options), options=options)


@lru_cache(maxsize=1024)
def options_of(options: str) -> Mapping[str, Any]:
    """Return all options of a task by name, defaults too, and `attempts_max` of its retries."""
    found = {**DEFAULT_OPTIONS, **_stated(options)}
    return {**found, "attempts_max": found["retry"].attempts_max}


@lru_cache(maxsize=1024)
def _stated(text: str) -> Mapping[str, Any]:
    options = cast("dict[str, Any]", loads(text))
    if "due_at" in options:
        options["due_at"] = _EPOCH + timedelta(microseconds=options["due_at"])
    if "retry" in options:
        retry = options["retry"]
        if "backoff" in retry:
            retry["backoff"] = Backoff(retry["backoff"])
        if "on" in retry:
            retry["on"] = tuple(retry["on"])
        options["retry"] = Retry.model_construct(**retry)
    return options
