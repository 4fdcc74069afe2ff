"""Requests: what instances are asked for from outside."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import click
from tipman.errors import NotFoundError

from tipman_api.commands.options import (
    Session,
    client_command,
    completing,
    json_value,
    kind_option,
    namespace_option,
)
from tipman_api.exits import ExitCode, exit_code_of
from tipman_api.refusals import RefusedError

Callback = TypeVar("Callback", bound=Callable[..., Any])

_references = click.argument("references", metavar="REF...", nargs=-1, required=True)


def _events() -> Iterable[str]:
    from tipman.requests import REQUESTS  # noqa: PLC0415 - only who completes pays for it

    return REQUESTS


def _part_options(function: Callback) -> Callback:
    """Give a command the options that say which tasks of a run are meant."""
    for option in reversed(_PART):
        function = option(function)
    return function


_PART = (
    click.option(
        "--task", "tasks", metavar="NAME", multiple=True,
        help="Of a run only this task of it; may be repeated.",
    ),
    click.option("--descendants", is_flag=True, help="And all tasks below those."),
)  # fmt: skip


@click.command
@_references
@_part_options
@kind_option
@namespace_option
@client_command
def cancel(session: Session, references: Sequence[str], **given: Any) -> int:
    """Cancel instances: what runs is ended with all that it started."""
    return ask(session, references, given, "cancel.requested", _part(given))


@click.command
@_references
@click.option(
    "--in-flight", type=click.Choice(["stop"]), help="End what runs, instead of letting it end."
)
@_part_options
@kind_option
@namespace_option
@client_command
def suspend(session: Session, references: Sequence[str], **given: Any) -> int:
    """Suspend instances, once what runs has ended."""
    data = _part(given) or {}
    if given["in_flight"] is not None:
        data["in_flight"] = given["in_flight"]
    return ask(session, references, given, "suspend.requested", data or None)


@click.command
@_references
@_part_options
@kind_option
@namespace_option
@client_command
def resume(session: Session, references: Sequence[str], **given: Any) -> int:
    """Resume suspended instances."""
    return ask(session, references, given, "resume.requested", _part(given))


@click.command
@_references
@_part_options
@kind_option
@namespace_option
@client_command
def retry(session: Session, references: Sequence[str], **given: Any) -> int:
    """Open again what failed, was cancelled, abandoned or skipped."""
    return ask(session, references, given, "retry.requested", _part(given))


@click.command
@click.argument("reference", metavar="REF")
@click.argument("event", metavar="EVENT", shell_complete=completing(_events))
@click.option("--data", metavar="JSON", help="What the event brings; `-` reads standard input.")
@kind_option
@namespace_option
@client_command
def send(session: Session, *, reference: str, event: str, data: str | None, **given: Any) -> int:
    """Send an event to an instance, such as finish.reported."""
    text = sys.stdin.read() if data == "-" else data
    value = None if text is None else json_value(text, "--data")
    return ask(session, [reference], given, event, value)


def _part(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return which tasks of a run are meant, None for all.

    Raises:
        UsageError: what is below no task.
    """
    if given["descendants"] and not given["tasks"]:
        raise click.UsageError("--descendants are those of a --task.")
    if not given["tasks"]:
        return None
    below = {"descendants": True} if given["descendants"] else {}
    return {"tasks": list(given["tasks"]), **below}


def ask(
    session: Session,
    references: Sequence[str],
    given: dict[str, Any],
    name: str,
    data: Any = None,
) -> int:
    """Ask each for the same, and print what it is in then.

    A refusal of one is said, and the others are asked all the same; the exit code is the first
    refusal's.
    """
    body = {"name": name} if data is None else {"name": name, "data": data}
    code = ExitCode.OK
    for reference in references:
        try:
            uri = session.find(reference, given)["uri"]
            instance = session.client.post(f"{uri}/events", body).json
        except (RefusedError, NotFoundError) as error:
            if len(references) == 1:
                raise
            session.printer.note(str(error))
            code = code or exit_code_of(error)
        else:
            session.printer.answer(instance, instance["id"], instance["state"])
    return code
