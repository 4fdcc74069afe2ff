"""Instances: listed, shown, explained."""

from typing import Any

import click

from tipman_api.commands.options import (
    API,
    Session,
    client_command,
    kind_option,
    namespace_option,
    patience_option,
)
from tipman_api.lists import PAGE_MAX, pages
from tipman_api.tables import field

_LIMIT = 100
COLUMNS = (
    field("id"),
    field("key"),
    field("name"),
    field("type"),
    field("state"),
    field("attempt"),
    field("submitted_at", "submitted"),
)
_FILTERS = ("state", "type", "name", "key", "queue", "run", "schedule", "since", "until", "text")


@click.command("list")
@click.option("--state", metavar="STATE", multiple=True, help="May be repeated.")
@click.option("--type", "type", metavar="TYPE", help="Such as exec.")
@click.option("--name", help="Exactly this name.")
@click.option("--key", help="Exactly this key.")
@click.option("--queue", help="Of this queue.")
@click.option("--run", metavar="REF", help="Of this run.")
@click.option("--schedule", metavar="REF", help="Of this schedule.")
@namespace_option
@click.option("--since", metavar="INSTANT", help="Submitted at or after this instant.")
@click.option("--until", metavar="INSTANT", help="Submitted before this instant.")
@click.option("--text", help="With these words in name, key or arguments.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=0),
    default=_LIMIT,
    show_default=True,
    help="So many at most; 0 for all.",
)
@click.option("--watch", "is_watching", is_flag=True, help="Go on, and print what changes.")
@patience_option
@client_command
def list_tasks(
    session: Session, *, limit: int, is_watching: bool, patience_s: float, **given: Any
) -> None:
    """List tasks.

    Columns, parted by tabs where it is no terminal: id, key, name, type, state, attempt, and the
    instant of submission; `-` stands for what there is not.
    """
    if given["schedule"] is not None:
        named = {**given, "kind": "schedule"}
        given["schedule"] = session.find(given["schedule"], named)["id"]
    query = [("namespace", given["namespace"]), *((n, given[n]) for n in _FILTERS if n != "state")]
    query.append(("state", ",".join(given["state"]) or None))
    if not is_watching:
        session.printer.listing(pages(session.client, f"{API}/tasks", query, limit), COLUMNS)
        return
    from tipman_api.watch import watch_tasks  # noqa: PLC0415 - only who watches pays for it

    query.append(("limit", min(limit or PAGE_MAX, PAGE_MAX)))
    watch_tasks(session, query, COLUMNS, patience_s=patience_s)


@click.command
@click.argument("reference", metavar="REF")
@kind_option
@namespace_option
@client_command
def show(session: Session, reference: str, **given: Any) -> None:
    """Show everything of an instance."""
    session.printer.members(session.find(reference, given))


@click.command
@click.argument("reference", metavar="REF")
@kind_option
@namespace_option
@client_command
def explain(session: Session, reference: str, **given: Any) -> None:
    """Say what an instance waits for.

    The first line is its state; each further one says a thing it waits for: its kind, what, its
    URI and until when.
    """
    uri = session.find(reference, given)["uri"]
    told = session.client.get(f"{uri}/explain").json
    printer = session.printer
    printer.answer(told, told["state"])
    if not printer.as_json:
        printer.rows(told["waiting_for"], _REASON)


_REASON = (field("kind"), field("text"), field("uri"), field("until"))
