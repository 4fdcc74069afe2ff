"""What people see of registered workflows, read from committed rows only."""

from collections.abc import Iterable
from typing import Any

from tipman.clock import rfc3339
from tipman.database import Database
from tipman.jsontext import loads
from tipman.registry.editions import Editions
from tipman.registry.records import WorkflowVersion, version_uri
from tipman.registry.views import DEPTH_MAX

WORKFLOWS_URI = "/api/v1/workflows/"
_COLUMNS = "namespace, name, version, content, source, created_by, created_at, retired_at"
_WORKFLOWS = Editions("workflow", _COLUMNS)
_SUMMARIES = Editions("workflow", _COLUMNS.replace("source", "''"))


def workflow_summary(found: WorkflowVersion) -> dict[str, Any]:
    """Return a version as a JSON object, without the workflow itself."""
    return {
        "name": found.name,
        "namespace": found.namespace,
        "version": found.version,
        "uri": version_uri(WORKFLOWS_URI, found),
        "content": found.content,
        "created_by": found.created_by,
        "created_at": rfc3339(found.created_at),
        "retired_at": None if found.retired_at is None else rfc3339(found.retired_at),
    }


def workflow_view(found: WorkflowVersion, versions: Iterable[int]) -> dict[str, Any]:
    """Return a version as a JSON object; *versions* are all of its name."""
    workflow = loads(found.source, depth_max=DEPTH_MAX)
    return {**workflow_summary(found), "workflow": workflow, "versions": list(versions)}


def workflows(
    database: Database, namespace: str, *, after: str = "", limit: int
) -> list[WorkflowVersion]:
    """Return the newest version of each name behind *after*, in their order, without sources."""
    rows = _SUMMARIES.newest(database, namespace, after=after, limit=limit)
    return [WorkflowVersion(*row) for row in rows]


def workflow_version(
    database: Database, namespace: str, name: str, version: int | None = None
) -> WorkflowVersion:
    """Return a version; with None the newest in use, else the newest.

    Raises:
        NotFoundError: there is none.
    """
    return WorkflowVersion(*_WORKFLOWS.one(database, namespace, name, version))


def workflow_versions(database: Database, namespace: str, name: str) -> list[int]:
    """Return the numbers of all versions, oldest first."""
    return _WORKFLOWS.numbers(database, namespace, name)
