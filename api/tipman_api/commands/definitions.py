"""Definitions: named, versioned tasks with parameters."""

from pathlib import Path
from typing import Any

import click

from tipman_api.commands.options import API, Session, client_command, namespace_option
from tipman_api.lists import pages, path_of
from tipman_api.program import Commands
from tipman_api.tables import field

_PATH = f"{API}/definitions"
COLUMNS = (
    field("name"),
    field("version"),
    field("type"),
    field("created_at", "created"),
    field("retired_at", "retired"),
)


@click.group("definition", cls=Commands)
def definition() -> None:
    """Add, list, show and retire named tasks."""


@definition.command("add")
@click.argument("file", type=click.Path(path_type=Path))
@namespace_option
@client_command
def add_definition(session: Session, file: Path, namespace: str | None) -> None:
    """Add a version of a definition from FILE: YAML, JSON or TOML."""
    from tipman.errors import InvalidError  # noqa: PLC0415 - listing does without
    from tipman.files import read_file  # noqa: PLC0415 - as above

    document: Any = read_file(file).value
    if not isinstance(document, dict):
        raise InvalidError(f"{file}: a definition is an object")
    if namespace is not None:
        document = {**document, "namespace": namespace}
    session.printer.members(session.client.post(_PATH, document).json)


@definition.command("list")
@namespace_option
@client_command
def list_definitions(session: Session, namespace: str | None) -> None:
    """List the newest version of every definition."""
    query = [("namespace", namespace)]
    session.printer.listing(pages(session.client, _PATH, query), COLUMNS)


@definition.command("show")
@click.argument("reference", metavar="NAME[@N]")
@namespace_option
@client_command
def show_definition(session: Session, reference: str, namespace: str | None) -> None:
    """Show a version of a definition, the newest if none is said."""
    query = [("namespace", namespace)]
    session.printer.members(session.client.get(_path(reference), query).json)


@definition.command("retire")
@click.argument("reference", metavar="NAME[@N]")
@namespace_option
@client_command
def retire_definition(session: Session, reference: str, namespace: str | None) -> None:
    """Take no more submissions of a version, or of all; what is pinned to it goes on."""
    session.client.delete(_path(reference), [("namespace", namespace)])


def _path(reference: str) -> str:
    name, at, version = reference.partition("@")
    return path_of(_PATH, name, version) if at else path_of(_PATH, name)
