"""Workflows: named graphs of tasks, kept by a server in versions."""

from pathlib import Path
from typing import Any

import click

from tipman_api.commands.options import API, Session, client_command, namespace_option
from tipman_api.commands.runs import run_workflow
from tipman_api.lists import pages, path_of
from tipman_api.outlet import standard_output
from tipman_api.program import Commands
from tipman_api.tables import field

_PATH = f"{API}/workflows"
COLUMNS = (
    field("name"),
    field("version"),
    field("content"),
    field("created_at", "created"),
    field("retired_at", "retired"),
)


@click.group("workflow", cls=Commands)
def workflow() -> None:
    """Add, list, show, run and retire workflows."""


@workflow.command("add")
@click.argument("file", type=click.Path(path_type=Path))
@namespace_option
@client_command
def add_workflow(session: Session, file: Path, namespace: str | None) -> None:
    """Add a version of a workflow from FILE: YAML, JSON or TOML.

    A version in use that is the same is that version. A `schedule` in the file makes a schedule
    that runs the newest version, or changes the one there is.
    """
    from tipman.definitions import read_workflow  # noqa: PLC0415 - listing does without
    from tipman.files import read_file  # noqa: PLC0415 - as above

    # Judged here first: only here is known on which line of the file something stands.
    name = read_workflow(file).name
    document: Any = read_file(file).value
    body = {"name": name, **document}
    if namespace is not None:
        body["namespace"] = namespace
    session.printer.members(session.client.post(_PATH, body).json)


@workflow.command("list")
@namespace_option
@client_command
def list_workflows(session: Session, namespace: str | None) -> None:
    """List the newest version of every workflow."""
    query = [("namespace", namespace)]
    session.printer.listing(pages(session.client, _PATH, query), COLUMNS)


@workflow.command("show")
@click.argument("reference", metavar="NAME[@N]")
@namespace_option
@client_command
def show_workflow(session: Session, reference: str, namespace: str | None) -> None:
    """Show a version of a workflow, the newest in use if none is said."""
    query = [("namespace", namespace)]
    session.printer.members(session.client.get(_path(reference), query).json)


@workflow.command("retire")
@click.argument("reference", metavar="NAME[@N]")
@namespace_option
@client_command
def retire_workflow(session: Session, reference: str, namespace: str | None) -> None:
    """Take no more runs of a version, or of all; those that were started go on."""
    session.client.delete(_path(reference), [("namespace", namespace)])


@workflow.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of a workflow file, for editors."""
    from tipman_api.workflow_operations import schema_text  # noqa: PLC0415 - as above

    outlet = standard_output()
    outlet.line(schema_text().decode().rstrip("\n"))
    outlet.flush()


workflow.add_command(run_workflow)


def _path(reference: str) -> str:
    name, at, version = reference.partition("@")
    return path_of(_PATH, name, version) if at else path_of(_PATH, name)
