"""Runs: started from a registered workflow, forked, and told of by what took their time."""

from collections.abc import Mapping
from typing import Any

import click

from tipman_api.commands.options import (
    API,
    Session,
    client_command,
    namespace_option,
    patience_option,
)
from tipman_api.commands.parameterwords import input_of, input_option, parameter_option
from tipman_api.exits import ExitCode
from tipman_api.lists import path_of
from tipman_api.tables import field

COLUMNS = (
    field("id"),
    field("key"),
    field("workflow"),
    field("version"),
    field("state"),
    field("submitted_at", "submitted"),
    field("settled_at", "settled"),
)


@click.command("run")
@click.argument("name", metavar="NAME[@N]")
@input_option
@parameter_option
@click.option("--key", help="A name that no other run of the namespace has.")
@click.option("--version", metavar="N", type=click.IntRange(min=1), help="Not the newest.")
@click.option(
    "--priority", metavar="N", type=int, help="Of its tasks that have none of their own."
)
@namespace_option
@click.option("--wait", is_flag=True, help="Wait until it has settled.")
@click.option(
    "--wait-max",
    "wait_s",
    metavar="S",
    type=click.FloatRange(min=0),
    help="Wait so many seconds at most, then end with 124.",
)
@patience_option
@client_command
def run_workflow(session: Session, name: str, **given: Any) -> int:
    """Start a run of a registered workflow, and print its UUID.

    Ends with 0 once the run is on disk. With --wait: 0 when it succeeded, 1 when it settled
    otherwise, 124 when the wait ran out; the run goes on then.
    """
    body = {name: given[name] for name in ("key", "version", "priority", "namespace")}
    body["input"] = input_of(given) or None
    body = {name: value for name, value in body.items() if value is not None}
    run = session.client.post(f"{path_of(f'{API}/workflows', name)}/runs", body).json
    return _await(session, run, given)


@click.command
@click.argument("reference", metavar="REF")
@click.option(
    "--from", "from_task", metavar="TASK", help="Anew from this task on; else from the start."
)
@input_option
@parameter_option
@click.option("--key", help="A name that no other run of the namespace has.")
@namespace_option
@click.option("--wait", is_flag=True, help="Wait until it has settled.")
@click.option(
    "--wait-max",
    "wait_s",
    metavar="S",
    type=click.FloatRange(min=0),
    help="Wait so many seconds at most, then end with 124.",
)
@patience_option
@client_command
def fork(session: Session, reference: str, **given: Any) -> int:
    """Run again what a run did, from one of its tasks on.

    What succeeded before that task is taken over and not done again. Prints the new run's UUID and
    ends as `workflow run`.
    """
    uri = session.find(reference, {**given, "kind": "run"})["uri"]
    body = {"from_task": given["from_task"], "input": input_of(given) or None, "key": given["key"]}
    body = {name: value for name, value in body.items() if value is not None}
    return _await(session, session.client.post(f"{uri}/fork", body).json, given)


def summarized(session: Session, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run with where its time went: the chain of tasks that decided its length."""
    told = session.client.get(f"{run['uri']}/summary").json
    spent = {name: told[name] for name in ("elapsed_s", "queue_s", "run_s")}
    path = [
        {name: node[name] for name in ("name", "state", "queue_s", "run_s")}
        for node in told["critical_path"]
    ]
    return {**run, **spent, "critical_path": path}


def _await(session: Session, run: Mapping[str, Any], given: Mapping[str, Any]) -> int:
    """Print a run, and with `--wait` what became of it."""
    printer = session.printer
    is_waiting = given["wait"] or given["wait_s"] is not None
    if not (is_waiting and printer.as_json):
        printer.answer(run, run["id"])
    if not is_waiting:
        return ExitCode.OK
    from tipman_api.subscriptions import settled  # noqa: PLC0415 - only who waits pays for it

    ended = settled(
        session.client, run["uri"], wait_s=given["wait_s"], patience_s=given["patience_s"]
    )
    printer.answer(ended, ended["state"])
    error = ended["error"]
    if error is not None and not printer.as_json:
        printer.note(f"{ended['name']} {ended['state']}: {error['code']}: {error['message']}")
    return ExitCode.OK if ended["state"] == "succeeded" else ExitCode.FAILED
