"""Instances: listed, shown, explained."""

from collections.abc import Iterable
from typing import Any

import click

from tipman_api.commands.options import (
    API,
    Session,
    client_command,
    completing,
    kind_option,
    namespace_option,
    patience_option,
)
from tipman_api.commands.runs import COLUMNS as RUN_COLUMNS
from tipman_api.commands.runs import summarized
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
_FILTERS = (
    "type", "name", "key", "queue", "run", "schedule", "parent", "since", "until", "text",
)  # fmt: skip
_OF_RUNS = ("key", "schedule", "parent", "origin", "since", "until")
"""What runs are asked by, their names apart."""

_REFERENCES = (("run", "run"), ("schedule", "schedule"), ("parent", "task"), ("origin", "run"))
"""What is named by a REF, and of which kind it is."""


def _states() -> Iterable[str]:
    from tipman.charts import RUN_STATES, STATES  # noqa: PLC0415 - only who completes pays for it

    return {*STATES, *RUN_STATES}


def _types() -> Iterable[str]:
    from tipman_api.commands.taskwords import TYPES  # noqa: PLC0415 - as above

    return TYPES


@click.command("list")
@click.option(
    "--kind",
    type=click.Choice(["task", "run"]),
    default="task",
    show_default=True,
    help="What to list.",
)
@click.option(
    "--state",
    metavar="STATE",
    multiple=True,
    shell_complete=completing(_states),
    help="May be repeated.",
)
@click.option(
    "--type",
    "type",
    metavar="TYPE",
    shell_complete=completing(_types),
    help="Such as exec.",
)
@click.option("--name", help="Exactly this name.")
@click.option("--key", help="Exactly this key.")
@click.option("--queue", help="Of this queue.")
@click.option("--run", metavar="REF", help="Of this run.")
@click.option("--schedule", metavar="REF", help="Of this schedule.")
@click.option("--parent", metavar="REF", help="Items of this map, or runs this task started.")
@click.option("--origin", metavar="REF", help="Runs that were forked of this one.")
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
    """List tasks, or runs with --kind run.

    Columns, parted by tabs where it is no terminal: id, key, name, type, state, attempt, and the
    instant of submission; of runs id, key, workflow, version, state, and the instants of
    submission and end. `-` stands for what there is not.
    """
    kind = given.pop("kind")
    path, columns = f"{API}/{kind}s", COLUMNS if kind == "task" else RUN_COLUMNS
    query = _query(session, kind, given)
    if not is_watching:
        session.printer.listing(pages(session.client, path, query, limit), columns)
        return
    from tipman_api.watch import watch  # noqa: PLC0415 - only who watches pays for it

    query.append(("limit", min(limit or PAGE_MAX, PAGE_MAX)))
    watch(session, path, query, columns, patience_s=patience_s)


def _query(session: Session, kind: str, given: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return what options ask of a list.

    Raises:
        UsageError: something that those of this kind have not.
    """
    names = {name: name for name in _FILTERS}
    if kind == "run":
        names = {"name": "workflow", **{name: name for name in _OF_RUNS}}
    for name in (*_FILTERS, "origin"):
        if name not in names and given[name] is not None:
            raise click.UsageError(f"--{name} says nothing of {kind}s.")
    for name, found in _REFERENCES:
        if given[name] is not None:
            given[name] = session.find(given[name], {**given, "kind": found})["id"]
    query = [(asked, given[name]) for name, asked in names.items()]
    states = ",".join(given["state"]) or None
    return [("namespace", given["namespace"]), ("state", states), *query]


@click.command
@click.argument("reference", metavar="REF")
@kind_option
@namespace_option
@client_command
def show(session: Session, reference: str, **given: Any) -> None:
    """Show everything of an instance.

    Of a run also where its time went: queueing, running, and the chain of tasks that decided how
    long it took.
    """
    found = session.find(reference, given)
    session.printer.members(summarized(session, found) if found["kind"] == "run" else found)


@click.command
@click.argument("reference", metavar="REF")
@kind_option
@namespace_option
@client_command
def explain(session: Session, reference: str, **given: Any) -> None:
    """Say what an instance waits for.

    The first line is its state; each further one says a thing it waits for: its kind, what, its
    URI and until when. Of a run the task that waits comes first.
    """
    found = session.find(reference, given)
    told = session.client.get(f"{found['uri']}/explain").json
    printer = session.printer
    printer.answer(told, told["state"])
    if printer.as_json:
        return
    if found["kind"] == "run":
        printer.rows(told["waiting_for"], (field("task"), *_REASON))
        if told["left_out"]:
            printer.note(f"and {told['left_out']:,} more open tasks")
    else:
        printer.rows(told["waiting_for"], _REASON)


_REASON = (field("kind"), field("text"), field("uri"), field("until"))
