"""Submission: one task, from words of a command line."""

from typing import Any

import click

from tipman_api.commands.options import (
    API,
    Session,
    client_command,
    namespace_option,
    patience_option,
)
from tipman_api.commands.taskwords import (
    arguments_of,
    completed_type,
    task_fields,
    task_options,
    type_and_arguments,
)
from tipman_api.exits import ExitCode

_FIELDS = ("key", "name", "namespace", "due_at", "after_s", "definition")


@click.command
@click.argument("words", nargs=-1, metavar="TYPE [ARGUMENTS]", shell_complete=completed_type)
@click.option("--definition", metavar="NAME@N", help="A named task, instead of TYPE.")
@click.option("--key", help="A name that no other task of the namespace has.")
@click.option("--name", help="What people read; need not be unique.")
@namespace_option
@click.option("--after", "dependencies", metavar="REF", multiple=True, help="A task to wait for.")
@click.option("--due-at", metavar="INSTANT", help="Not before, such as 2026-11-21T09:00:00Z.")
@click.option(
    "--after-s", metavar="S", type=float, help="Not sooner than S seconds after REF settled."
)
@task_options
@click.option("--wait", is_flag=True, help="Wait until it has settled.")
@click.option(
    "--wait-max",
    "wait_s",
    metavar="S",
    type=click.FloatRange(min=0),
    help="Wait so many seconds at most, then end with 124.",
)
@patience_option
@client_command
def submit(session: Session, words: tuple[str, ...], **given: Any) -> int:
    """Submit a task, and print its UUID.

    ARGUMENTS are JSON; of `exec` a shell line, or JSON of an object; of `eval` code. `-` reads
    them from standard input.

    Ends with 0 once the task is on disk. With --wait: 0 when it succeeded, 1 when it settled
    otherwise, 124 when the wait ran out; the task goes on then.
    """
    printer = session.printer
    submitted = session.client.post(f"{API}/tasks", _body(words, given)).json
    if not (given["wait"] or given["wait_s"] is not None):
        printer.answer(submitted, submitted["id"])
        return ExitCode.OK
    if not printer.as_json:
        printer.answer(submitted, submitted["id"])
    from tipman_api.subscriptions import settled  # noqa: PLC0415 - only who waits pays for it

    uri, patience_s = submitted["uri"], given["patience_s"]
    task = settled(session.client, uri, wait_s=given["wait_s"], patience_s=patience_s)
    printer.answer(task, task["state"])
    if task["state"] == "succeeded":
        return ExitCode.OK
    error = task.get("error")
    if error is not None and not printer.as_json:
        printer.note(f"{task['name']} {task['state']}: {error['code']}: {error['message']}")
    return ExitCode.FAILED


def _body(words: tuple[str, ...], given: dict[str, Any]) -> dict[str, Any]:
    """Return the task that was asked for; the server judges it.

    Raises:
        UsageError: type or arguments are missing, too many or not JSON.
    """
    type_, text = type_and_arguments(words, has_definition=given["definition"] is not None)
    body: dict[str, Any] = {} if type_ is None else {"type": type_}
    if text is not None:
        body["arguments"] = arguments_of(type_, text)
    body |= {name: given[name] for name in _FIELDS if given[name] is not None}
    if given["dependencies"]:
        body["dependencies"] = list(given["dependencies"])
    return body | task_fields(given)
