"""The nodes of a run as a request finds them: who waits for whom, and which of them it is for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from tipman.charts import SETTLED, UNSUCCESSFUL
from tipman.errors import ConflictError, Fault, InvalidError, MergeConflictError
from tipman.events import Requested
from tipman.graph import topological_order
from tipman.handlers.contexts import values_for_rule
from tipman.handlers.kin import has_failures
from tipman.instances import Instance
from tipman.spelling import hint
from tipman.tipman import TIPMan
from tipman.triggers import FAILED, rule_of

_NODES = "SELECT id, name, state FROM instance WHERE run = ? AND parent IS NULL ORDER BY id"
_NAMED = "SELECT id, name FROM instance WHERE run = ? AND parent IS NULL AND name IN (??)"
_EDGES = (
    "SELECT e.dependent, e.dependency FROM dependency AS e JOIN instance AS i"
    " ON i.id = e.dependent WHERE i.run = ? AND i.parent IS NULL"
    " ORDER BY e.dependent, e.position"
)
_MEMBERS = frozenset({"tasks", "descendants", "in_flight"})


class Choice(NamedTuple):
    """Which tasks of a run are asked: those of these names, and perhaps all below them."""

    names: tuple[str, ...]
    descendants: bool


@dataclass
class Nodes:
    """The graph of a run, by the names of its nodes, as this drain has left it so far."""

    ids: Mapping[str, bytes]
    states: Mapping[str, str]
    dependencies: Mapping[str, Sequence[str]]

    def chosen(self, event: Requested, directory: TIPMan) -> list[Instance]:
        """Return the nodes that an event names, those below among them if it says so.

        Raises:
            InvalidError: it names one that there is not.
        """
        names = self._named(event)
        directory.prefetch(self.ids[name] for name in names)
        return [directory.load(self.ids[name]) for name in self.ids if name in names]

    def to_reopen(self, event: Requested, directory: TIPMan) -> list[bytes]:
        """Return what is to be tried again, each after all that it waits for.

        That is what failed, was cancelled or abandoned, of the whole run or of what is named; what
        was skipped and may go on when that has settled anew; and what is named itself and is a map
        that succeeded with items that did not.

        Raises:
            InvalidError: it names a node that there is not.
            ConflictError: what it names can not be tried again while a dependency of it stands.
        """
        choice = chosen_of(event)
        wanted = set(self.ids) if choice is None else self._named(event)
        alone = choice is not None and not choice.descendants
        lenient = set() if choice is None else self._lenient(choice.names, directory)
        again: list[str] = []
        reopening: dict[str, None] = {}
        for name in self.order():
            state = self.states[name]
            if name in lenient:
                again.append(name)
            if state not in UNSUCCESSFUL:
                continue
            is_asked = name in wanted and (state in FAILED or alone)
            if not is_asked and (
                state != "skipped" or reopening.keys().isdisjoint(self.dependencies[name])
            ):
                continue
            standing = self._standing(name, reopening, directory)
            if standing is None:
                reopening[name] = None
                again.append(name)
            elif is_asked and alone:
                words = f"{standing!r}, which {name!r} depends on, did not succeed"
                raise ConflictError(f"{words}: retry that first", state)
        return [self.ids[name] for name in again]

    def _lenient(self, names: Iterable[str], directory: TIPMan) -> set[str]:
        """Return the maps among these that succeeded though items of theirs failed."""
        ended_well = [name for name in names if self.states[name] == "succeeded"]
        directory.prefetch(self.ids[name] for name in ended_well)
        return {n for n in ended_well if has_failures(directory.load(self.ids[n]), directory)}

    def order(self) -> Sequence[str]:
        """Return the names, each after those it depends on."""
        return topological_order(self.dependencies) or tuple(self.ids)

    def below(self, names: Iterable[str]) -> set[str]:
        """Return these names and those of all that depends on them, at whatever distance."""
        found = {*names}
        for name in self.order():
            if not found.isdisjoint(self.dependencies[name]):
                found.add(name)
        return found

    def _named(self, event: Requested) -> set[str]:
        choice = chosen_of(event) or Choice((), descendants=False)
        for at, name in enumerate(choice.names):
            if name not in self.ids:
                detail = f"no task {name!r} in this run{hint(name, self.ids)}"
                raise InvalidError(detail, (Fault(f"/data/tasks/{at}", detail),))
        return self.below(choice.names) if choice.descendants else {*choice.names}

    def _standing(self, name: str, reopening: Mapping[str, None], directory: TIPMan) -> str | None:
        """Return the dependency because of which a node would end as it has, None for none."""
        needs = self.dependencies[name]
        standing = [n for n in needs if self.states[n] in UNSUCCESSFUL and n not in reopening]
        if not standing:
            return None
        instance = directory.load(self.ids[name])
        when = directory.task_of(instance).when
        if when is None:
            return standing[0]
        outcomes = {
            n: None if n in reopening or self.states[n] not in SETTLED else self.states[n]
            for n in needs
        }
        try:
            context = partial(values_for_rule, instance, directory)
            decision = rule_of(when).decide(outcomes, context)
        except MergeConflictError:
            return None
        return standing[0] if decision.holds is False else None


def nodes_of(run: bytes, directory: TIPMan) -> Nodes:
    """Return the nodes of a run."""
    states: dict[bytes, str] = {}
    names: dict[bytes, str] = {}
    for identifier, name, state in directory.database.fetch(_NODES, (run,)):
        names[bytes(identifier)], states[bytes(identifier)] = name, state
    for instance in directory.staged():
        if instance.run == run and instance.parent is None:
            names[instance.id], states[instance.id] = instance.name, instance.state
    needs: dict[str, list[str]] = {name: [] for name in names.values()}
    rows = directory.database.fetch(_EDGES, (run,))
    edges = ((bytes(dependent), bytes(dependency)) for dependent, dependency in rows)
    for dependent, dependency in (*edges, *directory.edges.staged()):
        if dependent in names and dependency in names:
            needs[names[dependent]].append(names[dependency])
    ids = {name: identifier for identifier, name in names.items()}
    return Nodes(ids, {names[i]: state for i, state in states.items()}, needs)


def ids_of(run: bytes, names: Iterable[str], directory: TIPMan) -> dict[str, bytes]:
    """Return the ids of those nodes of a run that have one of these names."""
    wanted = set(names)
    rows = directory.database.fetch_in(_NAMED, sorted(wanted), before=(run,))
    found = {name: bytes(identifier) for identifier, name in rows}
    for instance in directory.staged():
        if instance.run == run and instance.parent is None and instance.name in wanted:
            found[instance.name] = instance.id
    return found


def chosen_of(event: Requested) -> Choice | None:
    """Return which tasks of a run an event is for, None for the run itself.

    Raises:
        InvalidError: its data is not as CONTRACT says.
    """
    data: Any = event.data
    if data is None:
        return None
    if not isinstance(data, dict):
        detail = 'must be an object, such as {"tasks": ["pack"], "descendants": true}'
        raise InvalidError(f"data {detail}", (Fault("/data", detail),))
    faults = [
        Fault(f"/data/{name}", f"unknown field `{name}`{hint(name, _MEMBERS)}")
        for name in data
        if name not in _MEMBERS
    ]
    names, descendants = data.get("tasks"), data.get("descendants", False)
    if names is not None and not _are_names(names):
        faults.append(Fault("/data/tasks", "must be a list of names, not empty"))
    if not isinstance(descendants, bool):
        faults.append(Fault("/data/descendants", "must be true or false"))
    elif descendants and names is None:
        faults.append(Fault("/data/descendants", "says nothing without `tasks`"))
    if faults:
        raise InvalidError("; ".join(f"{p}: {detail}" for p, detail in faults), tuple(faults))
    return None if names is None else Choice(tuple(names), descendants)


def _are_names(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)
