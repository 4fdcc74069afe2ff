"""What people see of the registry: records as JSON objects, read from committed rows only."""

from collections.abc import Iterable
from typing import Any, cast

from tipman.clock import rfc3339
from tipman.database import Database, Row
from tipman.errors import NotFoundError
from tipman.jsontext import loads
from tipman.registry.editions import Editions
from tipman.registry.records import Definition, Namespace, Token, version_uri

NAMESPACES_URI = "/api/v1/namespaces/"
DEFINITIONS_URI = "/api/v1/definitions/"
TOKENS_URI = "/api/v1/tokens/"
_NAMESPACE = "name, open_tasks_max, slots_max, created_at"
_DEFINITIONS = Editions(
    "definition",
    "namespace, name, version, content, task, parameters, created_by, created_at, retired_at",
)
_TOKEN = "secret, name, scope, namespace, created_by, created_at, revoked_at"  # noqa: S105 - columns
DEPTH_MAX = 600
"""What was once accepted is read again, whatever the setting says by then."""


def namespace_view(namespace: Namespace) -> dict[str, Any]:
    """Return a namespace as a JSON object."""
    return {
        "name": namespace.name,
        "uri": NAMESPACES_URI + namespace.name,
        "open_tasks_max": namespace.open_tasks_max,
        "slots_max": namespace.slots_max,
        "open_tasks": namespace.open_tasks,
        "created_at": rfc3339(namespace.created_at),
    }


def namespaces(
    database: Database, *, after: str = "", limit: int, only: str | None = None
) -> list[Namespace]:
    """Return namespaces in the order of their names, those behind *after*."""
    where, which = ("", ()) if only is None else (" AND name = ?", (only,))
    rows = database.fetch(
        f"SELECT {_NAMESPACE} FROM namespace WHERE name > ?{where} ORDER BY name LIMIT ?",  # noqa: S608 - our names
        (after, *which, limit),
    )
    return _counted(database, rows)


def exists(database: Database, name: str) -> bool:
    """Tell whether there is a namespace of this name."""
    return bool(database.fetch("SELECT 1 FROM namespace WHERE name = ?", (name,)))


def namespace(database: Database, name: str) -> Namespace:
    """Return one namespace.

    Raises:
        NotFoundError: there is none.
    """
    rows = database.fetch(f"SELECT {_NAMESPACE} FROM namespace WHERE name = ?", (name,))  # noqa: S608 - our names
    if not rows:
        raise NotFoundError(f"no namespace {name!r}")
    return _counted(database, rows)[0]


def definition_view(definition: Definition, versions: Iterable[int] = ()) -> dict[str, Any]:
    """Return a definition as a JSON object; *versions* are all of its name."""
    task, parameters = parts_of(definition)
    return {
        "name": definition.name,
        "namespace": definition.namespace,
        "version": definition.version,
        "uri": version_uri(DEFINITIONS_URI, definition),
        "type": task["type"],
        "content": definition.content,
        "task": task,
        "parameters": parameters,
        "created_by": definition.created_by,
        "created_at": rfc3339(definition.created_at),
        "retired_at": None if definition.retired_at is None else rfc3339(definition.retired_at),
        "versions": list(versions),
    }


def parts_of(definition: Definition) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the task and the parameters of a definition, as JSON values."""
    texts = (definition.task, definition.parameters)
    task, parameters = (cast("dict[str, Any]", loads(text, depth_max=DEPTH_MAX)) for text in texts)
    return task, parameters


def definitions(
    database: Database, namespace: str, *, after: str = "", limit: int
) -> list[Definition]:
    """Return the newest version of each name, in the order of the names, behind *after*."""
    rows = _DEFINITIONS.newest(database, namespace, after=after, limit=limit)
    return [Definition(*row) for row in rows]


def definition(
    database: Database, namespace: str, name: str, version: int | None = None
) -> Definition:
    """Return a version; with None the newest in use, else the newest.

    Raises:
        NotFoundError: there is none.
    """
    return Definition(*_DEFINITIONS.one(database, namespace, name, version))


def versions_of(database: Database, namespace: str, name: str) -> list[int]:
    """Return the numbers of all versions, oldest first."""
    return _DEFINITIONS.numbers(database, namespace, name)


def token_view(token: Token) -> dict[str, Any]:
    """Return a token as a JSON object, which says nothing of its secret."""
    return {
        "name": token.name,
        "uri": TOKENS_URI + token.name,
        "scope": token.scope,
        "namespace": token.namespace,
        "created_by": token.created_by,
        "created_at": rfc3339(token.created_at),
        "revoked_at": None if token.revoked_at is None else rfc3339(token.revoked_at),
    }


def tokens(
    database: Database, *, after: str = "", limit: int, only: str | None = None
) -> list[Token]:
    """Return the tokens that were not revoked, by name; *only* those of one namespace."""
    where, which = ("", ()) if only is None else (" AND namespace = ?", (only,))
    rows = database.fetch(
        f"SELECT {_TOKEN} FROM token WHERE revoked_at IS NULL AND name > ?{where}"  # noqa: S608 - our names
        " ORDER BY name LIMIT ?",
        (after, *which, limit),
    )
    return [Token(bytes(row[0]), *row[1:]) for row in rows]


def token(database: Database, name: str) -> Token:
    """Return the token of this name that was not revoked.

    Raises:
        NotFoundError: there is none.
    """
    rows = database.fetch(
        f"SELECT {_TOKEN} FROM token WHERE revoked_at IS NULL AND name = ?",  # noqa: S608 - our names
        (name,),
    )
    if not rows:
        raise NotFoundError(f"no token {name!r}")
    return Token(bytes(rows[0][0]), *rows[0][1:])


def _counted(database: Database, rows: list[Row]) -> list[Namespace]:
    counts: dict[str, int] = dict(
        database.fetch_in(
            "SELECT namespace, count(*) FROM instance WHERE settled_at IS NULL AND kind = 'task'"
            " AND namespace IN (??) GROUP BY 1",
            [row[0] for row in rows],
        )
    )
    return [
        Namespace(name, open_tasks_max, slots_max, created_at, counts.get(name, 0))
        for name, open_tasks_max, slots_max, created_at in rows
    ]
