"""Handlers of the registry: namespaces, tokens, what is kept under names, and shared answers.

What they answer is the record that came of it, for whoever published.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tipman.effects import Effect
from tipman.errors import ConflictError, InvalidError, KeyExistsError, NotFoundError
from tipman.events import ScheduleChanged, ScheduleCreated
from tipman.frontier import Frontier
from tipman.handlers.chronicle import NOWHERE, Chronicle
from tipman.handlers.scheduling import Scheduling
from tipman.registrations import (
    AnswerRecorded,
    DefinitionAdded,
    DefinitionRetired,
    NamespaceChanged,
    NamespaceCreated,
    NamespaceDeleted,
    TokenCreated,
    TokenRevoked,
    WorkflowAdded,
    WorkflowRetired,
)
from tipman.registry.records import DEFAULT, Addition, Namespace, Token
from tipman.registry.register import Registry
from tipman.registry.versions import Version, Versions
from tipman.tipman import TIPMan

NAMESPACES_MAX = 1_000
"""Namespaces at once; each costs a look whenever a slot is free."""


class Registering:
    """Writes down what happened to the registry, or says why it can not be."""

    def __init__(self, frontier: Frontier, chronicle: Chronicle, scheduling: Scheduling) -> None:
        self._frontier = frontier
        self._chronicle = chronicle
        self._scheduling = scheduling

    def namespace_created(self, event: NamespaceCreated, directory: TIPMan) -> list[Effect]:
        """Stage a namespace."""
        registry = directory.registry
        if event.name in registry.namespaces:
            raise _taken("namespace", event.name, f"/api/v1/namespaces/{event.name}")
        if len(registry.namespaces) >= NAMESPACES_MAX:
            raise InvalidError(f"more than {NAMESPACES_MAX:,} namespaces")
        made = Namespace(event.name, event.open_tasks_max, event.slots_max, directory.now)
        self._put(made, registry)
        told = {"name": made.name, **_quotas(made)}
        self._chronicle.note(event.wire, made.name, event.actor, told, directory)
        return []

    def namespace_changed(self, event: NamespaceChanged, directory: TIPMan) -> list[Effect]:
        """Stage other quotas; what is open or running beyond them stays."""
        registry = directory.registry
        before, quotas = _existing(event.name, registry), event.quotas
        changed = replace(
            before,
            open_tasks_max=quotas.get("open_tasks_max", before.open_tasks_max),
            slots_max=quotas.get("slots_max", before.slots_max),
        )
        self._put(changed, registry)
        told = {"name": changed.name, "before": _quotas(before), "after": _quotas(changed)}
        self._chronicle.note(event.wire, changed.name, event.actor, told, directory)
        return []

    def namespace_deleted(self, event: NamespaceDeleted, directory: TIPMan) -> list[Effect]:
        """Stage the end of a namespace in which nothing is open."""
        registry = directory.registry
        name = _existing(event.name, registry).name
        if name == DEFAULT:
            raise ConflictError(f"the namespace {DEFAULT!r} always exists", "permanent")
        open_tasks = registry.open_tasks.get(name, 0)
        if open_tasks:
            raise ConflictError(
                f"the namespace {name!r} has {open_tasks:,} open tasks; cancel them, or wait",
                "in_use",
            )
        runs = directory.open_runs(name)
        if runs:
            raise ConflictError(
                f"the namespace {name!r} has {runs:,} open runs; cancel them, or let them go on",
                "in_use",
            )
        schedules = directory.schedules.count_open(name)
        if schedules:
            raise ConflictError(
                f"the namespace {name!r} has {schedules:,} schedules; delete them", "in_use"
            )
        for token in registry.drop_namespace(name, directory.now):
            told = _token(token)
            self._chronicle.note(TokenRevoked.wire, NOWHERE, event.actor, told, directory)
        self._chronicle.note(event.wire, name, event.actor, {"name": name}, directory)
        self._frontier.limit(name, None)
        return []

    def definition_added(self, event: DefinitionAdded, directory: TIPMan) -> list[Effect]:
        """Stage a version, unless one in use has the same content."""
        registry = directory.registry
        number = _new_number(event, registry, registry.definitions)
        if number is not None:
            what = (event.content, event.task, event.parameters, event.actor)
            row = (event.namespace, event.name, number, *what, directory.now, None)
            version = Version(number, event.content, is_retired=False)
            registry.definitions.add(event.namespace, event.name, version, row)
            self._added(event, number, directory)
        return []

    def definition_retired(self, event: DefinitionRetired, directory: TIPMan) -> list[Effect]:
        """Stage that a version, or every one, takes no more submissions; once is enough."""
        self._retire(event, directory.registry.definitions, "definition", directory)
        return []

    def workflow_added(self, event: WorkflowAdded, directory: TIPMan) -> list[Effect]:
        """Stage a version, unless one in use has the same content, and its schedule with it."""
        registry = directory.registry
        number = _new_number(event, registry, registry.workflows)
        # Before anything is staged: it may be refused.
        effects = self._arrange(event.schedule, directory)
        if number is not None:
            what = (event.content, event.source, event.actor)
            row = (event.namespace, event.name, number, *what, directory.now, None)
            version = Version(number, event.content, is_retired=False)
            registry.workflows.add(event.namespace, event.name, version, row)
            self._added(event, number, directory)
        return effects

    def workflow_retired(self, event: WorkflowRetired, directory: TIPMan) -> list[Effect]:
        """Stage that a version, or every one, takes no more runs; once is enough."""
        self._retire(event, directory.registry.workflows, "workflow", directory)
        return []

    def token_created(self, event: TokenCreated, directory: TIPMan) -> list[Effect]:
        """Stage a token."""
        registry = directory.registry
        if event.namespace is not None:
            registry.namespace(event.namespace)
        if registry.token_named(event.name) is not None:
            raise _taken("token", event.name, f"/api/v1/tokens/{event.name}")
        what = (event.scope, event.namespace, event.actor)
        token = Token(event.secret, event.name, *what, directory.now)
        registry.outcome = token
        registry.add_token(token)
        self._chronicle.note(event.wire, NOWHERE, event.actor, _token(token), directory)
        return []

    def token_revoked(self, event: TokenRevoked, directory: TIPMan) -> list[Effect]:
        """Stage that a token is good for nothing any more."""
        token = directory.registry.token_named(event.name)
        if token is None:
            raise NotFoundError(f"no token {event.name!r}")
        directory.registry.revoke(token, directory.now)
        self._chronicle.note(event.wire, NOWHERE, event.actor, _token(token), directory)
        return []

    def answer_recorded(self, event: AnswerRecorded, directory: TIPMan) -> list[Effect]:
        """Hand on the outcome, which the bus keeps."""
        directory.registry.outcome = event.outcome
        return []

    def _put(self, namespace: Namespace, registry: Registry) -> None:
        registry.put_namespace(namespace)
        self._frontier.limit(namespace.name, namespace.slots_max)
        open_tasks = registry.open_tasks.get(namespace.name, 0)
        registry.outcome = replace(namespace, open_tasks=open_tasks)

    def _arrange(
        self, schedule: ScheduleCreated | ScheduleChanged | None, directory: TIPMan
    ) -> list[Effect]:
        match schedule:
            case None:
                return []
            case ScheduleCreated():
                return self._scheduling.created(schedule, directory)
            case ScheduleChanged():
                return self._scheduling.changed(schedule, directory)

    def _added(
        self, event: DefinitionAdded | WorkflowAdded, number: int, directory: TIPMan
    ) -> None:
        told = {"name": event.name, "version": number, "content": event.content}
        self._chronicle.note(event.wire, event.namespace, event.actor, told, directory)

    def _retire(
        self,
        event: DefinitionRetired | WorkflowRetired,
        versions: Versions,
        what: str,
        directory: TIPMan,
    ) -> None:
        known = versions.of(event.namespace, event.name)
        if event.version is None and not known:
            raise NotFoundError(f"no {what} {event.name!r}")
        if event.version is not None and event.version not in {v.number for v in known}:
            raise NotFoundError(f"no {what} {event.name}@{event.version}")
        retired = versions.retire(event.namespace, event.name, event.version, directory.now)
        if retired:
            told = {"name": event.name, "versions": retired}
            self._chronicle.note(event.wire, event.namespace, event.actor, told, directory)


def _new_number(
    event: DefinitionAdded | WorkflowAdded, registry: Registry, versions: Versions
) -> int | None:
    """Return the number of the version to be made, None when there is one; say which it is."""
    registry.namespace(event.namespace)
    place = (event.namespace, event.name)
    same = versions.same(*place, event.content)
    number = versions.next_number(*place) if same is None else same
    registry.outcome = Addition(*place, number, is_new=same is None)
    return number if same is None else None


def _quotas(namespace: Namespace) -> Mapping[str, Any]:
    return {"open_tasks_max": namespace.open_tasks_max, "slots_max": namespace.slots_max}


def _token(token: Token) -> Mapping[str, Any]:
    """Return what the log may know of a token: all but its secret, and the hash of that."""
    return {"name": token.name, "scope": token.scope, "namespace": token.namespace}


def _existing(name: str, registry: Registry) -> Namespace:
    found = registry.namespaces.get(name)
    if found is None:
        raise NotFoundError(f"no namespace {name!r}")
    return found


def _taken(what: str, name: str, uri: str) -> KeyExistsError:
    return KeyExistsError(f"there is a {what} {name!r} already: {uri}", uri)
