"""The shapes of a task and of its retries: one for files, REST and Python."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from tipman.clock import MICROSECONDS, microseconds_of
from tipman.ids import parse
from tipman.jsontext import Json, dumps
from tipman.retries import ANY, Backoff, is_condition
from tipman.settings import SECONDS_MAX

TaskType = Literal[
    "exec",
    "eval",
    "python",
    "inline",
    "sleep",
    "counter",
    "http",
    "wait",
    "approval",
    "workflow",
    "map",
]
Policy = Literal["error", "first", "last", "concat", "deep"]
"""What becomes of a key of the context that two tasks wrote."""

PRIORITY_MAX = 1000
NAME_MAX = 200
ATTEMPTS_MAX = 1_000_000
STORED_DEPTH_MAX = 600
"""What was once accepted is written and read again, whatever the setting says by then."""
_RESERVED_KEYS = frozenset({"batch", "events"})
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,199}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_VARIABLE = re.compile(r"[^=\x00]{1,200}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


_KINDS = (
    (bool, "true or false"),
    (str, "a text"),
    (int, "a number"),
    (float, "a number with a fraction"),
    (Mapping, "an object"),
    (list | tuple, "a list"),
    (type(None), "null"),
)


def kind_of(value: object) -> str:
    """Return what sort of value it is, for a message.

    >>> kind_of([1])
    'a list'
    """
    return next((words for kind, words in _KINDS if isinstance(value, kind)), type(value).__name__)


def refused(detail: str) -> PydanticCustomError:
    """Return what a validator raises; the detail is shown as it is."""
    return PydanticCustomError("refused", "{detail}", {"detail": detail})


def valid_key(text: str) -> str:
    """Return a key as it is, or refuse it."""
    if _KEY.fullmatch(text) is None:
        raise refused(
            "must start with a letter or digit and go on with letters, digits and `._:@-`, "
            "200 characters at most"
        )
    if text in _RESERVED_KEYS:
        raise refused(f"must not be `{text}`, which is an address of its own")
    if parse(text) is not None:
        raise refused("must not look like a UUID")
    return text


def valid_label(text: str) -> str:
    """Return a name as it is, or refuse it; how long it may be is not asked here."""
    if _CONTROL.search(text) or text != text.strip():
        raise refused("must have no control characters and no blanks around it")
    return text


def _condition(text: str) -> str:
    if not is_condition(text):
        raise refused(
            "must be `exit:N`, `exception:NAME`, `http:N`, `timeout` or `*`, not " + repr(text)
        )
    return text


def _instant(value: object) -> object:
    """Return an aware datetime in UTC from one, or from RFC 3339 text with its zone."""
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        try:
            value = datetime.fromisoformat(value.upper())
        except ValueError:
            raise refused(f"is no date and time: {value!r}") from None
    if isinstance(value, datetime) and value.tzinfo is not None:
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise refused(f"is out of range: {value.isoformat()!r}") from None
    raise refused("must be an instant with its zone, such as `2026-11-21T09:00:00Z`")


def _list(value: object) -> object:
    if not isinstance(value, list | tuple):
        raise refused(f"must be a list, not {kind_of(value)}")
    return value


def filled_list(value: object) -> object:
    """Refuse what is no list, or an empty one."""
    if not _list(value):
        raise refused("must not be empty")
    return value


def _different(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) != len(value):
        name = next(name for at, name in enumerate(value) if name in value[:at])
        raise refused(f"`{name}` stands twice")
    return value


def _environment(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if _VARIABLE.fullmatch(name) is None or "\0" in text:
            raise refused(f"{name!r} can not be a variable of the environment")
        if name.startswith("TIPMAN_"):
            raise refused(f"`{name}` is set by the engine")
    return value


Seconds = Annotated[float, Field(gt=0, le=SECONDS_MAX)]
Key = Annotated[str, AfterValidator(valid_key)]
Label = Annotated[str, Field(min_length=1, max_length=NAME_MAX), AfterValidator(valid_label)]
Environment = Annotated[dict[str, str], AfterValidator(_environment)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Count = Annotated[int, Field(ge=1, le=ATTEMPTS_MAX)]
References = Annotated[
    tuple[Label, ...],
    Field(strict=False),
    BeforeValidator(_list),
    AfterValidator(_different),
]
Conditions = Annotated[
    tuple[Annotated[str, AfterValidator(_condition)], ...],
    Field(strict=False),
    BeforeValidator(filled_list),
]


class Shape(BaseModel):
    """Base of all shapes: nothing unknown, nothing converted, nothing changed afterwards.

    A validator is built at its first use: most processes never need most of them.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        defer_build=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    @classmethod
    def read(cls, given: object) -> Self:
        """Return what `model_validate` does, without the look at what else that could be told."""
        found: Self = cls.__pydantic_validator__.validate_python(given)
        return found


