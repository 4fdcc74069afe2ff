"""Events: the lines of the event log, told once or followed."""

from collections.abc import Callable, Mapping
from typing import Any

import click

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
from tipman_api.tables import Column, field

_PATH = f"{API}/events"
_BEGINNING = "0"
"""The cursor before the first line."""


def _of_line(name: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda event: event["data"][name]


COLUMNS = (
    field("time"),
    Column("instance", lambda event: event["subject"].rpartition("/")[2]),
    field("subjectname", "of"),
    Column("seq", _of_line("seq")),
    field("type", "name"),
    Column("actor", _of_line("actor")),
    Column("before", _of_line("before")),
    Column("after", _of_line("after")),
    Column("data", _of_line("data")),
)


@click.command
@click.argument("reference", metavar="[REF]", required=False)
@follow_option
@click.option("--name", metavar="NAME", multiple=True, help="Only of this name; more than once.")
@click.option("--since", metavar="INSTANT", help="Only at this instant or later.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    help="So many at most, the first; 0 for all.",
)
@kind_option
@namespace_option
@patience_option
@client_command
def events(session: Session, *, reference: str | None, is_following: bool, **given: Any) -> None:
    """Print the event log, of one instance or of all.

    That of a run has the lines of its tasks, too. With --follow: of one instance from its first
    line, of all what comes from now on, or since an instant.
    """
    query = [
        ("namespace", given["namespace"]),
        ("kind", given["kind"]),
        ("name", ",".join(given["name"]) or None),
        ("since", given["since"]),
    ]
    if reference is not None:
        found = session.find(reference, given)
        of = "run" if found["kind"] == "run" else "instance"
        query = [(name, value) for name, value in query if name != "kind"]
        query.append((of, found["id"]))
    if not is_following:
        session.printer.listing(pages(session.client, _PATH, query, given["limit"]), COLUMNS)
        return
    from tipman_api.subscriptions import Subscription, data_of  # noqa: PLC0415 - see `submit`

    if reference is not None:
        query.append(("after", _BEGINNING))
    news = Subscription(session.client, _PATH, query, patience_s=given["patience_s"])
    end_with_reader()
    left = given["limit"] or None
    for batch in news.batches():
        session.printer.rows(map(data_of, batch[:left]), COLUMNS)
        left = left and left - len(batch)
        if (left is not None and left <= 0) or not session.printer.outlet.is_open:
            return
