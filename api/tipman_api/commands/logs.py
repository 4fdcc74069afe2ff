"""Logs: what attempts of tasks wrote."""

from typing import Any

import click

from tipman_api.commands.options import (
    Session,
    client_command,
    kind_option,
    namespace_option,
)

_BYTES = "text/plain"


@click.command
@click.argument("reference", metavar="REF")
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
@client_command
def logs(session: Session, *, reference: str, **given: Any) -> None:
    """Print what an attempt of a task wrote, byte for byte.

    As JSON: an object with the text, in which bytes that are none are escaped.
    """
    uri = session.find(reference, given)["uri"]
    query = [("stream", given["stream"]), ("attempt", given["attempt"])]
    written = session.client.get(f"{uri}/output", query, accept=_BYTES).content
    printer = session.printer
    if printer.as_json:
        text = written.decode("utf-8", "backslashreplace")
        printer.answer({"uri": uri, "stream": given["stream"], "text": text})
    else:
        printer.outlet.write(written)
        printer.outlet.flush()