class Retry(Shape):
    """What follows a failed attempt; see `tipman.retries`. `attempts_max` counts the first too."""

    attempts_max: Count = 1
    backoff: Annotated[Backoff, Field(strict=False)] = Backoff.FIXED
    delay_s: Annotated[float, Field(ge=0, le=SECONDS_MAX)] = 1.0
    delay_s_max: Annotated[float, Field(ge=0, le=SECONDS_MAX)] = 3600.0
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.0
    on: Conditions = (ANY,)


class Edge(Shape):
    """A dependency by the name of its task, and whether more than order comes from it."""

    task: Label
    carry: Literal["data", "order"] = "data"


class Task(Shape):
    """One task, as it is asked for; made by `task_of`, which also fills in what the settings say.

    `arguments` is the JSON value as it was given, checked against its type's shape. `timeout_s`
    None means none. `when` is a rule as `tipman.triggers` reads it, None for the default.
    `compensate` is another `Task`, which undoes this one.
    """

    key: Key | None = None
    name: Label = ""
    namespace: Label = "default"
    type: TaskType
    arguments: Any = None
    dependencies: References = ()
    queue: Label = "default"
    priority: Annotated[int, Field(ge=-PRIORITY_MAX, le=PRIORITY_MAX)] = 0
    due_at: Instant | None = None
    after_s: Annotated[float, Field(ge=0, le=SECONDS_MAX)] | None = None
    timeout_s: Seconds | None = None
    retry: Retry = Retry.model_construct()
    env: Environment = Field(default_factory=dict)
    on_lost: Literal["retry", "fail"] = "retry"
    when: Any = None
    compensate: Any = None

    # Not fields, so nobody can ask for them; the engine's own are put beside the fields.
    exclusive: ClassVar[str | None] = None
    """The name that a task shares with those it must not run beside (a class task's)."""
    has_expressions: ClassVar[bool] = False
    """Whether `arguments` has `{expressions}` to be filled in when an attempt starts."""
    definition: ClassVar[str | None] = None
    """What it was made from, `name@version`; its arguments are filled in already."""
    traceparent: ClassVar[str | None] = None
    """The span that submitted it, as W3C Trace Context writes it."""
    slot: ClassVar[Sequence[int] | None] = None
    """Of a run of a schedule: when it was due, in µs, and the numbers of backfill and trigger."""
    order_only: ClassVar[tuple[int, ...]] = ()
    """The positions of the dependencies that carry order and nothing else."""
    on_unmet: ClassVar[str] = "skip"
    """What becomes of it when its rule does not hold: `skip`, or `block` as its run says."""
    merge: ClassVar[str | Mapping[str, str]] = "error"
    """How its run settles what two tasks wrote under one key of the context."""
    template: ClassVar["Task | None"] = None
    """Of a map: the task that each item becomes."""
    item: ClassVar[Mapping[str, Any] | None] = None
    """Of an item of a map: its `index` and its `value`."""

    def with_arguments(self, arguments: Json) -> Self:
        """Return the same task with other arguments, which are taken as they are.

        Nothing is validated: this is for callers that check arguments in another way, as by a
        function's own signature. Braces in them are plain text.
        """
        if self.has_expressions:
            return self.beside(arguments=arguments, has_expressions=False)
        # The options are the same, so their text is made once for all that are stamped out.
        return self.beside(arguments=arguments, options=self.options)

    def with_exclusive(self, name: str) -> Self:
        """Return the same task, to run one attempt at a time among those of this name."""
        return self.beside(exclusive=name)

    def with_definition(self, pin: str) -> Self:
        """Return the same task, made from this version of a definition."""
        return self.beside(definition=pin)

    def with_traceparent(self, traceparent: str) -> Self:
        """Return the same task, submitted within this span."""
        return self.beside(traceparent=traceparent)

    def with_brought(self, change: "Callable[[Task], Task]") -> Self:
        """Return the same task, with the tasks that it brings along changed."""
        if self.compensate is None and self.template is None:
            return self
        brought = {name: getattr(self, name) for name in PACKED}
        changes = {name: change(task) for name, task in brought.items() if task is not None}
        return self.beside(**changes)

    def due_us(self, now_us: int) -> int | None:
        """Return when it may start, its dependencies having settled at *now_us*; None for at once.

        The later of `due_at` and `after_s` counts.
        """
        due = None if self.due_at is None else microseconds_of(self.due_at)
        if self.after_s is None:
            return due
        after = now_us + round(self.after_s * MICROSECONDS)
        return after if due is None else max(due, after)

    @cached_property
    def options(self) -> str:
        """All but names, type, arguments and dependencies, where not default, as JSON text."""
        # What nobody gave is the default, so only a few of the many are compared.
        given = sorted(self.__pydantic_fields_set__ & _OPTIONS, key=_POSITIONS.__getitem__)
        values = self.__dict__
        options: dict[str, Any] = {}
        for name in given:
            value = values[name]
            if value != DEFAULT_OPTIONS[name]:
                options[name] = _WRITERS[name](value) if name in _WRITERS else value
        return dumps(options, depth_max=STORED_DEPTH_MAX)

    @cached_property
    def arguments_text(self) -> str:
        """`arguments` as JSON text."""
        return dumps(self.arguments, depth_max=STORED_DEPTH_MAX)

    def with_text(self, text: str) -> Self:
        """Return this task, which need not write its `arguments` again: their text is at hand."""
        self.__dict__["arguments_text"] = text
        return self

    @property
    def packed(self) -> dict[str, Any]:
        """It as a JSON object that `tipman.definitions.stored.unpacked` reads."""
        return {
            "name": self.name,
            "type": self.type,
            "arguments": self.arguments_text,
            "options": self.options,
        }

    def beside(self, **changes: object) -> Self:
        """Return the same task with other attributes, which are taken as they are.

        A copy by `model_copy` takes five times as long, and this is once a submitted task.
        """
        other = self.__class__.__new__(self.__class__)
        values = self.__dict__ | changes
        if self.has_expressions or "options" not in changes:
            values.pop("options", None)
        if "arguments" in changes:
            values.pop("arguments_text", None)
        object.__setattr__(other, "__dict__", values)
        given = self.__pydantic_fields_set__ | changes.keys()
        object.__setattr__(other, "__pydantic_fields_set__", given)
        object.__setattr__(other, "__pydantic_extra__", None)
        object.__setattr__(other, "__pydantic_private__", None)
        return other


PACKED = ("compensate", "template")
"""Options that are tasks themselves."""
_IN_ORDER = (
    "queue",
    "priority",
    "due_at",
    "after_s",
    "timeout_s",
    "retry",
    "env",
    "on_lost",
    "exclusive",
    "has_expressions",
    "definition",
    "traceparent",
    "slot",
    "when",
    "compensate",
    "order_only",
    "on_unmet",
    "merge",
    "template",
    "item",
)
_WRITERS: Mapping[str, Callable[[Any], object]] = {
    "due_at": microseconds_of,
    "retry": lambda retry: retry.model_dump(mode="json", exclude_defaults=True),
    "compensate": lambda task: task.packed,
    "template": lambda task: task.packed,
}
"""How options are written that are no JSON themselves."""
_POSITIONS = {name: position for position, name in enumerate(_IN_ORDER)}
_OPTIONS = frozenset(_IN_ORDER)
DEFAULT_OPTIONS: Mapping[str, Any] = {
    name: Task.model_fields[name].get_default(call_default_factory=True)
    if name in Task.model_fields
    else getattr(Task, name)
    for name in _IN_ORDER
}
