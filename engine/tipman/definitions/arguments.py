"""The shapes of `arguments`, one for each type of task."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tipman.definitions.expressions import is_templated
from tipman.definitions.schemas import faults_by, schema_faults
from tipman.definitions.shapes import Count, Environment, Label, Shape, filled_list, refused
from tipman.settings import SECONDS_MAX

COUNTER_STEP_MAX = 2**53 - 1
"""Beyond it a number is not the same in every JSON reader."""

_CALL = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_METHOD = re.compile(r"[A-Z]{1,20}")
_STATUS_MIN, _STATUS_MAX = 100, 599
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%")
_ALL = 100


def _call(text: str) -> str:
    if _CALL.fullmatch(text) is None:
        raise refused("must be `module:function` or `module:Class`")
    return text


def _method(text: str) -> str:
    if _METHOD.fullmatch(text) is None:
        raise refused("must be a method in capitals, such as `POST`")
    return text


def _url(text: str) -> str:
    if not text.lower().startswith(("http://", "https://")):
        raise refused("must be a URL that starts with `http://` or `https://`")
    if text.split() != [text]:
        raise refused("must be a URL without blanks: write `%20`")
    return text


def _statuses(value: object) -> object:
    return [value] if isinstance(value, int) else filled_list(value)


def _form(schema: dict[str, Any]) -> dict[str, Any]:
    for fault in schema_faults(schema):
        raise refused(f"{fault.pointer}: {fault.detail}" if fault.pointer else fault.detail)
    return schema


def _workflow_name(text: str) -> str:
    if _NAME.fullmatch(text) is None and not is_templated(text):
        raise refused("must be the name of a registered workflow")
    return text


def _over(value: object) -> object:
    if isinstance(value, list | tuple) or is_templated(value):
        return value
    if (
        isinstance(value, Mapping)
        and [*value] == ["context"]
        and isinstance(value["context"], str)
    ):
        return value
    raise refused("must be a list, an `{expression}`, or `{context: KEY}`")


def _allowance(value: object) -> object:
    if type(value) is int and value >= 0:
        return value
    share = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if share is None or float(share[1]) > _ALL:
        raise refused("must be a whole number from 0, or a share from `0%` to `100%`")
    return value


Line = Annotated[str, Field(min_length=1)]
Named = dict[str, Any]
Program = Annotated[tuple[str, ...], Field(strict=False), BeforeValidator(filled_list)]


class ExecArguments(Shape):
    """What runs: `argv`, a program with its arguments, or `shell`, a line for the shell."""

    argv: Program | None = None
    shell: Line | None = None
    env: Environment = Field(default_factory=dict)
    cwd: Line | None = None
    stdin: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _line(cls, value: object) -> object:
        return {"shell": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one(self) -> "ExecArguments":
        if (self.argv is None) == (self.shell is None):
            raise refused("must be a shell line, or have one of `argv` and `shell`")
        if self.argv is not None and not self.argv[0]:
            raise refused("`argv` must start with a program")
        return self


class PythonArguments(Shape):
    """A function or class by its address, and its arguments by name."""

    call: Annotated[str, AfterValidator(_call)]
    args: Named = Field(default_factory=dict)


class InlineArguments(Shape):
    """A function that this process registered, and its arguments by name."""

    task: Label
    args: Named = Field(default_factory=dict)


class SleepArguments(Shape):
    """How long."""

    duration_s: Annotated[float, Field(ge=0, le=SECONDS_MAX)]


class CounterArguments(Shape):
    """Which counter, and how far it goes on."""

    name: Label
    by: Annotated[int, Field(ge=-COUNTER_STEP_MAX, le=COUNTER_STEP_MAX)] = 1


class HttpArguments(Shape):
    """A request. A body that is no text is sent as JSON; no `expect_status` means any 2xx."""

    url: Annotated[str, AfterValidator(_url)]
    method: Annotated[str, AfterValidator(_method)] = "GET"
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None
    expect_status: Annotated[
        tuple[Annotated[int, Field(ge=_STATUS_MIN, le=_STATUS_MAX)], ...],
        Field(strict=False),
        BeforeValidator(_statuses),
    ] = ()


class WaitArguments(Shape):
    """What a task waits for, for people and for those who report.

    `form` is a JSON Schema of what may be reported, `assignee` the name of the token that may.
    """

    note: str | None = None
    form: Annotated[dict[str, Any], AfterValidator(_form)] | None = None
    assignee: Label | None = None


class Outcome(Shape):
    """What an approval ends with when nobody has answered in time."""

    approve: bool
    data: Any = None


class ApprovalArguments(WaitArguments):
    """As of `wait`; `default` is the answer when `timeout_s` has passed without one."""

    default: Outcome | None = None

    @model_validator(mode="after")
    def _fits(self) -> "ApprovalArguments":
        if self.default is not None and self.form is not None and self.default.approve:
            for fault in faults_by(self.form, self.default.data):
                raise refused(f"`default.data` does not fit the form: {fault.detail}")
        return self


class WorkflowArguments(Shape):
    """Which workflow runs, the newest version if none is said, and what becomes of its run.

    `on_close` is what happens to the run when the task that waits for it is ended: `cancel` it,
    `abandon` it to go on by itself, or `wait` for its end.
    """

    name: Annotated[str, AfterValidator(_workflow_name)]
    version: Annotated[int, Field(ge=1)] | None = None
    input: Named = Field(default_factory=dict)
    on_close: Literal["cancel", "abandon", "wait"] = "cancel"


class MapArguments(Shape):
    """A task for each item of a list; `task` is judged by `tipman.definitions.tasks`.

    `failures_max` is how many items may fail: a number, or a share of them such as `10%`.
    """

    over: Annotated[Any, BeforeValidator(_over)]
    task: dict[str, Any]
    parallel_max: Count | None = None
    failures_max: Annotated[int | str, BeforeValidator(_allowance)] = 0


def failures_allowed(failures_max: int | str, items: int) -> int:
    """Return how many of so many items may fail.

    >>> failures_allowed(3, 10), failures_allowed("10%", 25)
    (3, 2)
    >>> failures_allowed("0.1%", 10_000), failures_allowed("100%", 7)
    (10, 7)
    """
    if isinstance(failures_max, int):
        return failures_max
    whole, _, part = failures_max.removesuffix("%").partition(".")
    scale: int = 10 ** len(part)
    return int(whole + part) * items // (_ALL * scale)


SHAPES: Mapping[str, type[Shape]] = {
    "exec": ExecArguments,
    "python": PythonArguments,
    "inline": InlineArguments,
    "sleep": SleepArguments,
    "counter": CounterArguments,
    "http": HttpArguments,
    "wait": WaitArguments,
    "approval": ApprovalArguments,
    "workflow": WorkflowArguments,
    "map": MapArguments,
}
"""By type; `eval` is not here, its arguments are one text."""
