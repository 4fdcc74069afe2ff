"""Filters: which tasks are wanted, as a query or a body says it."""

from collections.abc import Callable

from tipman.charts import STATES
from tipman.database import Database
from tipman.definitions import TaskType
from tipman.errors import NotFoundError
from tipman.ids import parse
from tipman.listing import Filter
from tipman.queries import find_task
from tipman.registry.views import exists
from tipman.resources import RUNS_URI, SCHEDULES_URI, URI
from tipman.runs.views import find as find_run
from tipman.schedules import views

from tipman_api.parameters import Parameters
from tipman_api.principals import Principal

TEXT_MAX = 200
NAMES = (
    "state", "type", "name", "key", "queue", "run", "schedule", "parent", "since", "until",
    "text",
)  # fmt: skip
"""What tasks can be filtered by, besides their namespace."""
TYPES: tuple[str, ...] = TaskType.__args__  # type: ignore[attr-defined] # of every Literal


def filter_of(database: Database, parameters: Parameters, principal: Principal) -> Filter:
    """Return the filter that parameters say.

    Raises:
        InvalidError: one of them can not be; names it.
        ForbiddenError: a namespace that the token is not for.
    """
    look = Lookup(database, parameters, principal)
    return Filter(
        kind="task",
        namespace=look.namespace,
        states=parameters.texts("state", STATES),
        types=parameters.texts("type", TYPES),
        name=parameters.text("name"),
        key=parameters.text("key"),
        queue=parameters.text("queue"),
        run=look.run("run"),
        schedule=look.schedule("schedule"),
        parent=look.task("parent"),
        since_us=parameters.instant_us("since"),
        until_us=parameters.instant_us("until"),
        text=parameters.text("text", TEXT_MAX),
    )


def namespace_in(database: Database, parameters: Parameters, principal: Principal) -> str:
    """Return the namespace that a list is of: what the parameters say, else the principal's own.

    Raises:
        InvalidError: they say one that does not exist.
        ForbiddenError: one that the token is not for.
    """
    asked_for = parameters.text("namespace")
    namespace = principal.namespace_for(asked_for)
    if asked_for is not None and not exists(database, asked_for):
        raise parameters.refused("namespace", f"names nothing: no namespace {asked_for!r}")
    return namespace


class Lookup:
    """Finds what parameters name: by a UUID, a key of the namespace that they say, or a URI."""

    def __init__(self, database: Database, parameters: Parameters, principal: Principal) -> None:
        self._database = database
        self._parameters = parameters
        self.namespace = namespace_in(database, parameters, principal)

    def run(self, name: str) -> bytes | None:
        """Return the id of the run that a parameter names, None when it is not given.

        Raises:
            InvalidError: no run has that key. Of a UUID it is not asked: what was pruned has
                left nothing either.
        """
        return self._identifier(name, RUNS_URI, find_run)

    def schedule(self, name: str) -> bytes | None:
        """Return the id of the schedule that a parameter names; as `run`."""
        return self._identifier(name, SCHEDULES_URI, views.find)

    def task(self, name: str) -> bytes | None:
        """Return the id of the task that a parameter names; as `run`."""
        return self._identifier(name, URI, find_task)

    def _identifier(
        self, name: str, collection: str, find: Callable[[Database, str, str], bytes]
    ) -> bytes | None:
        text = self._parameters.text(name)
        if text is None:
            return None
        key = text.removeprefix(collection)
        try:
            return parse(key) or find(self._database, key, self.namespace)
        except NotFoundError as error:
            raise self._parameters.refused(name, f"names nothing: {error}") from None
