"""Schedules as they are asked for: one shape for files, REST and Python."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from tipman.clock import microseconds_of, rfc3339
from tipman.definitions.faults import faults_of
from tipman.definitions.named import reference_of
from tipman.definitions.shapes import Count, Instant, Key, Label, Shape, Task, kind_of, refused
from tipman.definitions.tasks import DEFAULTS, read_task, refusal
from tipman.errors import Fault, InvalidError
from tipman.jsontext import check, dumps, pointer_of
from tipman.settings import SECONDS_MAX, Settings

INTERVAL_S_MIN = 0.001
WINDOW_S = 3600.0
CAUGHT_UP_MAX = 10_000
QUEUED_MAX = 10_000
EXCLUDED_MAX = 1_000
LATEST_YEAR = 9999
"""Instants of a schedule lie before this year."""
TRIGGERS = ("cron", "every_s", "at")
TARGETS = ("task", "definition", "workflow")
NOT_IN_SCHEDULES = ("key", "namespace", "dependencies", "when", "compensate", "due_at")
"""What a scheduled task can not say, because it is submitted many times."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _within(value: Any) -> Any:
    if not 1970 <= value.year < LATEST_YEAR:  # noqa: PLR2004 - the year that instants count from
        raise refused(f"must lie from the year 1970 up to {LATEST_YEAR - 1}")
    return value


def _interval(value: float) -> float:
    if 0 < value < INTERVAL_S_MIN:
        raise refused(f"must be at least {INTERVAL_S_MIN}")
    return value


def _day(value: object) -> object:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise refused(f"is no date: {value!r}") from None
    if type(value) is date:
        return value
    raise refused("must be a date such as `2026-12-24`")


def _listed(value: object) -> object:
    if not isinstance(value, list | tuple):
        raise refused(f"must be a list of dates, not {kind_of(value)}")
    if len(value) > EXCLUDED_MAX:
        raise refused(f"must be at most {EXCLUDED_MAX:,} dates")
    return value


Moment = Annotated[Instant, AfterValidator(_within)]
Interval = Annotated[float, Field(gt=0, le=SECONDS_MAX), AfterValidator(_interval)]
Days = Annotated[
    tuple[Annotated[date, BeforeValidator(_day)], ...],
    Field(strict=False),
    BeforeValidator(_listed),
]
Overlap = Literal["skip", "queue_one", "queue_all", "latest", "cancel_running", "allow"]


class CatchUp(Shape):
    """Which of the instants that nobody was there for are run all the same.

    Those not older than `window_s`, and of `all` the newest `max`.
    """

    policy: Literal["latest", "none", "earliest", "all"] = "latest"
    window_s: Annotated[float, Field(ge=0, le=SECONDS_MAX)] = WINDOW_S
    max: Annotated[int, Field(ge=1, le=CAUGHT_UP_MAX)] = 100


class Schedule(Shape):
    """When to submit what; made by `schedule_of`, as it was asked for.

    One of `cron`, `every_s`, `at`, and one of `task`, `definition`, `workflow`.
    """

    key: Key | None = None
    name: Label = ""
    namespace: Label = "default"
    cron: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    every_s: Interval | None = None
    at: Moment | None = None
    timezone: Annotated[str, Field(min_length=1, max_length=100)] = "UTC"
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    runs_max: Count | None = None
    jitter_s: Annotated[float, Field(ge=0, le=SECONDS_MAX)] = 0.0
    exclude: Days = ()
    paused: bool = False
    pause_after_failures: Count | None = None
    overlap: Overlap = "skip"
    queue_max: Annotated[int, Field(ge=1, le=QUEUED_MAX)] = 100
    catch_up: CatchUp = CatchUp.model_construct()
    task: dict[str, Any] | None = None
    definition: str | None = None
    arguments: Any = None
    workflow: str | None = None
    input: dict[str, Any] | None = None

    # What only the engine says of a task it has accepted.
    submits: ClassVar[Task | None] = None

    def instant(self, name: str) -> int | None:
        """Return `at`, `starts_at` or `ends_at` in µs."""
        value = getattr(self, name)
        return None if value is None else microseconds_of(value)

    @property
    def text(self) -> str:
        """It as JSON text, without what was not given."""
        given = {name: getattr(self, name) for name in sorted(self.model_fields_set)}
        return dumps({name: _plain(value) for name, value in given.items()})

    def asked(self) -> dict[str, Any]:
        """Return what a submission by definition asks for."""
        given = {"definition": self.definition, "namespace": self.namespace}
        return given if self.arguments is None else {**given, "arguments": self.arguments}


