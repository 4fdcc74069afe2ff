"""Timekeeping: the part of an engine that keeps schedules.

Every method that writes returns once it is on disk. With a *memo* the write is made once for all
its repeats, and *actor* is who asks.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from tipman.clock import MICROSECONDS
from tipman.definitions import Task, Workflow, with_input
from tipman.definitions.patches import patched
from tipman.definitions.schedules import TARGETS, Schedule, schedule_of
from tipman.definitions.timing import check_schedule, timetable_for
from tipman.errors import ConflictError, Fault, InvalidError, NotFoundError
from tipman.events import (
    BackfillRequested,
    Requested,
    ScheduleChanged,
    ScheduleCreated,
    ScheduleDeleted,
)
from tipman.executors.functions import RegisteredTask, TaskCall
from tipman.handlers.plans import Plan, plan_of, task_text
from tipman.ids import text_of
from tipman.jsontext import parsed
from tipman.previews import Previews, described
from tipman.registry.records import Definition, WorkflowVersion
from tipman.registry.repeats import Memo
from tipman.registry.views import definition as definition_of
from tipman.schedules import views
from tipman.schedules.backfills import Backfill, backfill_of, wanted_instants
from tipman.schedules.handles import ScheduleHandle
from tipman.schedules.views import Page, Stored

LIMIT = views.LIMIT
_TRIES = 10


class Timekeeping(Previews, ABC):
    """The part of an engine that submits work when its time has come."""

    @abstractmethod
    def _new_id(self) -> bytes:
        """Return an id for an instance."""

    @abstractmethod
    def _checked(self, task: Task | Mapping[str, Any]) -> Task:
        """Return a task that this engine runs."""

    @abstractmethod
    def _asked(
        self, what: RegisteredTask[..., Any] | TaskCall, arguments: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the mapping of a task that calls a function or class."""

    # Writing.

    def schedule(
        self,
        what: RegisteredTask[..., Any] | TaskCall,
        /,
        *,
        arguments: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> ScheduleHandle:
        """Submit a function or class that is a task when its time has come.

        *fields* are those of a schedule: `every_s=300`, `cron="0 2 * * *"`, `key="nightly"`.

        Raises:
            InvalidError: it can not be scheduled so; `faults` names everything that is wrong.
            KeyExistsError: the key is taken.
        """
        task = self._asked(what, arguments or {})
        return self.create_schedule({**fields, "task": task})

    def create_schedule(
        self, given: Mapping[str, Any], *, actor: str = "local", memo: Memo | None = None
    ) -> ScheduleHandle:
        """Make a schedule of what CONTRACT calls one.

        Raises:
            InvalidError: it can not be one; `faults` names everything that is wrong.
            KeyExistsError: the key is taken.
        """
        event = self.schedule_creation(given, actor=actor)
        self._register(event, memo)
        return ScheduleHandle(event.instance, self)

    def schedule_creation(
        self, given: Mapping[str, Any], *, actor: str, coming: Workflow | None = None
    ) -> ScheduleCreated:
        """Return the event that makes a schedule, for whoever publishes it without waiting.

        It may be of a workflow that is *coming*, as it will be kept by then.

        Raises:
            InvalidError: as `create_schedule`, what can be told without the bus.
        """
        schedule, given_task = self._timed(given)
        _check_future(schedule, self.core.clock.wall_us())
        task = self._resolved(schedule, given_task, coming)
        name = schedule.name or schedule.key or task.name
        names = (schedule.namespace, schedule.key, name)
        what = (schedule.text, task_text(task), schedule)
        return ScheduleCreated(self._new_id(), actor, *what, *names)

    def change_schedule(
        self,
        reference: str | bytes | ScheduleHandle,
        patch: Mapping[str, Any],
        *,
        actor: str = "local",
        memo: Memo | None = None,
    ) -> ScheduleHandle:
        """Change fields of a schedule, those that are null back to their defaults; at once.

        One of `cron`, `every_s` and `at` takes the place of another, as does what it submits; of
        `catch_up` what is not named stays. What was decided stays; giving `every_s` counts from
        now again.

        Raises:
            InvalidError: it can not be so; `faults` names everything that is wrong.
            NotFoundError: there is no such schedule.
            ConflictError: it has finished.
        """
        handle = self.find_schedule(reference)
        for left in range(_TRIES, 0, -1):
            event = self.schedule_change(handle.identifier, patch, actor=actor)
            try:
                self._register(event, memo)
            except ConflictError as error:
                # Somebody else was faster: look again, and change what is there now.
                if error.state == "finished" or left == 1:
                    raise
                continue
            break
        return handle

    def schedule_change(
        self,
        identifier: bytes,
        patch: Mapping[str, Any],
        *,
        actor: str,
        coming: Workflow | None = None,
    ) -> ScheduleChanged:
        """Return the event that changes a schedule, for whoever publishes it without waiting.

        *coming* is as for `schedule_creation`.

        Raises:
            InvalidError: as `change_schedule`.
        """
        with self.reading() as database:
            found = views.stored(database, identifier)
        spec = {**parsed(found.record.spec), "paused": found.state == "paused"}
        schedule, task = self._timed(patched(spec, patch))
        if "at" in patch:
            _check_future(schedule, self.core.clock.wall_us())
        # What is not asked for stays as it is, pinned to its version whatever came after.
        text = found.record.task
        if {*TARGETS, "arguments", "input"} & {*patch}:
            text = task_text(self._resolved(schedule, task, coming))
        what = (schedule.text, text, schedule)
        changes = tuple(sorted(patch))
        return ScheduleChanged(identifier, actor, *what, found.record.revision, changes)

    def delete_schedule(
        self,
        reference: str | bytes | ScheduleHandle,
        *,
        actor: str = "local",
        memo: Memo | None = None,
    ) -> None:
        """End a schedule and free its key; what runs goes on.

        Raises:
            NotFoundError: there is no such schedule.
        """
        handle = self.find_schedule(reference)
        self._register(ScheduleDeleted(handle.identifier, actor), memo)

    def backfill(
        self,
        reference: str | bytes | ScheduleHandle,
        given: Mapping[str, Any],
        *,
        actor: str = "local",
        memo: Memo | None = None,
    ) -> dict[str, Any]:
        """Run instants of the past after all; return which, and the number of this backfill.

        *given* has `since` and `until`, and may have `what` (`missing`, `failed`, `all`), `order`
        (`forwards`, `backwards`), `concurrency` and `dry_run`, with which nothing is run.

        Raises:
            InvalidError: it can not be so, or there are too many.
            ConflictError: the schedule has finished.
        """
        handle = self.find_schedule(reference)
        asked, is_dry = backfill_of(given, self.core.clock.wall_us())
        if is_dry:
            with self.reading() as database:
                plan = plan_of(views.stored(database, handle.identifier).record)
                dues = wanted_instants(database, handle.identifier, plan, asked)
            return _backfilled(plan, None, [(due, None) for due in dues], asked)
        event = BackfillRequested(handle.identifier, actor, asked)
        number, runs = self._register(event, memo)
        with self.reading() as database:
            plan = plan_of(views.stored(database, handle.identifier).record)
        return _backfilled(plan, number, runs, asked)

    def ask_schedule(self, event: Requested, memo: Memo | None = None) -> Any:
        """Publish what somebody asks of a schedule; return what came of it.

        Raises:
            ConflictError: it changes nothing in the state the schedule is in.
        """
        return self._register(event, memo)

    # Reading.

    def find_schedule(
        self, reference: str | bytes | ScheduleHandle, namespace: str = "default"
    ) -> ScheduleHandle:
        """Return a handle for an id, a UUID, a key or a URI.

        Raises:
            NotFoundError: there is no such schedule.
        """
        if isinstance(reference, ScheduleHandle):
            return reference
        text = text_of(reference) if isinstance(reference, bytes) else reference
        with self.reading() as database:
            return ScheduleHandle(views.find(database, text, namespace), self)

    def schedule_view(self, identifier: bytes) -> dict[str, Any]:
        """Return a schedule as REST shows it."""
        with self.reading() as database:
            found = views.stored(database, identifier)
            runs = views.open_runs(database, [identifier]).get(identifier, [])
        return views.view(found, runs, is_orphan=self._is_orphan(found))

    def schedules(
        self,
        *,
        namespace: str | None = None,
        states: Sequence[str] = (),
        after: str | None = None,
        limit: int = LIMIT,
    ) -> Page:
        """Return schedules, newest first, and the cursor of what follows."""
        with self.reading() as database:
            found, cursor = views.page(
                database, namespace=namespace, states=states, after=after, limit=limit
            )
            runs = views.open_runs(database, [each.record.id for each in found])
        items = [
            views.view(each, runs.get(each.record.id, []), is_orphan=self._is_orphan(each))
            for each in found
        ]
        return Page(items, cursor)

    def slots(
        self,
        identifier: bytes,
        *,
        decisions: Sequence[str] = (),
        after: str | None = None,
        limit: int = LIMIT,
    ) -> Page:
        """Return what was decided for the instants of a schedule, the latest first."""
        with self.reading() as database:
            return views.slots(database, identifier, decisions=decisions, after=after, limit=limit)

    def explain_schedule(self, identifier: bytes) -> dict[str, Any]:
        """Return what a schedule waits for.

        Raises:
            NotFoundError: it never existed, or was pruned.
        """
        with self.reading() as database:
            found = views.stored(database, identifier)
            runs = views.open_runs(database, [identifier]).get(identifier, [])
        return views.explain(found, runs, is_orphan=self._is_orphan(found))

    # Inside.

    @abstractmethod
    def _has_code(self, task: Task) -> bool:
        """Tell whether this engine knows what a task would run."""

    def _timed(self, given: Mapping[str, Any]) -> tuple[Schedule, Task | None]:
        check_schedule(given, settings=self.settings)
        schedule, task = schedule_of(given, settings=self.settings)
        now = self.core.clock.wall_us()
        timetable = timetable_for(schedule, now)
        apart_us = timetable.apart_us()
        if apart_us is not None and schedule.jitter_s * MICROSECONDS >= apart_us:
            raise _refused("/jitter_s", "must be less than the time between two instants")
        if timetable.next_after(now) is None:
            raise _never_due(schedule, now)
        return schedule, task

    def _resolved(
        self, schedule: Schedule, task: Task | None, coming: Workflow | None = None
    ) -> Task:
        if task is None:
            return self.task_by_definition(schedule.asked())
        if coming is not None:
            with_input(coming, task.arguments["input"])
            return task.beside(namespace=schedule.namespace)
        if schedule.workflow is not None:
            self._check_workflow(task, schedule.namespace)
            return task.beside(namespace=schedule.namespace)
        return self._checked(task.beside(namespace=schedule.namespace))

    def _check_workflow(self, task: Task, namespace: str) -> None:
        """Refuse a workflow of which no run can be started now.

        Raises:
            InvalidError: there is none in use, or it does not take the input.
        """
        name, version = task.arguments["name"], task.arguments["version"]
        try:
            found = self.workflow_in_use(name, version, namespace=namespace)
        except (NotFoundError, ConflictError) as error:
            raise _refused("/workflow", str(error)) from None
        with_input(found.workflow, task.arguments["input"])

    def _is_orphan(self, found: Stored) -> bool:
        """Tell whether what a schedule would submit is gone: its code, or its definition."""
        plan = plan_of(found.record)
        if plan.pin is None and not plan.launches:
            return not self._has_code(plan.task)
        try:
            kept = self._kept(plan, found.namespace)
        except NotFoundError:
            return True
        return kept.retired_at is not None

    def _kept(self, plan: Plan, namespace: str) -> Definition | WorkflowVersion:
        """Return the definition or the workflow that a schedule's runs are made from."""
        if plan.pin is not None:
            with self.reading() as database:
                return definition_of(database, namespace, *plan.pin)
        arguments = plan.task.arguments
        return self.workflow_version(arguments["name"], arguments["version"], namespace=namespace)


def _check_future(schedule: Schedule, now: int) -> None:
    at = schedule.instant("at")
    if at is not None and at <= now:
        raise _refused("/at", "lies in the past")


def _never_due(schedule: Schedule, now: int) -> InvalidError:
    """Return why no instant of a schedule is still to come."""
    ends_at = schedule.instant("ends_at")
    if schedule.at is not None or (ends_at is not None and ends_at <= now):
        pointer = "/ends_at" if schedule.at is None else "/at"
        return _refused(pointer, "is never due: all of it has passed")
    if ends_at is None:
        return _refused("", "is never due before the year 9999")
    return _refused("/ends_at", "is never due from `starts_at` to `ends_at`")


def _backfilled(
    plan: Plan, number: int | None, runs: Sequence[tuple[int, str | None]], asked: Backfill
) -> dict[str, Any]:
    describe = described(plan.timetable)
    items = [{**describe(due), "instance": run} for due, run in runs]
    return {"backfill": number, **asked.shown(), "items": items}


def _refused(pointer: str, detail: str) -> InvalidError:
    return InvalidError(f"{pointer}: {detail}" if pointer else detail, (Fault(pointer, detail),))
