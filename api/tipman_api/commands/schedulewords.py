"""Words for a schedule: the options by which a command line says when something is to be done."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from tipman_api.client import Client
from tipman_api.commands.options import API
from tipman_api.refusals import NoServerError, RefusedError

Callback = TypeVar("Callback", bound=Callable[..., Any])
PATH = f"{API}/schedules"
TRIGGERS = ("cron", "every_s", "at")
OVERLAPS = ("skip", "queue_one", "queue_all", "latest", "cancel_running", "allow")
POLICIES = ("latest", "none", "earliest", "all")
_PLAIN = ("timezone", "starts_at", "ends_at")
_MORE = ("overlap", "queue_max", "runs_max", "jitter_s", "pause_after_failures")
_CATCH_UP = {"policy": "catch_up", "window_s": "catch_up_window", "max": "catch_up_max"}

_WHEN = (
    click.option("--cron", metavar="EXPRESSION", help="Such as '0 2 * * *', @daily, @every 90s."),
    click.option("--every", "every_s", metavar="S", type=float, help="Every so many seconds."),
    click.option("--at", metavar="INSTANT", help="Once, such as 2026-11-21T09:00:00+01:00."),
    click.option("--timezone", metavar="ZONE", help="Such as Europe/Prague; UTC if not set."),
    click.option("--starts-at", metavar="INSTANT", help="Not before this instant."),
    click.option("--ends-at", metavar="INSTANT", help="Before this instant."),
    click.option("--exclude", metavar="DATE", multiple=True, help="Not on this day."),
)
_HOW = (
    click.option("--overlap", type=click.Choice(OVERLAPS), help="While another run goes on."),
    click.option("--queue-max", metavar="N", type=int, help="So many wait, with queue_all."),
    click.option("--catch-up", type=click.Choice(POLICIES), help="Of what was due meanwhile."),
    click.option("--catch-up-window", metavar="S", type=float, help="Not what is older."),
    click.option("--catch-up-max", metavar="N", type=int, help="So many at most, with all."),
    click.option("--runs-max", metavar="N", type=int, help="Finished after so many runs."),
    click.option("--jitter-s", metavar="S", type=float, help="Put off by up to so many seconds."),
    click.option(
        "--pause-after-failures", metavar="N", type=int, help="Paused after so many in a row."
    ),
)


def when_options(function: Callback) -> Callback:
    """Give a command the options that say when something is due."""
    return _with(_WHEN, function)


def how_options(function: Callback) -> Callback:
    """Give a command the options that say what becomes of an instant."""
    return _with(_HOW, function)


def when_fields(given: dict[str, Any]) -> dict[str, Any]:
    """Return what `when_options` say, as fields of a schedule."""
    fields = {n: given[n] for n in (*TRIGGERS, *_PLAIN) if given[n] is not None}
    if given["exclude"]:
        fields["exclude"] = list(given["exclude"])
    return fields


def schedule_fields(given: dict[str, Any]) -> dict[str, Any]:
    """Return what all these options say, as fields of a schedule; the server judges it."""
    fields = when_fields(given)
    fields |= {name: given[name] for name in _MORE if given[name] is not None}
    catch_up = {n: given[option] for n, option in _CATCH_UP.items() if given[option] is not None}
    return {**fields, "catch_up": catch_up} if catch_up else fields


def create_all(client: Client, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make schedules, all or none; return them as they are then.

    Raises:
        RefusedError: one was refused; those made before it are deleted again.
        NoServerError: the server went away; says which of them there may be.
    """
    made: list[dict[str, Any]] = []
    try:
        for body in bodies:
            made += [client.post(PATH, body).json]
    except RefusedError as error:
        _delete(client, made)
        if len(bodies) == 1:
            raise
        which = bodies[len(made)]
        told = {**error.members, "detail": f"{_called(which)}: {error}; nothing was added"}
        raise RefusedError(error.status, told) from None
    except NoServerError as error:
        if len(bodies) == 1:
            raise
        there = ", ".join(map(_called, made)) or "none"
        doubtful = _called(bodies[len(made)])
        raise NoServerError(f"{error}; added until then: {there}; perhaps: {doubtful}") from None
    return made


def _delete(client: Client, made: list[dict[str, Any]]) -> None:
    left = [each["uri"] for each in made]
    try:
        while left:
            client.delete(left[-1])
            left.pop()
    except (RefusedError, NoServerError) as error:
        told = f"{error}; these were added and could not be deleted again: {', '.join(left)}"
        raise NoServerError(told) from None


def _called(schedule: dict[str, Any]) -> str:
    return str(schedule.get("key") or schedule.get("name") or "a schedule without a key")


def _with(options: Sequence[Callable[[Any], Any]], function: Callback) -> Callback:
    for option in reversed(options):
        function = option(function)
    return function
