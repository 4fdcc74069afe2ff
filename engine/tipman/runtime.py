"""The engine: the one place where the parts are put together."""

import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tipman.arrangements import Arrangements
from tipman.bus import Bus
from tipman.clock import Clock, SystemClock
from tipman.conduct import Conduct
from tipman.core import Core
from tipman.database import DRIVER_ERRORS, Database, Row
from tipman.definitions import Stencil, Task, Workflow, bare_call, by_failure, task_of
from tipman.definitions.named import is_by_definition
from tipman.errors import InvalidError, TipmanError, UnavailableError
from tipman.events import Event, TasksSubmitted
from tipman.executors.functions import TASKS, RegisteredTask, Registry, TaskCall, registered_of
from tipman.handles import Handle, Settlements
from tipman.ids import IdSource
from tipman.leases import FileLock, hold_file
from tipman.operations import Operations
from tipman.requests import Requests
from tipman.settings import Settings
from tipman.settings import load as load_settings
from tipman.submission import BatchFailure, Submitter, check_type, checked_batch
from tipman.version import VERSION
from tipman.workshop import Workshop

_INTERRUPT_SLACK_S = 2.0


class Engine(Requests, Operations, Arrangements, Conduct):
    """Runs tasks durably, in this process, on one database.

    Use it as a context manager, or call `start` and `close`. *settings* are those of CONTRACT;
    single ones may be given by name (`slots=4`). *tasks* is the registry that `inline` tasks come
    from, *work_directory* the folder in which `exec`, `eval` and `python` tasks run.

    Raises:
        EngineRunningError: on `start`, another engine holds the database.
        DatabaseError: on `start`, the database is not to be used; it was not changed.
    """

    def __init__(
        self,
        database: str | None = None,
        *,
        settings: Settings | None = None,
        clock: Clock | None = None,
        tasks: Registry = TASKS,
        work_directory: Path | None = None,
        **flags: Any,
    ) -> None:
        if settings is None:
            settings = load_settings(flags=flags)
        elif flags:
            raise InvalidError("give settings as one value or by name, not both")
        super().__init__(settings.home / "attempts")
        self.settings = settings
        self.url = database or settings.database or f"sqlite:///{settings.home / 'tipman.db'}"
        self._clock = clock or SystemClock()
        self._submitter = Submitter(IdSource(lambda: self._clock.wall_us() // 1000))
        self._workshop = Workshop(
            settings,
            self._clock,
            tasks,
            work_directory=work_directory or Path.cwd(),
            attempts=self.attempts_folder,
            died=self._died,
        )
        self._tasks = tasks
        self._templates: dict[RegisteredTask[..., Any], Task] = {}
        self._lock: FileLock | None = None
        self._thread: threading.Thread | None = None
        self._stopping = self._stopped = self._hurried = False
        self._idle = threading.Event()
        self._closing = threading.RLock()
        self.failure: BaseException | None = None
        """Why the engine stopped by itself, None while it has not."""
        self.on_failure: Callable[[BaseException], None] = lambda _error: None

    # Life.

    def open(self) -> Self:
        """Take the database, so that it can be looked at; nothing runs before `start`."""
        self._stopping = self._stopped = self._hurried = False
        self._settlements, self._thread, self.failure = Settlements(), None, None
        self._idle.clear()
        self._lock = hold_file(Database(self.url), self.settings.home)
        try:
            core = self._core = Core(
                self.url,
                self.settings,
                self._clock,
                self._workshop.factories,
                node=socket.gethostname(),
                version=VERSION,
            )
            core.bus.failed = self._failed
            core.handlers.adopt(self._submitter.new_id, self._has_code, self._checked)
        except BaseException:
            self._let_go()
            raise
        core.committed = self._committed
        self._observe(core)
        return self

    def start(self) -> Self:
        """Open, recover what earlier engines left, begin to run; a running one goes on."""
        if self._thread is not None and self._core is not None:
            return self
        if self._core is None:
            self.open()
        core = self.core
        try:
            core.recover()
        except BaseException as error:
            self.failure = error
            self.close()
            raise
        if self.failure is not None:
            self.close()
            raise self.failure
        self._thread = threading.Thread(
            target=core.run, args=(lambda: self._stopped,), name="tipman-bus", daemon=True
        )
        self._thread.start()
        core.retention.start()
        core.bus.wake()
        return self

    def prepare(self, types: Iterable[str]) -> None:
        """Make the executors of these types of task now, between `open` and `start`.

        Each is made at its first attempt otherwise, which then waits for the start of processes.
        """
        for type_ in types:
            with suppress(LookupError):
                self.core.worker.executor(type_)

    def close(self, *, drain_s: float | None = None) -> None:
        """Stop: start nothing new, give attempts *drain_s* to end, then end them.

        What was ended early is queued again at the next start. Closing twice is once enough.
        """
        # Who comes second waits, but for the bus's thread, whose end the first may be waiting for.
        if self._closing.acquire(blocking=threading.current_thread() is not self._thread):
            try:
                self._close(drain_s)
            finally:
                self._closing.release()

    def _close(self, drain_s: float | None) -> None:
        core, thread = self._core, self._thread
        if core is None:
            self._let_go()
            return
        self._stopping = True
        core.handlers.stop_starting()
        core.bus.wake()
        if self.failure is None:
            self._drain(core, self.settings.drain_s if drain_s is None else drain_s)
        self._stopped = True
        core.bus.close(UnavailableError("the engine has stopped"))
        core.bus.wake()
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join()
        self._settlements.close()
        self._core = None
        # Before the connection that writes, which writes the log back if it is the last to go.
        self.close_readers()
        try:
            core.close()
        except DRIVER_ERRORS:
            if self.failure is None:
                raise
        finally:
            self._let_go()

    def hurry(self) -> None:
        """Cut short a `close`: end the attempts now, without a grace."""
        self._hurried = True
        self._idle.set()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Submitting.

    def submit(self, what: RegisteredTask[..., Any] | TaskCall, /, **arguments: Any) -> Handle:
        """Submit a function or class that is a task; return once it is on disk.

        Raises:
            InvalidError: arguments that the function does not take, or that are not JSON.
            KeyExistsError: the key is taken.
        """
        event = self._call(what, arguments)
        self._publish(event)
        return Handle(event.instance, self)

    def submit_nowait(
        self, what: RegisteredTask[..., Any] | TaskCall, /, **arguments: Any
    ) -> Handle:
        """As `submit`, but do not wait for the disk: `Handle.acknowledged` does."""
        event = self._call(what, arguments)
        return Handle(event.instance, self, self._open_bus().publish_nowait(event))

    def submit_many(
        self,
        what: RegisteredTask[..., Any] | TaskCall,
        arguments: Iterable[Mapping[str, Any]],
        /,
    ) -> list[Handle]:
        """Submit many calls of one task, all or none; return once they are on disk.

        Raises:
            InvalidError: arguments that the function does not take, or that are not JSON.
        """
        registered = registered_of(what)
        template = self._template(what, registered)
        if template.key is not None:
            raise InvalidError("many calls can not share one key")
        calls = []
        for each in arguments:
            registered.check(each)
            calls.append({"task": registered.name, "args": each})
        event = self._submitter.calls(template, calls, actor="local")
        self._publish(event)
        return [Handle(s.instance, self) for s in event.submissions]

    def submit_task(self, task: Task | Mapping[str, Any], *, actor: str = "local") -> Handle:
        """Submit one task of any type; return once it is on disk.

        Raises:
            InvalidError: the task is not as CONTRACT says; `faults` names every place.
            KeyExistsError: the key is taken.
            UnknownDependencyError: a dependency that does not exist.
        """
        event = self.submission(task, actor=actor)
        self._publish(event)
        return Handle(event.instance, self)

    def submit_batch(
        self,
        tasks: Sequence[Task | Mapping[str, Any]],
        *,
        on_failure: BatchFailure = "skip",
        actor: str = "local",
    ) -> list[Handle]:
        """Submit tasks, all or none; return once they are on disk, in the order given.

        Dependencies are keys (those of the batch first), UUIDs or URIs. *on_failure* says what
        becomes of tasks without a rule that wait for one that failed, as in a workflow.

        Raises:
            TipmanError: as `submit_task`; CycleError names the whole cycle.
        """
        event = self.batch(tasks, actor=actor, on_failure=on_failure)
        self._publish(event)
        return [Handle(s.instance, self) for s in event.submissions]

    def submission(self, task: Task | Mapping[str, Any], *, actor: str) -> TasksSubmitted:
        """Return the event that submits a task, for whoever publishes it without waiting.

        Raises:
            InvalidError: as `submit_task`, what can be told without the database.
        """
        return self._submitter.batch([self._checked(task)], actor=actor)

    def batch(
        self,
        tasks: Sequence[Task | Mapping[str, Any]],
        *,
        actor: str,
        on_failure: BatchFailure = "skip",
    ) -> TasksSubmitted:
        """Return the event that submits tasks, all or none.

        Raises:
            InvalidError: as `submit_batch`; pointers start with `/tasks`.
        """
        checked = checked_batch(tasks, self._checked, self.settings)
        resolved = [by_failure(task, on_failure) for task in checked]
        return self._submitter.batch(resolved, actor=actor)

    def submit_workflow(self, workflow: Workflow, *, actor: str = "local") -> dict[str, Handle]:
        """Submit a run of a workflow; return the handles of its tasks by name."""
        event = self.run_submission(workflow, {}, actor=actor)
        self._publish(event)
        return {s.task.name: Handle(s.instance, self) for s in event.submissions}

    # Inside.

    def _template(
        self, what: RegisteredTask[..., Any] | TaskCall, registered: RegisteredTask[..., Any]
    ) -> Task:
        template = self._templates.get(registered) if what is registered else None
        if template is None:
            is_bare = what is registered and not registered.defaults
            bare = bare_call(registered.name, self.settings) if is_bare else None
            template = self._checked(bare or _shape(what, {}))
            if what is registered:
                self._templates[registered] = template
        return template

    def _checked(self, task: Task | Mapping[str, Any], stencil: Stencil | None = None) -> Task:
        if not isinstance(task, Task):
            task = (
                self.task_by_definition(task)
                if is_by_definition(task)
                else task_of(task, settings=self.settings, stencil=stencil)
            )
        check_type(task.type, self.settings.types_off)
        name = self._tasks.class_called(task.type, task.arguments)
        task = task if name is None else task.with_exclusive(name)
        return task.with_brought(self._checked)

    def _call(
        self, what: RegisteredTask[..., Any] | TaskCall, arguments: Mapping[str, Any]
    ) -> TasksSubmitted:
        registered = registered_of(what)
        registered.check(arguments)
        template = self._template(what, registered)
        named = {"task": registered.name, "args": arguments}
        return self._submitter.call(template, named, actor="local")

    def _asked(
        self, what: RegisteredTask[..., Any] | TaskCall, arguments: Mapping[str, Any]
    ) -> dict[str, Any]:
        registered_of(what).check(arguments)
        return _shape(what, arguments)

    def _has_code(self, task: Task) -> bool:
        if task.type in self.settings.types_off:
            return False
        return task.type != "inline" or task.arguments["task"] in self._tasks

    def _new_id(self) -> bytes:
        return self._submitter.new_id()

    def _publish(self, event: Event) -> None:
        self._open_bus().publish(event)

    def _open_bus(self) -> Bus:
        if self._stopping:
            raise UnavailableError("the engine is stopping")
        return self.core.bus

    def _committed(self, entries: Sequence[Row]) -> None:
        self._settlements.announce(entries)
        if self._stopping and self.core.frontier.slots_taken == 0:
            self._idle.set()

    def _drain(self, core: Core, drain_s: float) -> None:
        if core.frontier.slots_taken and drain_s > 0:
            self._idle.wait(drain_s)
        # Cleared before the look: the last may end between the two.
        self._idle.clear()
        if core.frontier.slots_taken:
            grace_s = 0.0 if self._hurried else self.settings.grace_s
            core.worker.interrupt(grace_s)
            self._idle.wait(grace_s + _INTERRUPT_SLACK_S)

    def _failed(self, error: BaseException) -> None:
        self.failure = error
        self._settlements.close()
        self._idle.set()
        self.on_failure(error)

    def _died(self, reason: str) -> None:
        """Stop acknowledging: a part without which nothing can be promised is gone."""
        self.core.bus.close(UnavailableError(reason))
        self._failed(TipmanError(reason))

    def _let_go(self) -> None:
        self.close_readers()
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _shape(
    what: RegisteredTask[..., Any] | TaskCall, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    registered = registered_of(what)
    options = what.options if isinstance(what, TaskCall) else registered.defaults
    named = {"task": registered.name, "args": dict(arguments)}
    return {"name": registered.name, **options, "type": "inline", "arguments": named}