def schedule_of(mapping: object, *, settings: Settings = DEFAULTS) -> tuple[Schedule, Task | None]:
    """Return the schedule that a mapping says, and its task unless that is by definition.

    For a workflow that is a task which only says of what runs are started.

    Raises:
        InvalidError: `faults` names everything that is wrong, by pointers into the mapping.
    """
    if not isinstance(mapping, Mapping):
        raise refusal([Fault("", f"a schedule must be an object, not {kind_of(mapping)}")])
    faults = [*_one_of(mapping, TRIGGERS), *_one_of(mapping, TARGETS)]
    schedule = None
    try:
        schedule = Schedule.model_validate(mapping)
    except ValidationError as error:
        faults += faults_of(error, Schedule)
    task = None
    if isinstance(mapping.get("task"), Mapping):
        task, found = _read_task(mapping["task"], settings)
        faults += found
    elif isinstance(mapping.get("workflow"), str):
        task, found = _read_workflow(mapping)
        faults += found
    if schedule is not None:
        faults += _between(schedule)
    if schedule is None or faults:
        raise refusal(faults)
    return schedule, task


def stored_schedule(text: str) -> Schedule:
    """Return the schedule of a stored text, which was checked when it came."""
    return Schedule.model_validate_json(text)


def _plain(value: object) -> object:
    """Return a value as JSON has it; what was not given in it stays out."""
    if isinstance(value, CatchUp):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, tuple):
        return [each.isoformat() for each in cast("Sequence[date]", value)]
    return rfc3339(microseconds_of(value)) if isinstance(value, datetime) else value


def _one_of(given: Mapping[Any, Any], names: Sequence[str]) -> Iterator[Fault]:
    found = [name for name in names if given.get(name) is not None]
    choice = f"{', '.join(f'`{name}`' for name in names[:-1])} or `{names[-1]}`"
    if not found:
        yield Fault("", f"needs one of {choice}")
    for name in found[1:]:
        yield Fault(f"/{name}", f"stands beside `{found[0]}`: only one of {choice} can be")


def _read_task(given: Mapping[str, Any], settings: Settings) -> tuple[Task | None, list[Fault]]:
    faults = [
        Fault(pointer_of(("task", name)), f"`{name}` belongs to one submission, not to a schedule")
        for name in NOT_IN_SCHEDULES
        if name in given
    ]
    known = {name: value for name, value in given.items() if name not in NOT_IN_SCHEDULES}
    reading = read_task(known, settings, ("task",))
    return reading.task, [*faults, *reading.faults]


def _read_workflow(given: Mapping[str, Any]) -> tuple[Task | None, list[Fault]]:
    try:
        name, version = reference_of(given["workflow"], "workflow")
        check(given.get("input"))
    except InvalidError as error:
        return None, list(error.faults)
    arguments = {"name": name, "version": version, "input": given.get("input")}
    return Task.model_construct(type="workflow", name=name, arguments=arguments), []


def _between(schedule: Schedule) -> Iterator[Fault]:
    """Yield what is wrong between fields that are right in themselves."""
    starts_at, ends_at = schedule.instant("starts_at"), schedule.instant("ends_at")
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        yield Fault("/ends_at", "must come after starts_at")
    at = schedule.instant("at")
    if at is not None and starts_at is not None and at < starts_at:
        yield Fault("/at", "must not come before starts_at")
    if at is not None and ends_at is not None and at >= ends_at:
        yield Fault("/at", "must come before ends_at")
    if schedule.every_s is not None and schedule.jitter_s >= schedule.every_s:
        yield Fault("/jitter_s", "must be less than every_s")
    given = schedule.model_fields_set
    if "queue_max" in given and schedule.overlap != "queue_all":
        yield Fault("/queue_max", "only means something with the overlap `queue_all`")
    if schedule.task is not None and schedule.arguments is not None:
        yield Fault("/arguments", "belong into the task, or beside a definition")
    if schedule.workflow is not None and schedule.arguments is not None:
        yield Fault("/arguments", "belong beside a definition; a workflow has an `input`")
    if schedule.workflow is None and schedule.input is not None:
        yield Fault("/input", "belongs beside a workflow")
    most = given and "max" in schedule.catch_up.model_fields_set
    if most and schedule.catch_up.policy != "all":
        yield Fault("/catch_up/max", "only means something with the policy `all`")
