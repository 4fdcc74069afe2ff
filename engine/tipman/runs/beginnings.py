"""Beginnings: what a run began with, for those who change it or begin another like it."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from tipman.database import Database
from tipman.errors import NotFoundError
from tipman.ids import text_of
from tipman.resources import RUNS_URI


class Kept(NamedTuple):
    """What the rows keep of how a run began."""

    namespace: str
    name: str
    version: int | None
    said: Mapping[str, Any]
    """What the workflow says of all its tasks."""
    given: Mapping[str, Any]
    """The input."""


def kept_of(database: Database, run: bytes) -> Kept:
    """Return how a run began.

    Raises:
        NotFoundError: it never existed, or was pruned.
    """
    rows = database.fetch(
        "SELECT i.namespace, r.name, r.version, r.settings, r.input FROM workflow_run AS r"
        " JOIN instance AS i ON i.id = r.id WHERE r.id = ?",
        (run,),
    )
    if not rows:
        raise NotFoundError(f"no run at {RUNS_URI}{text_of(run)}")
    namespace, name, version, settings, given = rows[0]
    return Kept(namespace, name, version, json.loads(settings), json.loads(given))
