"""Tokens: who may call the server, and what each is good for."""

import click

from tipman_api.commands.options import API, Session, client_command
from tipman_api.exits import ExitCode
from tipman_api.lists import pages, path_of
from tipman_api.program import Commands
from tipman_api.tables import field

_PATH = f"{API}/tokens"
COLUMNS = (
    field("name"),
    field("scope"),
    field("namespace"),
    field("created_at", "created"),
    field("revoked_at", "revoked"),
)


@click.group("token", cls=Commands)
def token() -> None:
    """List, create and revoke tokens."""


@token.command("list")
@client_command
def list_tokens(session: Session) -> None:
    """List tokens; what is secret of them is kept nowhere."""
    session.printer.listing(pages(session.client, _PATH), COLUMNS)


@token.command("create")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["read", "operate", "admin"]),
    default="operate",
    show_default=True,
    help="What it is good for.",
)
@click.option("--namespace", metavar="NAME", help="The only one it may see; all if not said.")
@client_command
def create_token(session: Session, name: str, scope: str, namespace: str | None) -> int:
    """Create a token, and print it; it can not be read again."""
    body = {"name": name, "scope": scope}
    if namespace is not None:
        body["namespace"] = namespace
    created = session.client.post(_PATH, body).json
    if created["token"] is None:
        # The first answer was lost on its way, and the second tells no secret.
        session.printer.note(f"{name} was made but could not be read; revoke it, make another")
        return ExitCode.FAILED
    session.printer.answer(created, created["token"])
    return ExitCode.OK


@token.command("revoke")
@click.argument("name")
@client_command
def revoke_token(session: Session, name: str) -> None:
    """Revoke a token: from now on it is good for nothing."""
    session.client.delete(path_of(_PATH, name))
