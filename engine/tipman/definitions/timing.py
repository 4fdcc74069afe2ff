"""When something is due, as people say it: judged field by field, wherever it stands."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tipman.cron import cron_of
from tipman.cronwords import interval_of
from tipman.definitions.schedules import TARGETS, Schedule, schedule_of
from tipman.definitions.shapes import kind_of
from tipman.definitions.tasks import DEFAULTS, refusal
from tipman.errors import Fault, InvalidError
from tipman.settings import Settings
from tipman.timetable import Timetable, timetable_of
from tipman.zones import zone_of

NOT_IN_BLOCKS = (*TARGETS, "arguments", "input", "namespace")
"""What the schedule block of a workflow can not say: the workflow is what it submits."""
_ANYTHING = {"type": "wait"}


def check_schedule(mapping: object, *, settings: Settings = DEFAULTS) -> None:
    """Judge a schedule, its task and its time.

    Raises:
        InvalidError: `faults` names everything that is wrong, by pointers into the mapping.
    """
    faults: list[Fault] = []
    try:
        schedule_of(mapping, settings=settings)
    except InvalidError as error:
        faults += error.faults
    if isinstance(mapping, Mapping):
        known = {fault.pointer for fault in faults}
        faults += (fault for fault in time_faults(mapping) if fault.pointer not in known)
    if faults:
        raise refusal(faults)


def block_faults(given: object) -> Iterator[Fault]:
    """Yield what is wrong with the schedule block of a workflow, by pointers into it."""
    if not isinstance(given, Mapping):
        yield Fault("", f"must be an object, not {kind_of(given)}")
        return
    for name in NOT_IN_BLOCKS:
        if name in given:
            yield Fault(f"/{name}", "is not said here: it is the workflow that is submitted")
    timing = {name: value for name, value in given.items() if name not in NOT_IN_BLOCKS}
    try:
        check_schedule({**timing, "task": _ANYTHING})
    except InvalidError as error:
        yield from error.faults


def timetable_for(schedule: Schedule, anchor_us: int) -> Timetable:
    """Return when a schedule is due.

    Raises:
        InvalidError: something about its time makes no sense; the fault names the field.
    """
    return timetable_of(
        cron=schedule.cron,
        every_s=schedule.every_s,
        at_us=schedule.instant("at"),
        timezone=schedule.timezone,
        starts_at_us=schedule.instant("starts_at"),
        ends_at_us=schedule.instant("ends_at"),
        anchor_us=anchor_us,
        excluded=schedule.exclude,
    )


def time_faults(given: Mapping[Any, Any]) -> Iterator[Fault]:
    """Yield what is wrong with an expression and a zone that are texts."""
    for name, read in _READERS:
        value = given.get(name)
        if isinstance(value, str) and value:
            try:
                read(value)
            except InvalidError as error:
                yield from error.faults


def _read_cron(text: str) -> None:
    if interval_of(text) is None:
        cron_of(text)


_READERS: tuple[tuple[str, Callable[[str], object]], ...] = (
    ("cron", _read_cron),
    ("timezone", zone_of),
)
