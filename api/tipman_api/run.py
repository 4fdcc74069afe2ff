"""One run of a workflow, from its submission to its end, in this process."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Self

from tipman import queries
from tipman.clock import Clock, SystemClock
from tipman.database import CHUNK, Row
from tipman.definitions import Task, Workflow
from tipman.errors import ConflictError, InvalidError, NotFoundError
from tipman.runs import families
from tipman.runs.families import Member
from tipman.runtime import Engine

from tipman_api.board import Board, Status
from tipman_api.narration import Narrator
from tipman_api.presses import Presses, echo_here_s
from tipman_api.report import Report

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENT_SIGNALS = 2
"""The first lets what runs end, the second ends it; one more does not wait for that."""


class Word(Enum):
    """What is heard besides log lines."""

    STOP_ASKED = "stop asked"
    ENGINE_FAILED = "engine failed"
    ENGINE_CLOSED = "engine closed"


News = SimpleQueue[Sequence[Row] | Word]
"""What happens, in order: log lines of a commit, or a word; signals may put into it too."""


class Signals:
    """While entered, turns requests to stop into words among the news."""

    def __init__(self, news: News) -> None:
        self._news = news
        self._count = 0
        self._presses = Presses(SystemClock(), echo_s=echo_here_s())
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            # What is ignored stays so: a shell's background jobs, nohup.
            if handler is not signal.SIG_IGN:
                self._handlers[number] = handler
                signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _hear(self, number: int, _frame: object) -> None:
        if not self._presses.hear(number):
            return
        self._count += 1
        if self._count <= _PATIENT_SIGNALS:
            self._news.put(Word.STOP_ASKED)
        elif self._count == _PATIENT_SIGNALS + 1:
            # Once: what is cleared away after it should not be cut short by one more.
            raise KeyboardInterrupt


class Run:
    """Drives an engine that nobody else has started; `report` is there once it has ended."""

    def __init__(
        self, engine: Engine, workflow: Workflow, narrator: Narrator, news: News, clock: Clock
    ) -> None:
        self._engine = engine
        self._workflow = workflow
        self._narrator = narrator
        self._clock = clock
        self._news = news
        self._begun_at = clock.monotonic()
        self._closer: Thread | None = None
        self._closing_error: BaseException | None = None

    def begin_anew(self) -> Report:
        """Submit the workflow and run it to its end.

        Raises:
            TipmanError: the engine could not be started.
        """
        with self._open():
            self._warn_of_others(own=0)
            self._engine.start()
            self._refuse_unknown_workflows()
            run = self._engine.run_workflow(self._workflow).identifier
            # Its lines are among the news already: what it has now is where they begin.
            return self._follow(
                Board(run, [m._replace(state="waiting") for m in self._members(run)])
            )

    def resume(self) -> Report:
        """Go on with the newest run of the same workflow that is open.

        Raises:
            NotFoundError: there is none; nothing was started.
            TipmanError: the engine could not be started.
        """
        with self._open():
            run = self._engine.open_run(self._workflow).identifier
            board = Board(run, self._members(run))
            self._warn_of_others(own=board.open_count)
            self._engine.start()
            return self._follow(board)

    def _members(self, run: bytes) -> list[Member]:
        with self._engine.reading() as database:
            return families.members(database, run)

    def _refuse_unknown_workflows(self) -> None:
        """Refuse a workflow that starts others which this database does not know.

        Raises:
            InvalidError: names the first task that would.
        """
        for task in parts_of(self._workflow):
            if task.type != "workflow" or task.has_expressions:
                continue
            name, version = task.arguments["name"], task.arguments.get("version")
            try:
                self._engine.workflow_in_use(name, version)
            except (NotFoundError, ConflictError) as error:
                raise InvalidError(
                    f"task {task.name!r} starts the workflow {name!r}, and {error}: `tipman run`"
                    " knows those that are registered in its --database"
                ) from None

    # The engine's life.

    @contextmanager
    def _open(self) -> Iterator[None]:
        engine = self._engine
        engine.open()
        engine.prepare({task.type for task in self._workflow.tasks})
        engine.listen(self._news.put)
        engine.on_failure = lambda _error: self._news.put(Word.ENGINE_FAILED)
        try:
            yield
        except BaseException:
            engine.hurry()
            raise
        finally:
            self._close()

    def _warn_of_others(self, *, own: int) -> None:
        """Say that the engine goes on with all that is open in its database."""
        with self._engine.reading() as database:
            others = queries.count_open(database) - own
        if others == 1:
            self._narrator.warn("1 open task of earlier runs in this database goes on as well")
        elif others:
            self._narrator.warn(
                f"{others:,} open tasks of earlier runs in this database go on as well"
            )

    def _close(self) -> None:
        if self._closer is None:
            self._engine.close()
        else:
            self._closer.join()

    # Following.

    def _follow(self, board: Board) -> Report:
        self._narrator.begin(self._workflow.name, board)
        word = self._hear_until_settled(board)
        if word is None:
            results, errors = self._read_ends(board)
        else:
            self._stop(board, asked=word is Word.STOP_ASKED)
            results, errors = {}, {}
        elapsed_s = self._clock.monotonic() - self._begun_at
        is_stuck = word is None and not board.is_over
        state = "failed" if is_stuck else board.state
        records = [*board.records]
        error = self._engine.run(board.run)["error"] if word is None else None
        report = Report(self._workflow.name, state, elapsed_s, records, results, errors, error)
        self._narrator.finish(report)
        return report

    def _hear_until_settled(self, board: Board) -> Word | None:
        """Tell what happens until the run has settled; return the word that came before, if any.

        It ends, too, when only a person could let it go on, whom nobody can ask here.
        """
        while not (board.is_over or self._is_stuck(board)):
            try:
                news = self._news.get(timeout=self._narrator.refresh_s)
            except Empty:
                self._narrator.rest()
                continue
            if isinstance(news, Word):
                return news
            self._tell(board, news)
        return None

    def _is_stuck(self, board: Board) -> bool:
        if not board.is_stuck or not self._news.empty():
            return False
        # What a bounded drain has left may still move something.
        with self._engine.reading() as database:
            return not queries.has_inbox(database)

    def _tell(self, board: Board, lines: Sequence[Row]) -> None:
        unknown = board.unknown(lines)
        if unknown:
            with self._engine.reading() as database:
                board.join(families.known(database, unknown))
        for line in lines:
            record = board.hear(line)
            if record is not None:
                self._narrator.tell(record, line)
        if self._news.empty():
            self._narrator.rest()

    def _stop(self, board: Board, *, asked: bool) -> None:
        """Close the engine on a thread of its own, and go on telling meanwhile."""
        if asked:
            self._narrator.warn(self._stopping_words(board))
        self._closer = Thread(target=self._close_engine, name="tipman-closer")
        self._closer.start()
        while (news := self._next_news()) is not Word.ENGINE_CLOSED:
            if news is Word.STOP_ASKED:
                self._engine.hurry()
            elif not isinstance(news, Word):
                self._tell(board, news)
        if self._closing_error is not None:
            raise self._closing_error

    def _next_news(self) -> Sequence[Row] | Word:
        while True:
            try:
                return self._news.get(timeout=self._narrator.refresh_s)
            except Empty:
                self._narrator.rest()

    def _stopping_words(self, board: Board) -> str:
        running, drain_s = len(board.active), self._engine.settings.drain_s
        if not running:
            return "stopping"
        noun = "task" if running == 1 else "tasks"
        return (
            f"stopping: {running} running {noun} may end within {drain_s:g} s; again to stop now"
        )

    def _close_engine(self) -> None:
        try:
            self._engine.close()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self._closing_error = error
        finally:
            self._news.put(Word.ENGINE_CLOSED)

    # Reading.

    def _read_ends(self, board: Board) -> tuple[dict[bytes, Any], dict[bytes, Any]]:
        """Return results, where they are wanted, and errors by the ids of tasks."""
        wanted = [
            record.identifier
            for record in board.records
            if self._narrator.wants_results or record.status is Status.FAILED
        ]
        results, errors = {}, {}
        with self._engine.reading() as database:
            for low in range(0, len(wanted), CHUNK):
                chunk = wanted[low : low + CHUNK]
                views = queries.tasks(database, chunk, epoch=self._engine.epoch)
                for identifier, view in zip(chunk, views, strict=True):
                    results[identifier], errors[identifier] = view["result"], view["error"]
        return results, errors


def parts_of(workflow: Workflow) -> Iterator[Task]:
    """Yield all tasks that a run may have: of its graph, what those bring along, and hooks."""
    for task in (*workflow.tasks, *workflow.hooks.values()):
        yield task
        yield from (part for part in (task.compensate, task.template) if part is not None)
