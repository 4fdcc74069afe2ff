"""Options that client commands share, and what they make of them."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tipman_api.client import ANSWER_S, PATIENCE_S, PREFIX, Client
from tipman_api.destinations import Directions
from tipman_api.printing import Printer
from tipman_api.references import COLLECTIONS, find

if TYPE_CHECKING:
    from tipman.settings import Settings

Callback = TypeVar("Callback", bound=Callable[..., Any])
API = PREFIX
_LONG_S = 3600.0
"""What a server may take to look after its database; a large one takes minutes."""


class Session:
    """What a client command works with: the server and the printer."""

    def __init__(
        self, directions: Directions, *, as_json: bool, answer_s: float = ANSWER_S
    ) -> None:
        self.directions = directions
        self.client = Client(directions.destination, answer_s=answer_s)
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

    # The decorators return what they were given.
    return client_options(call)  # type: ignore[return-value]


def maintenance_command(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command a `Session`, and `settings` that are None where a server is to be asked."""

    @click.option("--database", metavar="URL", help="Without a server: sqlite:///FILE.")
    @wraps(function)
    def call(*, database: str | None, as_json: bool, **given: Any) -> Any:
        directions = Directions(**{name: given.pop(name) for name in ("url", "token", "home")})
        session = Session(directions, as_json=as_json, answer_s=_LONG_S)
        settings = None
        if database is not None or not directions.has_server():
            settings = settings_of(database, directions)
        with session.client:
            return function(session, settings=settings, **given)

    return client_options(call)


def settings_of(database: str | None, directions: Directions) -> "Settings":
    """Return the settings of an engine on this database, else on that of the home."""
    from tipman_api.configuration import settings_here  # noqa: PLC0415 - a server does without

    return settings_here(flags={"home": directions.home, "database": database})


def client_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options `url`, `token`, `home` and `as_json`."""
    for option in reversed(_CLIENT_OPTIONS):
        function = option(function)
    return function


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


Completion = Callable[[click.Context, click.Parameter, str], list[str]]


def completing(words: Callable[[], Iterable[str]]) -> Completion:
    """Return what completes a word to one of some, which are looked up only then."""

    def found(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
        return sorted(word for word in words() if word.startswith(begun))

    return found


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
