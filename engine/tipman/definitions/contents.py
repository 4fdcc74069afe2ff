"""Workflows as they are kept under a name: one JSON text each, and a hash of what counts of it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

from tipman.clock import microseconds_of, rfc3339
from tipman.definitions.shapes import STORED_DEPTH_MAX
from tipman.definitions.tasks import DEFAULTS
from tipman.definitions.workflows import Workflow, workflow_of
from tipman.errors import InvalidError
from tipman.jsontext import loads
from tipman.settings import Settings

NOT_IN_VERSIONS = ("schedule",)
"""What does not belong to a version: a schedule is kept by itself, and may change."""
_NOT_COUNTED = ("name",)
_BYTES_MAX = 2**40


class Kept(NamedTuple):
    """A workflow as a version of it is kept."""

    source: str
    """JSON text, its keys in order."""
    content: str
    """A hash of its graph, rules and parameters: of all that it says but its name."""


def kept(workflow: Workflow) -> Kept:
    """Return the text and the hash of a workflow that `workflow_of` made.

    Raises:
        InvalidError: it has a value that is not JSON, such as a function.
    """
    given = unscheduled(workflow).given
    counted = {n: value for n, value in given.items() if n not in _NOT_COUNTED}
    source = _written(given)
    return Kept(source, sha256(_written(counted).encode()).hexdigest())


def unscheduled(workflow: Workflow) -> Workflow:
    """Return a workflow as a version of it has it, without its schedule."""
    given = {n: value for n, value in workflow.given.items() if n not in NOT_IN_VERSIONS}
    return workflow.model_copy(update={"given": given, "schedule": None})


def workflow_from_source(source: str, *, settings: Settings = DEFAULTS) -> Workflow:
    """Return the workflow of a kept text; what was accepted once is, whatever the limits are now.

    The settings complete its tasks, as those of any other workflow.
    """
    unlimited = replace(
        settings,
        depth_max=STORED_DEPTH_MAX,
        string_bytes_max=_BYTES_MAX,
        tasks_max=_BYTES_MAX,
    )
    mapping = loads(source, depth_max=STORED_DEPTH_MAX)
    return workflow_of(mapping, default_name="workflow", settings=unlimited)


def _written(value: Mapping[str, Any]) -> str:
    try:
        return json.dumps(
            value,
            default=_plain,
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
        )
    except (TypeError, ValueError) as error:
        raise InvalidError(f"a workflow must be JSON: {error}") from None


def _plain(value: object) -> object:
    """Return what Python has and JSON has not: an instant."""
    if isinstance(value, datetime):
        return rfc3339(microseconds_of(value))
    raise TypeError(f"{type(value).__name__} is not")
