"""Submission: one task, from words of a command line."""

import sys
from typing import Any

import click

from tipman_api.commands.options import (
    API,
    Session,
    client_command,
    json_value,
    namespace_option,
    patience_option,
)
from tipman_api.exits import ExitCode

TYPES = ("exec", "eval", "python", "inline", "sleep", "counter", "http", "wait")
_CODE = frozenset({"exec", "eval"})
"""Types whose arguments are text; what looks like an object is one for `exec` only."""
_RETRY = {
    "attempts_max": "attempts_max",
    "backoff": "backoff",
    "delay_s": "delay",
    "delay_s_max": "delay_max",
    "jitter": "jitter",
    "on": "retry_on",
}
_FIELDS = (
    *("key", "name", "namespace", "queue", "priority", "due_at", "after_s"),
    *("timeout_s", "on_lost", "definition"),
)


class _Variable(click.ParamType[tuple[str, str]]):
    """`NAME=TEXT`."""

    name = "NAME=TEXT"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        name, equals, text = value.partition("=")
        if not name or not equals:
            self.fail(f"{value!r} is not NAME=TEXT", param, ctx)
        return name, text


@click.command
@click.argument("words", nargs=-1, metavar="TYPE [ARGUMENTS]")
@click.option("--definition", metavar="NAME@N", help="A named task, instead of TYPE.")
@click.option("--key", help="A name that no other task of the namespace has.")
@click.option("--name", help="What people read; need not be unique.")
@namespace_option
@click.option("--after", "dependencies", metavar="REF", multiple=True, help="A task to wait for.")
@click.option("--queue", help="Whose slots it takes.")
@click.option("--priority", type=int, help="-1000 to 1000, higher first.")
@click.option("--due-at", metavar="INSTANT", help="Not before, such as 2026-11-21T09:00:00Z.")
@click.option(
    "--after-s", metavar="S", type=float, help="Not sooner than S seconds after REF settled."
)
@click.option("--timeout", "timeout_s", metavar="S", type=float, help="What an attempt may take.")
@click.option("--env", type=_Variable(), multiple=True, help="A variable of its environment.")
@click.option("--attempts-max", metavar="N", type=int, help="Attempts, the first one included.")
@click.option(
    "--backoff",
    type=click.Choice(["fixed", "linear", "exponential"]),
    help="How pauses between attempts grow.",
)
@click.option("--delay", metavar="S", type=float, help="The first pause between attempts.")
@click.option("--delay-max", metavar="S", type=float, help="The longest one.")
@click.option("--jitter", metavar="SHARE", type=float, help="How much of it is chance, 0 to 1.")
@click.option(
    "--retry-on", metavar="CODE", multiple=True, help="exit:N, exception:NAME, http:N, timeout, *."
)
@click.option(
    "--on-lost", type=click.Choice(["retry", "fail"]), help="When an attempt is lost to a crash."
)
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
    type_, text = _type_and_arguments(words, has_definition=given["definition"] is not None)
    body: dict[str, Any] = {} if type_ is None else {"type": type_}
    if text is not None:
        body["arguments"] = _arguments(type_, sys.stdin.read() if text == "-" else text)
    body |= {name: given[name] for name in _FIELDS if given[name] is not None}
    if given["dependencies"]:
        body["dependencies"] = list(given["dependencies"])
    if given["env"]:
        body["env"] = dict(given["env"])
    retry = {name: given[option] for name, option in _RETRY.items()}
    retry = {name: value for name, value in retry.items() if value not in (None, ())}
    return {**body, "retry": retry} if retry else body


def _type_and_arguments(
    words: tuple[str, ...], *, has_definition: bool
) -> tuple[str | None, str | None]:
    expected = 1 if has_definition else 2
    if len(words) > expected:
        raise click.UsageError(f"Too many arguments: {words[expected]!r}; quote a line as one.")
    if has_definition:
        return None, words[0] if words else None
    if not words:
        raise click.UsageError(f"Name a TYPE ({', '.join(TYPES)}) or a --definition.")
    return words[0], words[1] if len(words) > 1 else None


def _arguments(type_: str | None, text: str) -> Any:
    if type_ not in _CODE:
        return json_value(text, "ARGUMENTS")
    if type_ == "exec" and text.lstrip().startswith('{"'):
        return json_value(text, "ARGUMENTS that are an object")
    return text
