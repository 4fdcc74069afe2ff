"""Handlers of `map` tasks: each has an item of its own for every value of a list.

Items are tasks that have the map for their parent. They are made some at a time, so that no
drain is long; those that are there already are made no more, so that a map goes on after a crash
where it stood, and a retry opens only those again that ended without success.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from pydantic import ValidationError

from tipman.charts import INITIAL, UNSUCCESSFUL
from tipman.definitions import Task
from tipman.definitions.arguments import MapArguments, failures_allowed
from tipman.definitions.expressions import fill_arguments
from tipman.definitions.faults import faults_of
from tipman.definitions.shapes import kind_of
from tipman.definitions.tasks import refusal
from tipman.errors import (
    DatabaseError,
    InvalidError,
    MergeConflictError,
    QuotaReachedError,
    TypeOffError,
)
from tipman.events import AwaitingStarted, Failure, RetryRequested, Submission, TasksSubmitted
from tipman.frontier import mark_of
from tipman.handlers.attempts import unseen
from tipman.handlers.charges import Charge, charge_of, last_charge_of
from tipman.handlers.closing import SETTLED_BELOW, Closing
from tipman.handlers.contexts import conflict_failure, note_added, seen_by
from tipman.handlers.inheritance import Legacy, items_done, legacies, take_over
from tipman.handlers.kin import children, outcomes_below
from tipman.handlers.outcomes import Outcomes, plain_failure
from tipman.handlers.steps import SLOTLESS, must_move, undelayed
from tipman.instances import Instance
from tipman.jsontext import Json, dumps
from tipman.runs.offspring import Brood
from tipman.tipman import TIPMan
from tipman.triggers import look_up
from tipman.triggers.rules import MISSING

ITEMS_AT_ONCE = 2_000
"""Items that one event makes at most."""
_ACTOR = "task"


class Plan(NamedTuple):
    """What a map is to do, its expressions filled in."""

    values: Sequence[Json]
    parallel_max: int | None
    failures_max: int
    """How many of its items may fail."""


class Mapping:
    """Makes the items of maps, and ends maps as their items end."""

    def __init__(self, outcomes: Outcomes, closing: Closing, new_id: Callable[[], bytes]) -> None:
        self._outcomes = outcomes
        self._closing = closing
        self._new_id = new_id
        self._checked: Callable[[Task], Task] = lambda task: task
        self.retry: Callable[[RetryRequested, TIPMan], object] = lambda _event, _directory: None
        """Opens an item again; set by whoever knows how."""

    def adopt(self, new_id: Callable[[], bytes], checked: Callable[[Task], Task]) -> None:
        """Make ids by *new_id*, and let *checked* say what task is run here."""
        self._new_id, self._checked = new_id, checked

    def look(self, instance: Instance, task: Task, directory: TIPMan) -> None:
        """Make the items that are missing, or end once there are enough of them."""
        brood = directory.offspring.of(instance.id)
        plan = self._begun(instance, task, brood, directory)
        if isinstance(plan, Failure):
            self._closing.fail(self, instance, "attempt.failed", plan, directory)
        elif _has_failed(instance, brood, plan):
            words = (
                f"{brood.failures:,} of {len(plan.values):,} items ended without success,"
                f" {plan.failures_max:,} may"
            )
            failure = plain_failure("too_many_failures", words)
            self._closing.fail(self, instance, SETTLED_BELOW, failure, directory)
        elif brood.again:
            self._open_again(instance, brood, plan, directory)
        elif brood.made < len(plan.values):
            self._make(instance, task, brood, plan, directory)
        elif not brood.open:
            result = self.result(instance, directory)
            note_added(instance, task, result, directory)
            self._outcomes.succeed(instance, SETTLED_BELOW, result, directory)

    @staticmethod
    def has_open(instance: Instance, directory: TIPMan) -> bool:
        """Tell whether an item is open."""
        return directory.offspring.of(instance.id).open > 0

    @staticmethod
    def below(instance: Instance, directory: TIPMan) -> Iterator[Instance]:
        """Yield the items that are open."""
        for item in children(instance.id, directory, "settled_at IS NULL"):
            if not item.is_settled:
                yield item

    @staticmethod
    def on_close(task: Task) -> str:
        """Return what becomes of items when their map is ended: they are cancelled."""
        del task
        return "cancel"

    @staticmethod
    def result(instance: Instance, directory: TIPMan) -> str:
        """Return the results of the items in the order of the list, null where one has none."""
        results = {
            _index_of(name): result
            for name, state, result in outcomes_below(instance.id, directory)
            if state == "succeeded"
        }
        made = directory.offspring.of(instance.id).made
        return "[" + ",".join([results.get(index) or "null" for index in range(made)]) + "]"

    # What it is to do.

    def _begun(
        self, instance: Instance, task: Task, brood: Brood, directory: TIPMan
    ) -> Plan | Failure:
        """Return what a map is to do; in a new attempt see to the items that there are."""
        charge = charge_of(instance)
        if charge is None:
            brood.plan = brood.seen = brood.groups = brood.again = None
        if brood.plan is None:
            plan = self._plan(instance, task, directory)
            if isinstance(plan, Failure):
                return plan
            brood.plan = plan
            brood.looks = plan.parallel_max is not None and _takes_no_slot(task)
        found: Plan = brood.plan
        if charge is None:
            failed = _failed_from(0, instance, directory)
            again = 0 if failed and brood.looks else None
            last = last_charge_of(instance)
            charge = Charge(
                instance.attempt,
                parallel_max=found.parallel_max,
                again_from=again,
                origin=None if last is None else last.origin,
            )
            instance.early = charge.text
            directory.touch(instance)
            brood.again = failed if brood.looks else []
            if not brood.looks:
                for _, item in failed:
                    self.retry(RetryRequested(item, _ACTOR, None), directory)
        elif brood.again is None:
            start = charge.again_from
            brood.again = [] if start is None else _failed_from(start, instance, directory)
        return found

    def _open_again(self, instance: Instance, brood: Brood, plan: Plan, directory: TIPMan) -> None:
        """Open as many items again as may be open, of those that take no slot."""
        charge, waiting = charge_of(instance), brood.again or []
        room = max((plan.parallel_max or 0) - brood.open, 0)
        if charge is None or not room:
            return
        brood.again = waiting[room:]
        start = brood.again[0][0] if brood.again else None
        instance.early = replace(charge, again_from=start).text
        directory.touch(instance)
        for _, identifier in waiting[:room]:
            # Somebody may have tried it again by itself.
            if directory.load(identifier).state in UNSUCCESSFUL:
                self.retry(RetryRequested(identifier, _ACTOR, None), directory)
        directory.raised.append(AwaitingStarted(instance.id))

    def _plan(self, instance: Instance, task: Task, directory: TIPMan) -> Plan | Failure:
        arguments: Any = task.arguments
        try:
            seen = seen_by(instance, directory)
            if task.has_expressions:
                arguments = fill_arguments("map", arguments, seen)
            found = _read(arguments)
        except MergeConflictError as error:
            return conflict_failure(error, directory)
        except (InvalidError, DatabaseError) as error:
            return unseen(error)
        values, place = arguments["over"], "over"
        if isinstance(values, dict) and isinstance(task.arguments["over"], dict):
            place = f"the context's {values['context']!r}"
            values = look_up({**seen["context"], "results": seen["results"]}, values["context"])
        if values is MISSING:
            return plain_failure("not_a_list", f"{place} is missing")
        if not isinstance(values, list | tuple):
            return plain_failure("not_a_list", f"{place} is {kind_of(values)} and no list")
        limit = self._outcomes.steps.settings.tasks_max
        if len(values) > limit:
            return plain_failure("too_large", f"{place} has more than {limit:,} values")
        allowed = failures_allowed(found.failures_max, len(values))
        return Plan(values, found.parallel_max, allowed)

    # Its items.

    def _make(
        self, instance: Instance, task: Task, brood: Brood, plan: Plan, directory: TIPMan
    ) -> None:
        first, last = brood.made, min(brood.made + ITEMS_AT_ONCE, len(plan.values))
        if brood.looks and plan.parallel_max is not None:
            # No slot keeps such items from beginning all at once, so they are made in turn.
            last = min(last, first + max(plan.parallel_max - brood.open, 0))
        if first == last:
            return
        taken = _taken_over(instance, brood, plan, range(first, last), directory)
        try:
            template = self._checked(_template(task, instance.namespace))
            submissions = [*self._submissions(instance, template, plan.values, first, last)]
            rest = [s for at, s in enumerate(submissions, first) if at not in taken]
            directory.registry.admit(rest)
        except (TypeOffError, QuotaReachedError) as error:
            failure = plain_failure(error.code, str(error))
            self._closing.fail(self, instance, "attempt.failed", failure, directory)
            return
        brood.open += len(submissions)
        steps, place = self._outcomes.steps, (instance.run, instance.id)
        for index, legacy in taken.items():
            take_over(steps, submissions[index - first], place, legacy, _ACTOR, directory)
        self._place(rest, instance, template, directory)
        directory.touch(instance)
        told = f'{{"first":{first},"items":{last - first},"of":{len(plan.values)}}}'
        directory.log(instance, "items.submitted", instance.configuration, told)
        if not brood.looks and last < len(plan.values):
            directory.raised.append(AwaitingStarted(instance.id))

    def _place(
        self,
        submissions: Sequence[Submission],
        instance: Instance,
        template: Task,
        directory: TIPMan,
    ) -> None:
        """Stage items that are to be done."""
        verdict = undelayed(template, directory.now)
        data = f'{{"verdict":"{verdict}"}}'
        for submission in submissions:
            draft = Instance(
                submission.instance, submission.task, submission.arguments, directory.now, INITIAL
            )
            draft.run, draft.parent = instance.run, instance.id
            step = must_move(draft, TasksSubmitted.wire, verdict)
            directory.add(draft, submission.row, [])
            self._outcomes.steps.advance(directory, draft, step, TasksSubmitted.wire, data, _ACTOR)

    def _submissions(
        self,
        instance: Instance,
        template: Task,
        values: Sequence[Json],
        first: int,
        last: int,
    ) -> Iterator[Submission]:
        """Yield the items of some values; what they have in common they share."""
        arguments, mark = (
            dumps(template.arguments),
            mark_of(template.namespace, template.exclusive),
        )
        options = template.options[:-1] + ("," if template.options != "{}" else "")
        for index in range(first, last):
            value = values[index]
            text = f'{options}"item":{{"index":{index},"value":{dumps(value)}}}}}'
            name = f"{instance.name}[{index}]"
            item = template.beside(name=name, item={"index": index, "value": value}, options=text)
            identifier = self._new_id()
            row = (
                identifier, item.type, item.queue, item.priority, mark, arguments, text,
            )  # fmt: skip
            yield Submission(identifier, item, row, ())


def _taken_over(
    instance: Instance, brood: Brood, plan: Plan, places: range, directory: TIPMan
) -> dict[int, Legacy]:
    """Return which of these places need not be done: they were, for the same value."""
    if brood.done is None:
        charge = charge_of(instance)
        brood.done = items_done(None if charge is None else charge.origin, directory)
    return legacies(brood.done, plan.values, places, directory)


def _failed_from(first: int, instance: Instance, directory: TIPMan) -> list[tuple[int, bytes]]:
    """Return the items from a place on that ended without success, by their places."""
    badly = children(instance.id, directory, _ENDED_BADLY)
    found = [(_index_of(i.name), i.id) for i in badly if i.state in UNSUCCESSFUL]
    return sorted(each for each in found if each[0] >= first)


def _has_failed(instance: Instance, brood: Brood, plan: Plan) -> bool:
    """Tell whether more items failed than may.

    Those do not count that are still to be tried again, nor, while there is something to wait for,
    those that had failed before one was opened again by itself.
    """
    charge = charge_of(instance)
    if charge is None:
        return False
    before = charge.failed_before if brood.open else 0
    return brood.failures - before - len(brood.again or ()) > plan.failures_max


_ENDED_BADLY = "state IN ('abandoned', 'cancelled', 'failed', 'skipped')"


def _takes_no_slot(task: Task) -> bool:
    return task.template is not None and task.template.type in SLOTLESS


def _template(task: Task, namespace: str) -> Task:
    """Return what each item of a map is, but for its value."""
    assert task.template is not None  # noqa: S101 - every map has one
    template = task.template.beside(namespace=namespace)
    return template if task.traceparent is None else template.with_traceparent(task.traceparent)


def _read(arguments: Any) -> MapArguments:
    """Return arguments as their shape has them, whatever they go over.

    Raises:
        InvalidError: what was filled in is not what a map takes.
    """
    try:
        return MapArguments.model_validate({**arguments, "over": []})
    except ValidationError as error:
        raise refusal([*faults_of(error, MapArguments, under=("arguments",))]) from None


def _index_of(name: str) -> int:
    """Return the place of an item by its name.

    >>> _index_of("each[2][31]")
    31
    """
    return int(name[name.rindex("[") + 1 : -1])
