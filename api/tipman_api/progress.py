"""Progress: the lines at the foot of a terminal that say what a run is doing now."""

from typing import Any, Protocol

from tipman.charts import SETTLED
from tipman.clock import MICROSECONDS, Clock

from tipman_api.board import Board, TaskRecord

_SHOWN_MAX = 8
_REFRESH_S = 0.1
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Progress(Protocol):
    """What a narrator shows between its lines."""

    @property
    def refresh_s(self) -> float | None:
        """How often it is to be shown anew, None for never."""

    def begin(self, name: str, board: Board) -> None:
        """Know what there is to show."""

    def show(self) -> None:
        """Be seen, with what is true now."""

    def hide(self) -> None:
        """Be gone: something else is written."""


class NoProgress:
    """For what is no terminal."""

    refresh_s = None

    def begin(self, name: str, board: Board) -> None:
        """Do nothing."""

    def show(self) -> None:
        """Do nothing."""

    def hide(self) -> None:
        """Do nothing."""


class LiveProgress:
    """Some lines that a terminal shows and forgets, drawn anew ten times a second at most."""

    refresh_s = _REFRESH_S

    def __init__(self, clock: Clock) -> None:
        from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it

        self._clock = clock
        self._console = Console()
        self._live: Any = None
        self._name = ""
        self._board = Board(b"")
        self._begun_at = clock.monotonic()
        self._drawn_at = -_REFRESH_S

    def begin(self, name: str, board: Board) -> None:
        """Know what there is to show."""
        self._name, self._board = name, board

    def show(self) -> None:
        """Draw, unless that was just done."""
        now = self._clock.monotonic()
        if now - self._drawn_at < _REFRESH_S:
            return
        self._drawn_at = now
        if self._live is None:
            from rich.live import Live  # noqa: PLC0415 - as above

            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(self._picture(now - self._begun_at), refresh=True)

    def hide(self) -> None:
        """Wipe the lines away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _picture(self, elapsed_s: float) -> Any:
        from rich.text import Text  # noqa: PLC0415 - as above

        lines = [self._head(elapsed_s), *self._running_lines()]
        return Text("\n".join(lines), no_wrap=True, overflow="ellipsis")

    def _head(self, elapsed_s: float) -> str:
        board = self._board
        settled = len(board) - board.open_count
        failed = sum(map(board.count, SETTLED - {"succeeded", "skipped"}))
        parts = [
            f"{_SPINNER[int(elapsed_s / _REFRESH_S) % len(_SPINNER)]} {self._name}",
            f"{settled}/{len(board)} ended",
            *([f"{failed} failed"] if failed else []),
            f"{len(board.active)} running",
            f"{elapsed_s:.1f} s",
        ]
        return "  ".join(parts)

    def _running_lines(self) -> list[str]:
        now_us = self._clock.wall_us()
        active = self._board.active.values()
        shown = [
            _line(record, now_us) for record, _ in zip(active, range(_SHOWN_MAX), strict=False)
        ]
        more = len(self._board.active) - len(shown)
        return [*shown, *([f"  and {more} more"] if more else [])]


def _line(record: TaskRecord, now_us: int) -> str:
    attempt = f" (attempt {record.attempt})" if record.attempt > 1 else ""
    elapsed_s = (now_us - (record.attempt_started_at or now_us)) / MICROSECONDS
    return f"  {record.name}{attempt}  {max(elapsed_s, 0.0):.1f} s"
