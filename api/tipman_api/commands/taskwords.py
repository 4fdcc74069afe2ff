"""Words for a task: the options and arguments by which a command line says what is to be done."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from tipman_api.commands.options import json_value

Callback = TypeVar("Callback", bound=Callable[..., Any])
TYPES = (
    "exec", "eval", "python", "inline", "sleep", "counter", "http", "wait", "approval", "workflow",
    "map",
)  # fmt: skip
_CODE = frozenset({"exec", "eval"})
"""Types whose arguments are text; what looks like an object is one for `exec` only."""
_FIELDS = ("queue", "priority", "timeout_s", "on_lost")
_RETRY = {
    "attempts_max": "attempts_max",
    "backoff": "backoff",
    "delay_s": "delay",
    "delay_s_max": "delay_max",
    "jitter": "jitter",
    "on": "retry_on",
}


def completed_type(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Complete the first of the words of a command, which is a TYPE."""
    is_first = not context.params.get("words")
    return sorted(word for word in TYPES if is_first and word.startswith(begun))


class _Variable(click.ParamType[tuple[str, str]]):
    """`NAME=TEXT`."""

    name = "NAME=TEXT"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        name, equals, text = value.partition("=")
        if not name or not equals:
            self.fail(f"{value!r} is not NAME=TEXT", param, ctx)
        return name, text


_OPTIONS = (
    click.option("--queue", help="Whose slots it takes."),
    click.option("--priority", type=int, help="-1000 to 1000, higher first."),
    click.option(
        "--timeout", "timeout_s", metavar="S", type=float, help="What an attempt may take."
    ),
    click.option("--env", type=_Variable(), multiple=True, help="A variable of its environment."),
    click.option(
        "--attempts-max", metavar="N", type=int, help="Attempts, the first one included."
    ),
    click.option(
        "--backoff",
        type=click.Choice(["fixed", "linear", "exponential"]),
        help="How pauses between attempts grow.",
    ),
    click.option("--delay", metavar="S", type=float, help="The first pause between attempts."),
    click.option("--delay-max", metavar="S", type=float, help="The longest one."),
    click.option(
        "--jitter", metavar="SHARE", type=float, help="How much of it is chance, 0 to 1."
    ),
    click.option(
        "--retry-on",
        metavar="CODE",
        multiple=True,
        help="exit:N, exception:NAME, http:N, timeout, *.",
    ),
    click.option(
        "--on-lost",
        type=click.Choice(["retry", "fail"]),
        help="When an attempt is lost to a crash.",
    ),
)


def task_options(function: Callback) -> Callback:
    """Give a command the options of every task, however it comes to be submitted."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def task_fields(given: dict[str, Any]) -> dict[str, Any]:
    """Return what the options say of a task; the server judges it."""
    fields = {name: given[name] for name in _FIELDS if given[name] is not None}
    if given["env"]:
        fields["env"] = dict(given["env"])
    retry = {name: given[option] for name, option in _RETRY.items()}
    retry = {name: value for name, value in retry.items() if value not in (None, ())}
    return {**fields, "retry": retry} if retry else fields


def type_and_arguments(
    words: tuple[str, ...], *, has_definition: bool
) -> tuple[str | None, str | None]:
    """Return the words TYPE and ARGUMENTS, None for one that is not there.

    Raises:
        UsageError: the type is missing, or there are too many.
    """
    expected = 1 if has_definition else 2
    if len(words) > expected:
        raise click.UsageError(f"Too many arguments: {words[expected]!r}; quote a line as one.")
    if has_definition:
        return None, words[0] if words else None
    if not words:
        raise click.UsageError(f"Name a TYPE ({', '.join(TYPES)}) or a --definition.")
    return words[0], words[1] if len(words) > 1 else None


def arguments_of(type_: str | None, text: str) -> Any:
    """Return the arguments that a word says; `-` reads standard input.

    Raises:
        UsageError: they must be JSON and are not.
    """
    if text == "-":
        text = sys.stdin.read()
    if type_ not in _CODE:
        try:
            return json_value(text, "ARGUMENTS")
        except click.UsageError:
            if type_ is None or type_ in TYPES:
                raise
            # Said wrong is the type, and the server knows which one is meant.
            return text
    if type_ == "exec" and text.lstrip().startswith('{"'):
        return json_value(text, "ARGUMENTS that are an object")
    return text
