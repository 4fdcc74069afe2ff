"""Namespaces: what isolates keys, definitions, queues and quotas."""

from typing import Any

import click

from tipman_api.commands.options import API, Session, client_command
from tipman_api.lists import pages, path_of
from tipman_api.program import Commands
from tipman_api.tables import field

_PATH = f"{API}/namespaces"
COLUMNS = (
    field("name"),
    field("open_tasks", "open"),
    field("open_tasks_max", "open max"),
    field("slots_max", "slots max"),
)
_NONE = "none"


class _Quota(click.ParamType[Any]):
    """A number, or `none` for no limit."""

    name = "N|none"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == _NONE or isinstance(value, int):
            return value
        if not value.isdecimal():
            self.fail(f"{value!r} is no number and not `none`", param, ctx)
        return int(value)


_quotas = (
    click.option("--open-tasks-max", type=_Quota(), help="So many open tasks; or `none`."),
    click.option("--slots-max", type=_Quota(), help="So many attempts at once; or `none`."),
)


@click.group("namespace", cls=Commands)
def namespace() -> None:
    """List, create, change and delete namespaces."""


@namespace.command("list")
@client_command
def list_namespaces(session: Session) -> None:
    """List namespaces with their quotas."""
    session.printer.listing(pages(session.client, _PATH), COLUMNS)


@namespace.command("show")
@click.argument("name")
@client_command
def show_namespace(session: Session, name: str) -> None:
    """Show a namespace."""
    session.printer.members(session.client.get(path_of(_PATH, name)).json)


@namespace.command("create")
@click.argument("name")
@_quotas[0]
@_quotas[1]
@client_command
def create_namespace(session: Session, name: str, **quotas: Any) -> None:
    """Create a namespace."""
    body = {"name": name, **_given(quotas)}
    session.printer.members(session.client.post(_PATH, body).json)


@namespace.command("change")
@click.argument("name")
@_quotas[0]
@_quotas[1]
@client_command
def change_namespace(session: Session, name: str, **quotas: Any) -> None:
    """Change a namespace's quotas."""
    changes = _given(quotas)
    if not changes:
        raise click.UsageError("Say what to change: --open-tasks-max or --slots-max.")
    session.printer.members(session.client.patch(path_of(_PATH, name), changes).json)


@namespace.command("delete")
@click.argument("name")
@client_command
def delete_namespace(session: Session, name: str) -> None:
    """Delete a namespace in which nothing is open."""
    session.client.delete(path_of(_PATH, name))


def _given(quotas: dict[str, Any]) -> dict[str, Any]:
    """Return the quotas that were given, null for none."""
    return {
        name: None if quota == _NONE else quota
        for name, quota in quotas.items()
        if quota is not None
    }
