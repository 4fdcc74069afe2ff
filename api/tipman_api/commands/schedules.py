"""Schedules: what submits work when its time has come."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from tipman_api.commands.imports import import_schedules
from tipman_api.commands.options import Session, client_command, namespace_option
from tipman_api.commands.parameterwords import input_of, input_option, parameter_option
from tipman_api.commands.previews import backfill_schedule, preview_schedule
from tipman_api.commands.requests import ask
from tipman_api.commands.schedulewords import (
    PATH,
    TRIGGERS,
    create_all,
    how_options,
    schedule_fields,
    when_options,
)
from tipman_api.commands.taskwords import (
    arguments_of,
    task_fields,
    task_options,
    type_and_arguments,
)
from tipman_api.exits import ExitCode
from tipman_api.lists import pages
from tipman_api.program import Commands
from tipman_api.tables import Column, field

_KIND = "schedule"
_FILE = click.Path(path_type=Path)
_LIMIT = 100
_TARGET = ("task", "definition", "arguments", "workflow", "input")
_NEWEST = 10
"""Slots among which that of a trigger is looked for: others may be due at the same moment."""
_NAMES = ("key", "name", "namespace", "definition")
_workflow_option = click.option(
    "--workflow", metavar="NAME[@N]", help="Runs of a workflow, instead of TYPE."
)
_references = click.argument("references", metavar="REF...", nargs=-1, required=True)


def _when(schedule: Mapping[str, Any]) -> str:
    """Return when a schedule is due, in a few words."""
    if schedule.get("every_s") is not None:
        return f"every {schedule['every_s']:g} s"
    return str(schedule.get("cron") or schedule.get("at"))


COLUMNS = (
    field("id"),
    field("key"),
    field("name"),
    Column("when", _when),
    field("timezone"),
    field("state"),
    Column("orphan", lambda schedule: "orphan" if schedule.get("orphan") else None),
    field("next_at", "next"),
)
SLOTS = (
    field("due_at", "due"),
    field("decision"),
    field("reason"),
    field("state"),
    Column("result", lambda slot: slot["result"] if slot["error"] is None else slot["error"]),
    field("instance"),
    field("blocking"),
    field("decided_at", "decided"),
    field("due_until", "until"),
    field("count"),
)


@click.group(_KIND, cls=Commands)
def schedule() -> None:
    """Add, list, change, preview and import schedules."""


@schedule.command("add")
@click.argument("words", nargs=-1, metavar="[TYPE [ARGUMENTS]]")
@click.option("--file", type=_FILE, help="YAML, JSON or TOML with one schedule or several.")
@click.option("--definition", metavar="NAME@N", help="A named task, instead of TYPE.")
@_workflow_option
@input_option
@parameter_option
@click.option("--key", help="A name that no other schedule of the namespace has.")
@click.option("--name", help="What people read; need not be unique.")
@namespace_option
@when_options
@how_options
@click.option("--paused", is_flag=True, help="Add it paused.")
@task_options
@client_command
def add_schedule(
    session: Session, words: tuple[str, ...], *, file: Path | None, **given: Any
) -> None:
    """Add a schedule of a task or a workflow, or all in a file, and print their UUIDs.

    Of a file all are added or none; --namespace and --paused hold for it as well.
    """
    if file is None:
        bodies = [_body(words, given)]
    else:
        if words:
            raise click.UsageError("Say a TYPE or a --file, not both.")
        from tipman.definitions import load_schedules  # noqa: PLC0415 - options do without

        besides = {"namespace": given["namespace"], "paused": given["paused"] or None}
        besides = {name: value for name, value in besides.items() if value is not None}
        bodies = [{**each, **besides} for each in load_schedules(file)]
    for made in create_all(session.client, bodies):
        session.printer.answer(made, made["id"])


@schedule.command("list")
@click.option("--state", metavar="STATE", multiple=True, help="active, paused, finished.")
@namespace_option
@click.option("--limit", metavar="N", type=click.IntRange(min=0), default=_LIMIT,
              show_default=True, help="So many at most; 0 for all.")  # fmt: skip
@client_command
def list_schedules(session: Session, *, limit: int, **given: Any) -> None:
    """List schedules, the newest first.

    `orphan` stands where what a schedule submits is gone: its instants are skipped until it is
    back.
    """
    query = [("namespace", given["namespace"]), ("state", ",".join(given["state"]) or None)]
    session.printer.listing(pages(session.client, PATH, query, limit), COLUMNS)


@schedule.command("show")
@click.argument("reference", metavar="REF")
@namespace_option
@client_command
def show_schedule(session: Session, reference: str, **given: Any) -> None:
    """Show everything of a schedule."""
    session.printer.members(_find(session, reference, given))


@schedule.command("slots")
@click.argument("reference", metavar="REF")
@click.option("--decision", metavar="WORD", multiple=True, help="run, skipped, missed.")
@click.option("--limit", metavar="N", type=click.IntRange(min=0), default=_LIMIT,
              show_default=True, help="So many at most; 0 for all.")  # fmt: skip
@namespace_option
@client_command
def list_slots(session: Session, reference: str, *, limit: int, **given: Any) -> None:
    """List what was decided about each instant, the newest first."""
    uri = _find(session, reference, given)["uri"]
    query = [("decision", ",".join(given["decision"]) or None)]
    session.printer.listing(pages(session.client, f"{uri}/slots", query, limit), SLOTS)


@schedule.command("update")
@click.argument("reference", metavar="REF")
@click.argument("words", nargs=-1, metavar="[TYPE [ARGUMENTS]]")
@click.option("--definition", metavar="NAME@N", help="A named task, instead of TYPE.")
@_workflow_option
@input_option
@parameter_option
@when_options
@how_options
@click.option("--unset", metavar="FIELD", multiple=True, help="Take a field away.")
@task_options
@namespace_option
@client_command
def update_schedule(
    session: Session, reference: str, words: tuple[str, ...], **given: Any
) -> None:
    """Change a schedule, at once and for what is not decided yet.

    What is not said stays; one of --cron, --every and --at takes the place of another, and a TYPE
    that of the whole task.
    """
    changes = schedule_fields(given)
    if any(name in changes for name in TRIGGERS):
        changes = {name: changes.get(name) for name in TRIGGERS} | changes
    changes |= dict.fromkeys(given["unset"])
    if words or any(given[name] is not None for name in ("definition", "workflow", "given")):
        changes |= dict.fromkeys(_TARGET) | _target(words, given)
    elif task_fields(given):
        raise click.UsageError("Options of a task stand beside its TYPE.")
    if not changes:
        raise click.UsageError("Say what to change.")
    uri = _find(session, reference, given)["uri"]
    changed = session.client.patch(uri, changes).json
    session.printer.answer(changed, changed["id"], changed["state"])


@schedule.command("pause")
@_references
@namespace_option
@client_command
def pause_schedule(session: Session, references: Sequence[str], **given: Any) -> int:
    """Let schedules submit nothing until they are resumed."""
    return ask(session, references, {**given, "kind": _KIND}, "pause.requested")


@schedule.command("resume")
@_references
@namespace_option
@client_command
def resume_schedule(session: Session, references: Sequence[str], **given: Any) -> int:
    """Let paused schedules go on."""
    return ask(session, references, {**given, "kind": _KIND}, "resume.requested")


@schedule.command("trigger")
@_references
@namespace_option
@client_command
def trigger_schedule(session: Session, references: Sequence[str], **given: Any) -> int:
    """Submit once more now, also of what is paused."""
    code = ask(session, references, {**given, "kind": _KIND}, "trigger.requested")
    for reference in references if code == ExitCode.OK else ():
        uri = _find(session, reference, given)["uri"]
        newest = session.client.get(f"{uri}/slots", [("limit", str(_NEWEST))]).json["items"]
        asked = next((slot for slot in newest if slot["manual"]), None)
        if asked is not None and asked["decision"] == "skipped":
            why = asked["reason"] + (f" with {asked['blocking']}" if asked["blocking"] else "")
            session.printer.note(f"{reference}: nothing was submitted: {why}")
    return code


@schedule.command("delete")
@_references
@namespace_option
@client_command
def delete_schedule(session: Session, references: Sequence[str], **given: Any) -> None:
    """Finish schedules and free their keys; what runs goes on."""
    for reference in references:
        session.client.delete(_find(session, reference, given)["uri"])


schedule.add_command(preview_schedule)
schedule.add_command(backfill_schedule)
schedule.add_command(import_schedules)


def _find(session: Session, reference: str, given: dict[str, Any]) -> dict[str, Any]:
    return session.find(reference, {**given, "kind": _KIND})


def _body(words: tuple[str, ...], given: dict[str, Any]) -> dict[str, Any]:
    body = {name: given[name] for name in _NAMES if given[name] is not None}
    body |= schedule_fields(given) | _target(words, given)
    return {**body, "paused": True} if given["paused"] else body


def _target(words: tuple[str, ...], given: dict[str, Any]) -> dict[str, Any]:
    """Return what a schedule is to submit."""
    definition, workflow, input_ = given["definition"], given["workflow"], input_of(given)
    if workflow is not None:
        if words or definition is not None or task_fields(given):
            raise click.UsageError("A --workflow has its tasks itself: it stands alone.")
        return {"workflow": workflow, **({"input": input_} if input_ else {})}
    if input_:
        raise click.UsageError("--input and --param belong beside a --workflow.")
    type_, text = type_and_arguments(words, has_definition=definition is not None)
    arguments = {} if text is None else {"arguments": arguments_of(type_, text)}
    fields = task_fields(given)
    if definition is None:
        return {"task": {"type": type_, **arguments, **fields}}
    if fields:
        raise click.UsageError("Options of a task belong into its definition.")
    return {"definition": definition, **arguments}
