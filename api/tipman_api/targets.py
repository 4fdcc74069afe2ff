"""Targets: the instance that a path names, as whoever asks may see it."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from tipman import listing, queries
from tipman.database import Database
from tipman.runs.views import find as find_run
from tipman.schedules import views

from tipman_api.parameters import Parameters
from tipman_api.principals import Principal, principal_of


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names: a UUID of any namespace, or a key in one."""

    reference: str
    namespace: str
    principal: Principal
    find: Callable[[Database, str, str], bytes] = queries.find

    def locate(self, database: Database) -> bytes:
        """Return its id.

        Raises:
            NotFoundError: there is none, or it is in a namespace that is not to be seen.
        """
        identifier = self.find(database, self.reference, self.namespace)
        if self.principal.namespace is not None:
            namespace = listing.namespace_of(database, identifier)
            self.principal.must_see(namespace, self.reference)
        return identifier


def target_of(request: Request, parameters: Parameters) -> Target:
    """Return the task that the path of a request names.

    Raises:
        ForbiddenError: in a namespace that the token is not for.
    """
    return _named(request, parameters, queries.find_task)


def schedule_of(request: Request, parameters: Parameters) -> Target:
    """Return the schedule that the path of a request names; errors as for `target_of`."""
    return _named(request, parameters, views.find)


def run_target_of(request: Request, parameters: Parameters) -> Target:
    """Return the run that the path of a request names; errors as for `target_of`."""
    return _named(request, parameters, find_run)


def _named(
    request: Request, parameters: Parameters, find: Callable[[Database, str, str], bytes]
) -> Target:
    principal = principal_of(request)
    namespace = principal.namespace_for(parameters.text("namespace"))
    return Target(request.path_params["reference"], namespace, principal, find)
