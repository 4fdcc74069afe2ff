"""Previews and backfills: what a schedule will do, and what of the past it is to do after all."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from tipman_api.commands.options import (
    Session,
    client_command,
    maintenance_command,
    namespace_option,
)
from tipman_api.commands.schedulewords import when_fields, when_options
from tipman_api.tables import field

if TYPE_CHECKING:
    from tipman.settings import Settings

_LIMIT = 10
_LIMIT_MAX = 1000
COLUMNS = (field("due_at", "due"), field("local"), field("note"), field("restart"))


@click.command("preview")
@click.argument("reference", metavar="[REF]", required=False)
@when_options
@click.option("--limit", metavar="N", type=click.IntRange(1, _LIMIT_MAX), default=_LIMIT,
              show_default=True, help="So many at most.")  # fmt: skip
@namespace_option
@maintenance_command
def preview_schedule(
    session: Session,
    reference: str | None,
    *,
    settings: "Settings | None",
    limit: int,
    **given: Any,
) -> None:
    """Print when a schedule is due next, in UTC and in local time.

    `gap` and `fold` mark where daylight saving moved an instant, `restart` what of the past a
    start of the server now would catch up. Without REF, of what the options say.
    """
    said = when_fields(given)
    if reference is None:
        session.printer.listing(_upcoming(said, limit), COLUMNS)
        return
    if said:
        raise click.UsageError("Say a REF, or when; not both.")
    if settings is None:
        uri = session.find(reference, {**given, "kind": "schedule"})["uri"]
        found = session.client.get(f"{uri}/preview", [("limit", limit)]).json
    else:
        from tipman_api.upkeep import preview_at_rest  # noqa: PLC0415 - only without a server

        namespace = given["namespace"] or "default"
        found = preview_at_rest(settings, reference, namespace, limit)
    caught_up = [{**each, "restart": "restart"} for each in found["catch_up"]["runs"]]
    coming = [{**each, "restart": None} for each in found["items"]]
    session.printer.listing([*caught_up, *coming], COLUMNS)
    due = found["catch_up"]["due"]
    if due:
        session.printer.note(f"a restart now would catch up {len(caught_up)} of {due} instants")


@click.command("backfill")
@click.argument("reference", metavar="REF")
@click.option("--since", metavar="INSTANT", required=True, help="From this instant on.")
@click.option("--until", metavar="INSTANT", required=True, help="Up to before this instant.")
@click.option("--what", type=click.Choice(["missing", "failed", "all"]), help="Of these instants.")
@click.option("--order", type=click.Choice(["forwards", "backwards"]), help="Which come first.")
@click.option("--concurrency", metavar="N", type=int, help="So many of its runs at a time.")
@click.option("--dry-run", is_flag=True, help="Only say which instants.")
@namespace_option
@client_command
def backfill_schedule(session: Session, reference: str, **given: Any) -> None:
    """Run instants of the past after all, and print them."""
    names = ("since", "until", "what", "order", "concurrency")
    body = {name: given[name] for name in names if given[name] is not None}
    if given["dry_run"]:
        body["dry_run"] = True
    uri = session.find(reference, {**given, "kind": "schedule"})["uri"]
    made = session.client.post(f"{uri}/backfill", body).json
    session.printer.listing(made["items"], (field("due_at", "due"), field("instance")))


def _upcoming(said: Mapping[str, Any], limit: int) -> Iterator[dict[str, Any]]:
    """Yield when something would be due that is scheduled as the options say.

    Raises:
        InvalidError: it can not be scheduled so.
    """
    from tipman.clock import SystemClock, rfc3339  # noqa: PLC0415 - a server does without
    from tipman.definitions.schedules import schedule_of  # noqa: PLC0415 - as above
    from tipman.definitions.timing import timetable_for  # noqa: PLC0415 - as above

    schedule, _ = schedule_of({**said, "task": {"type": "wait"}})
    now_us = SystemClock().wall_us()
    timetable = timetable_for(schedule, now_us)
    due_us = timetable.next_after(now_us)
    while due_us is not None and limit > 0:
        local = timetable.local(due_us)
        if local[:10] not in said.get("exclude", ()):
            note = timetable.note(due_us)
            yield {"due_at": rfc3339(due_us), "local": local, "note": note, "restart": None}
            limit -= 1
        due_us = timetable.next_after(due_us)
