"""Logs: what attempts of tasks wrote."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from tipman_api.commands.options import (
    Session,
    client_command,
    follow_option,
    kind_option,
    namespace_option,
    patience_option,
)
from tipman_api.outlet import end_with_reader
from tipman_api.printing import Printer, compact

_BYTES = "text/plain"
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
    """Print what an attempt of a task wrote, byte for byte.

    With --follow until the attempt has ended; what is no text is escaped then, and in JSON.
    """
    uri = session.find(reference, given)["uri"]
    query = [("stream", given["stream"]), ("attempt", given["attempt"])]
    if is_following:
        _follow(session, f"{uri}/output", query, patience_s=given["patience_s"])
        return
    written = session.client.get(f"{uri}/output", query, accept=_BYTES).content
    printer = session.printer
    if printer.as_json:
        text = written.decode("utf-8", "backslashreplace")
        printer.answer({"task": uri, "stream": given["stream"], "text": text})
    else:
        printer.outlet.write(written)
        printer.outlet.flush()


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
