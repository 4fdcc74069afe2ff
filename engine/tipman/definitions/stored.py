"""Tasks as they are stored: their options as one JSON text, and back without validation."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from tipman.definitions.shapes import DEFAULT_OPTIONS, PACKED, STORED_DEPTH_MAX, Retry, Task
from tipman.jsontext import loads
from tipman.retries import Backoff

_ANYWHERE = "default"
"""A task that another brings along lives where that one does; its text does not say where."""
_BARE = Task.model_construct(type="exec")
"""Tasks are copies of it with other values: looking up defaults anew takes ten times as long."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def task_from_row(
    type_: str, arguments: str, options: str, name: str, key: str | None, namespace: str
) -> Task:
    """Return a task from its texts: `dumps` of its arguments, and its `options`."""
    return _BARE.beside(
        type=type_,
        arguments=loads(arguments, depth_max=STORED_DEPTH_MAX),
        name=name,
        key=key,
        namespace=namespace,
        **_stated(options),
        options=options,
    )


def unpacked(packed: Mapping[str, Any], namespace: str) -> Task:
    """Return the task that `Task.packed` wrote, to live in a namespace."""
    texts = (packed["type"], packed["arguments"], packed["options"], packed["name"])
    return task_from_row(*texts, None, namespace)


@lru_cache(maxsize=1024)
def options_of(options: str) -> Mapping[str, Any]:
    """Return all options of a task by name, defaults too, and `attempts_max` of its retries."""
    found = {**DEFAULT_OPTIONS, **_stated(options)}
    return {**found, "attempts_max": found["retry"].attempts_max}


@lru_cache(maxsize=1024)
def _stated(text: str) -> Mapping[str, Any]:
    options = cast("dict[str, Any]", loads(text, depth_max=STORED_DEPTH_MAX))
    if "due_at" in options:
        options["due_at"] = _EPOCH + timedelta(microseconds=options["due_at"])
    if "retry" in options:
        retry = options["retry"]
        if "backoff" in retry:
            retry["backoff"] = Backoff(retry["backoff"])
        if "on" in retry:
            retry["on"] = tuple(retry["on"])
        options["retry"] = Retry.model_construct(**retry)
    if "order_only" in options:
        options["order_only"] = tuple(options["order_only"])
    for name in PACKED:
        if name in options:
            options[name] = unpacked(options[name], _ANYWHERE)
    return options
