"""Tokens: who may call the server, and what each is good for."""

from typing import TYPE_CHECKING

import click

from tipman_api.commands.options import API, Session, maintenance_command
from tipman_api.exits import ExitCode
from tipman_api.lists import pages, path_of
from tipman_api.program import Commands
from tipman_api.tables import field

if TYPE_CHECKING:
    from tipman.settings import Settings

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
@maintenance_command
def list_tokens(session: Session, *, settings: "Settings | None") -> None:
    """List tokens; what is secret of them is kept nowhere."""
    if settings is not None:
        from tipman_api.upkeep import tokens_at_rest  # noqa: PLC0415 - a server does without

        session.printer.listing(tokens_at_rest(settings), COLUMNS)
    else:
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
@maintenance_command
def create_token(
    session: Session, *, settings: "Settings | None", name: str, scope: str, namespace: str | None
) -> int:
    """Create a token, and print it; it can not be read again."""
    if settings is not None:
        from tipman_api.upkeep import create_token_at_rest  # noqa: PLC0415 - as above

        created = create_token_at_rest(settings, name, scope, namespace)
    else:
        body = {"name": name, "scope": scope, "namespace": namespace}
        created = session.client.post(_PATH, body).json
    if created["token"] is None:
        # The first answer was lost on its way, and the second tells no secret.
        session.printer.note(f"{name} was made but could not be read; revoke it, make another")
        return ExitCode.FAILED
    session.printer.answer(created, created["token"])
    return ExitCode.OK


@token.command("revoke")
@click.argument("name")
@maintenance_command
def revoke_token(session: Session, *, settings: "Settings | None", name: str) -> None:
    """Revoke a token: from now on it is good for nothing."""
    if settings is not None:
        from tipman_api.upkeep import revoke_token_at_rest  # noqa: PLC0415 - as above

        revoke_token_at_rest(settings, name)
    else:
        session.client.delete(path_of(_PATH, name))
