"""Admission: whether a task that may wait for dependencies can go on, by its rule."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from tipman.charts import UNSUCCESSFUL
from tipman.definitions import Task
from tipman.errors import MergeConflictError
from tipman.handlers.contexts import values_for_rule
from tipman.handlers.steps import undelayed
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.jsontext import dumps
from tipman.outlines import Verdict
from tipman.resources import URI
from tipman.tipman import TIPMan
from tipman.triggers import FAILED, Decision, Rule, rule_of

_ALWAYS = frozenset({"all_settled", "always"})
_MET_MAX = 1_000
"""Dependencies that a log line names at most."""


class Admission(NamedTuple):
    """Where a task goes, and why.

    `cause` is the dependency for which it is skipped, `reason` is JSON text of what a task shows
    as its error that its rule skipped, `data` the text of more members for the log line.
    """

    verdict: Verdict
    cause: bytes | None = None
    reason: str | None = None
    data: str = ""


def admission(
    instance: Instance,
    task: Task,
    directory: TIPMan,
    dependencies: Sequence[bytes] | None = None,
    *,
    counts: tuple[int, int] | None = None,
) -> Admission:
    """Weigh where a task goes, by how many dependencies are open and how many are unmet.

    *dependencies* are looked up where they matter and are not given; *counts* are those of the
    instance unless others are to be taken for true.
    """
    remaining, unmet = counts or (instance.dependencies_remaining, instance.dependencies_unmet)
    when = task.when
    if when is None:
        if remaining:
            return _WAITING
        if unmet:
            needs = _needs(instance, directory, dependencies)
            return _unmet(task, needs, directory)
        return Admission(undelayed(task, directory.now))
    if not remaining and isinstance(when, str) and when in _ALWAYS:
        return Admission(undelayed(task, directory.now), data=f',"rule":"{when}"')
    rule = rule_of(when)
    if remaining and not rule.is_early:
        return _WAITING
    return _by_rule(rule, instance, task, directory, _needs(instance, directory, dependencies))


def turned_back(
    instance: Instance,
    task: Task,
    directory: TIPMan,
    *,
    counts: tuple[int, int] | None = None,
) -> Admission:
    """Weigh whether a task that was let on and has not begun must wait again.

    So it is when a dependency has opened again, unless its rule is early and still answered.
    """
    if (counts or (instance.dependencies_remaining,))[0]:
        weighed = admission(instance, task, directory, counts=counts)
        if weighed.verdict is Verdict.WAIT:
            return weighed
    return Admission(Verdict.NONE)


def cause_of(dependencies: Sequence[bytes], directory: TIPMan) -> bytes | None:
    """Return the first dependency that ended without success: why a task is skipped.

    None too where that one was pruned since.
    """
    directory.prefetch(dependencies)
    for identifier in dependencies:
        found = directory.find(identifier)
        if found is not None and found.state in UNSUCCESSFUL:
            return identifier
    return None


_WAITING = Admission(Verdict.WAIT)


def _needs(
    instance: Instance, directory: TIPMan, dependencies: Sequence[bytes] | None
) -> Sequence[bytes]:
    return directory.edges.dependencies_of(instance) if dependencies is None else dependencies


def _unmet(task: Task, dependencies: Sequence[bytes], directory: TIPMan) -> Admission:
    """Weigh a task whose dependencies did not all succeed and that has no rule."""
    cause = cause_of(dependencies, directory)
    if task.on_unmet == "block":
        states = (directory.find(identifier) for identifier in dependencies)
        # One that its own rule skipped can not be tried again: nobody could end the waiting.
        if any(found is not None and found.state in FAILED for found in states):
            return Admission(Verdict.BLOCK)
    return Admission(Verdict.SKIP, cause)


def _by_rule(
    rule: Rule, instance: Instance, task: Task, directory: TIPMan, dependencies: Sequence[bytes]
) -> Admission:
    directory.prefetch(dependencies)
    found = [each for each in map(directory.find, dependencies) if each is not None]
    outcomes = _outcomes(rule, found)
    try:
        decision = rule.decide(outcomes, partial(values_for_rule, instance, directory))
    except MergeConflictError:
        # What it would look at is in conflict. It goes on, and fails when it begins to look.
        return Admission(undelayed(task, directory.now), data=_data(rule, None))
    if decision.holds is None:
        return _WAITING
    if decision.holds:
        seen = decision.seen
        if None in outcomes.values():
            met = [(name, state) for name, state in outcomes.items() if state is not None]
            seen = {**seen, "tasks": dict(met[:_MET_MAX])}
        held = decision._replace(seen=seen)
        return Admission(undelayed(task, directory.now), data=_data(rule, held))
    error = {
        "code": "skipped",
        "message": f"its rule does not hold: {decision.why}",
        "rule": rule.source,
        "seen": decision.seen,
    }
    return Admission(Verdict.SKIP, None, dumps(error), _data(rule, decision))


def _data(rule: Rule, decision: Decision | None) -> str:
    members: dict[str, Any] = {"rule": rule.source}
    if decision is not None:
        members |= {"why": decision.why, "seen": decision.seen}
    return "," + dumps(members)[1:-1]


def _outcomes(rule: Rule, dependencies: Sequence[Instance]) -> Mapping[str, str | None]:
    """Return the states of dependencies, None for open, by what the rule or people call them."""
    outcomes: dict[str, str | None] = {}
    for each in dependencies:
        identifier = text_of(each.id)
        called = next(
            (name for name in (URI + identifier, identifier, each.key, each.name)
             if name in rule.names),
            each.key or each.name,
        )  # fmt: skip
        name = identifier if called in outcomes else called
        outcomes[name] = each.state if each.is_settled else None
    return outcomes
