"""A watch: a list that follows what happens."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Self

from tipman.clock import SystemClock

from tipman_api.client import PREFIX, Client
from tipman_api.commands.options import Session
from tipman_api.outlet import end_with_reader
from tipman_api.printing import Printer
from tipman_api.refusals import RefusedError
from tipman_api.subscriptions import Subscription, lastingly
from tipman_api.tables import Column, cells, drawn_lines

Item = Mapping[str, Any]
Query = Sequence[tuple[str, Any]]
_NOT_FOUND = 404
_HEAD_LINES = 2
"""Lines of the terminal that are no items: the head, and where the cursor stands."""


def watch(
    session: Session, path: str, query: Query, columns: Sequence[Column], *, patience_s: float
) -> None:
    """Show what a list has, and again after every change, until interrupted."""
    client, printer = session.client, session.printer
    namespace = next((value for name, value in query if name == "namespace"), None)
    news = Subscription(
        client, f"{PREFIX}/events", [("namespace", namespace)], patience_s=patience_s
    )
    end_with_reader()
    with ExitStack() as stack:
        show: Callable[[Sequence[Item]], None]
        if printer.is_terminal:
            show = stack.enter_context(_Screen(printer, columns)).show
        else:
            show = _Roll(client, path, printer, columns).show
        ask = partial(client.get, path, query)
        # Read after the stream was opened, so that no change falls between the two.
        show(ask().json["items"])
        for _ in news.batches():
            if not printer.outlet.is_open:
                return
            page = lastingly(client, ask, patience_s=patience_s, clock=SystemClock())
            show(page.json["items"])


class _Roll:
    """Prints an item when it is new and whenever it has changed."""

    def __init__(
        self, client: Client, path: str, printer: Printer, columns: Sequence[Column]
    ) -> None:
        self._client = client
        self._path = path
        self._printer = printer
        self._columns = columns
        self._shown: dict[str, Item] = {}

    def show(self, items: Sequence[Item]) -> None:
        listed = {item["id"]: item for item in items}
        self._print(self._left(self._shown.keys() - listed.keys()))
        # The newest is listed first, and printed last.
        self._print(reversed(items))
        self._shown = listed

    def _print(self, items: Iterable[Item]) -> None:
        self._printer.rows(filter(self._is_new, items), self._columns)

    def _is_new(self, item: Item) -> bool:
        before = self._shown.get(item["id"])
        return before is None or self._seen(before) != self._seen(item)

    def _seen(self, item: Item) -> object:
        return item if self._printer.as_json else cells(self._columns, item)

    def _left(self, identifiers: Iterable[str]) -> Iterable[Item]:
        """Yield what is not in the list any more, as it is now; most has another state."""
        for identifier in sorted(identifiers):
            try:
                yield self._client.get(f"{self._path}/{identifier}").json
            except RefusedError as error:
                # Pruned meanwhile.
                if error.status != _NOT_FOUND:
                    raise


class _Screen:
    """Draws the list anew in place, as much of it as the terminal has lines."""

    def __init__(self, printer: Printer, columns: Sequence[Column]) -> None:
        from rich.console import Console  # noqa: PLC0415 - only on a terminal
        from rich.live import Live  # noqa: PLC0415 - only on a terminal

        self._printer = printer
        self._columns = columns
        self._live = Live(console=Console(), auto_refresh=False, transient=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, items: Sequence[Item]) -> None:
        from rich.text import Text  # noqa: PLC0415 - only on a terminal

        size = self._live.console.size
        lines = drawn_lines(self._columns, items[: size.height - _HEAD_LINES], size.width)
        text = Text.from_ansi("\n".join(lines), no_wrap=True)
        self._live.update(text, refresh=True)
