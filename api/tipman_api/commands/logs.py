"""Logs: what attempts of tasks wrote."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from tipman.errors import InvalidError

from tipman_api.commands.options import (
    API,
    Session,
    client_command,
    follow_option,
    kind_option,
    namespace_option,
    patience_option,
)
from tipman_api.lists import pages
from tipman_api.outlet import end_with_reader
from tipman_api.printing import Printer, compact
from tipman_api.refusals import RefusedError
from tipman_api.tables import printable

_BYTES = "text/plain"
_WRITERS = frozenset({"task", "run"})
_NOT_FOUND = 404
_BEGINNING = "0"
_ENDS = frozenset(
    {"attempt.succeeded", "attempt.failed", "attempt.timed_out", "attempt.interrupted"}
)
Query = Sequence[tuple[str, Any]]


@click.command
@click.argument("reference", metavar="REF")
@follow_option
@click.option(
    "--stream",
    type=click.Choice(["stdout", "stderr"]),
    default="stdout",
    show_default=True,
    help="What of it.",
)
@click.option("--attempt", metavar="N", type=click.IntRange(min=1), help="Not the last one.")
@kind_option
@namespace_option
@patience_option
@client_command
def logs(session: Session, *, reference: str, is_following: bool, **given: Any) -> None:
    """Print what a task wrote, byte for byte, or all of a run.

    Of a task it is the last attempt, if no other is said. With --follow until the attempt has
    ended; what is no text is escaped then, and in JSON. Of a run each task that wrote something
    has a head, and with --follow comes when it has ended.
    """
    found = session.find(reference, given)
    if found["kind"] not in _WRITERS:
        raise InvalidError(f"{reference!r} is a {found['kind']}: only tasks and runs have output")
    uri, query = found["uri"], [("stream", given["stream"]), ("attempt", given["attempt"])]
    if found["kind"] == "run":
        if is_following:
            _follow_run(session, found, query, patience_s=given["patience_s"])
        else:
            for task in pages(session.client, f"{uri}/tasks"):
                _tell_task(session, task["name"], task["uri"], query)
        return
    if is_following:
        _follow(session, f"{uri}/output", query, patience_s=given["patience_s"])
        return
    written = session.client.get(f"{uri}/output", query, accept=_BYTES).content
    _print(session.printer, uri, given["stream"], written)


def _print(printer: Printer, uri: str, stream: str, written: bytes) -> None:
    if printer.as_json:
        text = written.decode("utf-8", "backslashreplace")
        printer.answer({"task": uri, "stream": stream, "text": text})
    else:
        printer.outlet.write(written)
        printer.outlet.flush()


def _tell_task(session: Session, name: str, uri: str, query: Query) -> None:
    """Print what a task of a run wrote, below its name; nothing of one that wrote nothing."""
    try:
        written = session.client.get(f"{uri}/output", query, accept=_BYTES).content
    except RefusedError as error:
        # It had no such attempt.
        if error.status != _NOT_FOUND:
            raise
        return
    if not written:
        return
    printer = session.printer
    if not printer.as_json:
        printer.outlet.end_line()
        printer.outlet.line(f"==> {printable(name)} <==")
    _print(printer, uri, str(dict(query)["stream"]), written)


def _follow_run(
    session: Session, run: Mapping[str, Any], query: Query, *, patience_s: float
) -> None:
    from tipman_api.subscriptions import Subscription, data_of  # noqa: PLC0415 - only to follow

    end_with_reader()
    wanted = [("run", run["id"]), ("after", _BEGINNING)]
    news = Subscription(session.client, f"{API}/events", wanted, patience_s=patience_s)
    for batch in news.batches():
        for event in map(data_of, batch):
            line = event["data"]
            if event["kind"] == "task" and event["type"] in _ENDS:
                attempt = [("stream", dict(query)["stream"]), ("attempt", line["data"]["attempt"])]
                _tell_task(session, event["subjectname"], event["subject"], attempt)
            if not session.printer.outlet.is_open:
                return
            # One that was opened again has settled more than once.
            if event["type"] == "run.settled" and session.client.get(run["uri"]).json["settled"]:
                return


def _follow(session: Session, path: str, query: Query, *, patience_s: float) -> None:
    from tipman_api.subscriptions import Subscription, data_of  # noqa: PLC0415 - only to follow

    end_with_reader()
    outlet = session.printer.outlet
    for batch in Subscription(session.client, path, query, patience_s=patience_s).batches():
        for message in batch:
            _tell(session.printer, message.name, data_of(message))
        outlet.flush()
        if batch[-1].name == "end" or not outlet.is_open:
            return


def _tell(printer: Printer, name: str, data: Mapping[str, Any]) -> None:
    if printer.as_json:
        printer.outlet.line(compact({"event": name, **data}))
    elif name == "output":
        printer.outlet.write(data["text"].encode())
    elif name == "cut":
        # As in the file: more was written than is kept, or faster than it could be read.
        printer.outlet.line(
            f"[tipman: {data['bytes']} bytes cut after the first {data['offset']}]"
        )
