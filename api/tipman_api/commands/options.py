"""Options that client commands share, and what they make of them."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from tipman_api.client import PATIENCE_S, PREFIX, Client
from tipman_api.destinations import Directions
from tipman_api.printing import Printer
from tipman_api.references import COLLECTIONS, find

Callback = TypeVar("Callback", bound=Callable[..., Any])
API = PREFIX


class Session:
    """What a client command works with: the server and the printer."""

    def __init__(self, directions: Directions, *, as_json: bool) -> None:
        self.directions = directions
        self.client = Client(directions.destination)
        self.printer = Printer(as_json=as_json)

    def find(self, reference: str, given: dict[str, Any]) -> dict[str, Any]:
        """Return the resource of a REF as the options `--kind` and `--namespace` say."""
        return find(
            self.client, reference, kind=given.get("kind"), namespace=given.get("namespace")
        )


def client_command(function: Callback) -> Callback:
    """Give a command the options of every client command, and a `Session` as first argument."""

    @wraps(function)
    def call(
        *,
        url: str | None,
        token: str | None,
        home: str | None,
        as_json: bool,
        **given: Any,
    ) -> Any:
        session = Session(Directions(url=url, token=token, home=home), as_json=as_json)
        with session.client:
            return function(session, **given)

    for option in reversed(_CLIENT_OPTIONS):
        call = option(call)
    # The decorators return what they were given.
    return call  # type: ignore[return-value]


_CLIENT_OPTIONS = (
    click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line."),
    click.option("--url", help="The server's address; TIPMAN_URL, or what runs on the home."),
    click.option("--token", help="What the server knows you by; TIPMAN_TOKEN, or the home's."),
    click.option("--home", metavar="FOLDER", help="The server's home; TIPMAN_HOME, or ./.tipman."),
)
namespace_option = click.option("--namespace", metavar="NAME", help="Other than `default`.")
kind_option = click.option(
    "--kind", type=click.Choice([*COLLECTIONS]), help="What REF is, where a key is not enough."
)
follow_option = click.option(
    "-f", "--follow", "is_following", is_flag=True, help="Go on with what comes."
)
patience_option = click.option(
    "--patience",
    "patience_s",
    metavar="S",
    type=click.FloatRange(min=0),
    default=PATIENCE_S,
    show_default=True,
    help="Seconds to look for a server that went away.",
)


def json_value(text: str, what: str) -> Any:
    """Return a value given as JSON.

    Raises:
        UsageError: it is no JSON; says where it is not.
    """
    from tipman.errors import InvalidError  # noqa: PLC0415 - only who gives JSON pays for it
    from tipman.jsontext import loads  # noqa: PLC0415 - as above

    try:
        return loads(text)
    except InvalidError as error:
        raise click.UsageError(f"{what} must be JSON: {error}") from None
