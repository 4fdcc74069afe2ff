"""Inline executor: functions of this very process, in threads, on a loop, or in a child.

What such a function prints goes where the process prints; it is not kept as a task's output.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tipman.clock import Clock
from tipman.effects import StartAttempt, StopAttempt
from tipman.errors import InvalidError
from tipman.events import Failure, Report
from tipman.executors import Executor, Publish, reports
from tipman.executors.calls import Call
from tipman.executors.functions import TASKS, Home, RegisteredTask, Registry
from tipman.executors.ledger import Ledger
from tipman.executors.threads import Threads

if TYPE_CHECKING:
    from tipman.executors.coroutines import Coroutines


class InlineExecutor:
    """Runs tasks of type `inline`: `{"task": "name", "args": {…}}`.

    *processes* runs those registered with `process=True`, as tasks of type `python`; without it
    they fail. There are never more threads than *threads_max*; what comes on top waits for one.
    *hand_in* takes reports from those threads, which have nothing else to do then; without it
    *publish* does.
    """

    def __init__(  # noqa: PLR0913 - what an engine has, each once; all but two by name
        self,
        publish: Publish,
        clock: Clock,
        *,
        threads_max: int,
        tasks: Registry = TASKS,
        processes: Executor | None = None,
        hand_in: Publish | None = None,
        result_bytes_max: int = reports.RESULT_BYTES_MAX,
    ) -> None:
        self._publish = publish
        self._clock = clock
        self._tasks = tasks
        self._processes = processes
        self._result_bytes_max = result_bytes_max
        self._hand_in = hand_in or publish
        self._ledger: Ledger[Call] = Ledger(publish, clock)
        self._threads: Threads[Call, Report] = Threads(
            Call.run, self._deliver, name="tipman-inline", threads_max=threads_max
        )
        self._loop: Coroutines | None = None

    def start(self, attempt: StartAttempt) -> None:
        """Begin it; a task that is not registered here, or takes other arguments, fails."""
        arguments = attempt.arguments
        try:
            task = self._tasks.get(arguments["task"])
            task.signature.check(arguments.get("args") or {})
        except InvalidError as error:
            self._publish(reports.failed(attempt, Failure("invalid", str(error))))
            return
        home = task.home
        put: Callable[[Call], None]
        if home is Home.THREAD:
            put = self._threads.put
        elif home is Home.LOOP:
            put = self._put_on_loop
        else:
            self._start_process(attempt, task)
            return
        call = Call(attempt, task, self._result_bytes_max)
        self._ledger.open(call)
        try:
            put(call)
        except RuntimeError as error:
            failure = Failure("no_thread", f"no thread for task {task.name!r}: {error}")
            self._ledger.settle(call, reports.failed(attempt, failure))

    def stop(self, attempt: StopAttempt) -> None:
        """Cancel a coroutine, tell a function by `current_attempt().stopping`, end a process."""
        call = self._ledger.stop(attempt)
        if call is None:
            if self._processes is not None:
                self._processes.stop(attempt)
        elif call.task.home is Home.LOOP and self._loop is not None:
            self._loop.cancel(call)

    def close(self) -> None:
        """End what still runs, without a report; *processes* is closed by who made it."""
        self._ledger.close()
        if self._loop is not None:
            self._loop.close()
        self._threads.close(self._clock)

    def _deliver(self, call: Call, report: Report) -> None:
        self._ledger.settle(call, report, self._hand_in)

    def _put_on_loop(self, call: Call) -> None:
        if self._loop is None:
            # asyncio costs 6 MiB, which an engine without coroutines should not have to carry.
            from tipman.executors.coroutines import Coroutines  # noqa: PLC0415

            self._loop = Coroutines(self._ledger.settle)
        self._loop.put(call)

    def _start_process(self, attempt: StartAttempt, task: RegisteredTask[..., Any]) -> None:
        if self._processes is None:
            failure = Failure(
                "unsupported", f"task {task.name!r} wants a process, which this engine has not"
            )
            self._publish(reports.failed(attempt, failure))
            return
        arguments = {"call": task.address, "args": attempt.arguments.get("args") or {}}
        self._processes.start(attempt._replace(type="python", arguments=arguments))
