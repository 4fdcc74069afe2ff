"""Pictures: the graph of a workflow file, or of a run with the states of its tasks."""

from pathlib import Path

import click

from tipman_api.commands.options import API, Session, client_command, namespace_option
from tipman_api.lists import path_of
from tipman_api.outlet import standard_output

_FORMATS = ("mermaid", "dot", "json")


@click.command("draw")
@click.argument("what", metavar="FILE|RUN")
@click.option(
    "--format",
    "format_",
    type=click.Choice(_FORMATS),
    default=_FORMATS[0],
    show_default=True,
    help="Mermaid and dot are text for other programs, json the plain facts.",
)
@namespace_option
@client_command
def draw(session: Session, what: str, format_: str, namespace: str | None) -> None:
    """Draw the graph of a workflow FILE, or of a RUN with its states.

    What is a file is drawn as a file; anything else is the UUID or key of a run.
    """
    path = Path(what)
    chosen = "json" if session.printer.as_json else format_
    is_file = path.exists() or path.suffix.lower() in {".yaml", ".yml", ".json", ".toml"}
    text = _drawn(path, chosen) if is_file else _asked(session, what, chosen, namespace)
    outlet = standard_output()
    outlet.line(text.rstrip("\n"))
    outlet.flush()


def _drawn(path: Path, format_: str) -> str:
    from tipman.definitions import read_workflow  # noqa: PLC0415 - a run is drawn elsewhere
    from tipman.drawings import draw as drawn  # noqa: PLC0415 - as above
    from tipman.drawings import graph_of  # noqa: PLC0415 - as above

    workflow = read_workflow(path)
    return drawn(format_, workflow.name, *graph_of(workflow))


def _asked(session: Session, reference: str, format_: str, namespace: str | None) -> str:
    query = [("format", format_), ("namespace", namespace)]
    path = path_of(f"{API}/runs", reference) + "/graph"
    return session.client.get(path, query, accept="*/*").content.decode()
