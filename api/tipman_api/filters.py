"""Filters: which tasks are wanted, as a query or a body says it."""

from tipman.charts import STATES
from tipman.definitions import TaskType
from tipman.ids import parse
from tipman.listing import Filter
from tipman.resources import RUNS_URI, SCHEDULES_URI, URI

from tipman_api.parameters import Parameters, refused
from tipman_api.principals import Principal

TEXT_MAX = 200
NAMES = (
    "state", "type", "name", "key", "queue", "run", "schedule", "parent", "since", "until",
    "text",
)  # fmt: skip
"""What tasks can be filtered by, besides their namespace."""
TYPES: tuple[str, ...] = TaskType.__args__  # type: ignore[attr-defined] # of every Literal


def filter_of(parameters: Parameters, principal: Principal) -> Filter:
    """Return the filter that parameters say.

    Raises:
        InvalidError: one of them can not be; names it.
        ForbiddenError: a namespace that the token is not for.
    """
    return Filter(
        kind="task",
        namespace=principal.namespace_for(parameters.text("namespace")),
        states=parameters.texts("state", STATES),
        types=parameters.texts("type", TYPES),
        name=parameters.text("name"),
        key=parameters.text("key"),
        queue=parameters.text("queue"),
        run=identifier_in(parameters, "run", RUNS_URI),
        schedule=identifier_in(parameters, "schedule", SCHEDULES_URI),
        parent=identifier_in(parameters, "parent", URI),
        since_us=parameters.instant_us("since"),
        until_us=parameters.instant_us("until"),
        text=parameters.text("text", TEXT_MAX),
    )


def identifier_in(parameters: Parameters, name: str, collection: str) -> bytes | None:
    """Return the id of what a parameter names, None when it is not given.

    Raises:
        InvalidError: it is no UUID and no URI in the collection.
    """
    text = parameters.text(name)
    if text is None:
        return None
    identifier = parse(text.removeprefix(collection))
    if identifier is None:
        raise refused(name, f"must be a UUID, or a URI below {collection}")
    return identifier
