"""The shapes of `arguments`, one for each type of task."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tipman.definitions.shapes import Environment, Label, Shape, filled_list, refused
from tipman.settings import SECONDS_MAX

COUNTER_STEP_MAX = 2**53 - 1
"""Beyond it a number is not the same in every JSON reader."""

_CALL = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_METHOD = re.compile(r"[A-Z]{1,20}")
_STATUS_MIN, _STATUS_MAX = 100, 599


def _call(text: str) -> str:
    if _CALL.fullmatch(text) is None:
        raise refused("must be `module:function` or `module:Class`")
    return text


def _method(text: str) -> str:
    if _METHOD.fullmatch(text) is None:
        raise refused("must be a method in capitals, such as `POST`")
    return text


def _url(text: str) -> str:
    if not text.lower().startswith(("http://", "https://")) or text.split() != [text]:
        raise refused("must be a URL that starts with `http://` or `https://`")
    return text


def _statuses(value: object) -> object:
    return [value] if isinstance(value, int) else filled_list(value)


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
    """A note for who looks at what the task waits for."""

    note: str | None = None


SHAPES: Mapping[str, type[Shape]] = {
    "exec": ExecArguments,
    "python": PythonArguments,
    "inline": InlineArguments,
    "sleep": SleepArguments,
    "counter": CounterArguments,
    "http": HttpArguments,
    "wait": WaitArguments,
}
"""By type; `eval` is not here, its arguments are one text."""
