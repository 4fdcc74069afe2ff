"""A session of `tipman run`: what it was asked, where its state lives, and how it ends."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from tipman.clock import SystemClock
from tipman.definitions import Workflow, load_workflow
from tipman.errors import InvalidError
from tipman.executors.functions import TASKS
from tipman.ids import text_of
from tipman.jsontext import Json
from tipman.runtime import Engine
from tipman.settings import Durability, Settings

from tipman_api.configuration import settings_here
from tipman_api.exits import ExitCode
from tipman_api.narration import JsonNarrator, Narrator, TextNarrator, warn
from tipman_api.outlet import Outlet
from tipman_api.progress import LiveProgress, NoProgress
from tipman_api.report import Outcome
from tipman_api.run import News, Run, Signals, parts_of

SLOTS = 64
DRAIN_S = 2.0
"""What running tasks get when a run is interrupted: somebody waits at a terminal."""

_EXITS = {
    Outcome.SUCCEEDED: ExitCode.OK,
    Outcome.FAILED: ExitCode.FAILED,
    Outcome.INTERRUPTED: ExitCode.INTERRUPTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What `tipman run` was asked; `parameters` stand in for values of the workflow's input."""

    file: Path
    schema: Path | None
    parameters: Mapping[str, Json]
    slots: int | None
    database: str | None
    resume: bool
    as_json: bool
    is_live: bool
    """Whether standard output is a terminal that can show progress."""


def run_session(options: RunOptions, outlet: Outlet) -> ExitCode:
    """Run a workflow file to its end.

    Raises:
        InvalidError: the file, a parameter, a setting or the database can not be used.
        NotFoundError: there is nothing to resume.
        EngineRunningError: another engine holds the database.
    """
    defaults = {"slots": SLOTS, "drain_s": DRAIN_S}
    settings = settings_here(flags={"slots": options.slots}, defaults=defaults)
    workflow = load_workflow(
        options.file, schema=options.schema, parameters=options.parameters, settings=settings
    )
    if workflow.schedule is not None:
        warn("the schedule block is left out: this runs the workflow once, now")
        workflow = workflow.model_copy(update={"schedule": None})
    _refuse_what_can_not_end_well(workflow)
    news: News = SimpleQueue()
    # Signals are heard until the temporary folder is gone.
    with Signals(news), _engine(options.database, settings) as engine:
        narrator = _narrator(options, outlet, engine)
        run = Run(engine, workflow, narrator, news, SystemClock())
        try:
            report = run.resume() if options.resume else run.begin_anew()
        finally:
            narrator.leave()
        if engine.failure is not None:
            warn(f"internal fault: {engine.failure}")
            return ExitCode.INTERNAL
        return _EXITS[report.outcome]


def _refuse_what_can_not_end_well(workflow: Workflow) -> None:
    """Refuse what needs a server, or a program that registers functions.

    Raises:
        InvalidError: names the first such task.
    """
    for task in parts_of(workflow):
        if task.type in {"wait", "approval"} and task.timeout_s is None:
            raise InvalidError(
                f"task {task.name!r} waits for an event from outside, and none can reach"
                " `tipman run`: give it a timeout_s"
            )
        if task.type == "inline" and task.arguments["task"] not in set(TASKS):
            raise InvalidError(
                f"task {task.name!r} calls {task.arguments['task']!r}, and `tipman run` has no"
                " functions of its own: make it a `python` task"
            )


@contextmanager
def _engine(database: str | None, settings: Settings) -> Iterator[Engine]:
    """Lend an engine that is not started, on the database that was named or on one for now."""
    if database is not None:
        yield Engine(database, settings=settings)
        return
    with TemporaryDirectory(prefix="tipman-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        # Nobody reads this database after a power cut, so nothing waits for the disk.
        settings = replace(settings, home=home, durability=Durability.NORMAL)
        yield Engine(f"sqlite:///{home / 'tipman.db'}", settings=settings)


def _narrator(options: RunOptions, outlet: Outlet, engine: Engine) -> Narrator:
    def output_path(identifier: bytes, attempt: int, stream: str) -> Path:
        return engine.attempts_folder / text_of(identifier) / str(attempt) / stream

    if options.as_json:
        return JsonNarrator(outlet, output_path)
    progress = LiveProgress(SystemClock()) if options.is_live else NoProgress()
    return TextNarrator(outlet, output_path, progress)
