"""The workshop: makes the executors of an engine, each when its first attempt starts.

Importing them late too keeps an engine that only runs functions free of processes and HTTP.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from tipman.clock import Clock
from tipman.executors import Executor
from tipman.executors.functions import Registry
from tipman.settings import Settings
from tipman.worker import Factory, Worker


class Workshop:
    """Knows how to make the executor of each type of task.

    *died* is called when a part is gone without which the engine can promise nothing.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        tasks: Registry,
        *,
        work_directory: Path,
        attempts: Path,
        died: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._tasks = tasks
        self._work_directory = work_directory
        self._attempts = attempts
        self._died = died
        self._worker: Worker

    def factories(self, worker: Worker) -> Mapping[str, Factory]:
        """Return what makes the executors, by types of task; they report to *worker*."""
        self._worker = worker
        return {
            "inline": self._inline,
            "exec": self._processes,
            "eval": self._processes,
            "python": self._processes,
            "sleep": self._sleep,
            "counter": self._counter,
            "http": self._http,
        }

    def _inline(self) -> Executor:
        from tipman.executors.inline import InlineExecutor  # noqa: PLC0415 - see above

        return InlineExecutor(
            self._worker.report,
            self._clock,
            threads_max=self._settings.slots,
            tasks=self._tasks,
            processes=self._worker.late("python"),
            hand_in=self._worker.hand_in,
            result_bytes_max=self._settings.result_bytes_max,
        )

    def _sleep(self) -> Executor:
        from tipman.executors.sleep import SleepExecutor  # noqa: PLC0415 - see above

        return SleepExecutor(self._worker.report, self._clock)

    def _counter(self) -> Executor:
        from tipman.executors.counter import CounterExecutor  # noqa: PLC0415 - see above

        return CounterExecutor(self._worker.report)

    def _http(self) -> Executor:
        from tipman.executors.http import HttpExecutor  # noqa: PLC0415 - see above

        return HttpExecutor(
            self._worker.report,
            self._clock,
            threads_max=self._settings.slots,
            result_bytes_max=self._settings.result_bytes_max,
        )

    def _processes(self) -> Executor:
        from tipman.executors.processes import ProcessExecutor, ProcessLimits  # noqa: PLC0415 - see above

        settings = self._settings
        executor = ProcessExecutor(
            self._worker.report,
            attempts=self._attempts,
            cwd=self._work_directory,
            python=settings.python,
            limits=ProcessLimits(
                output_head_bytes=settings.output_head_bytes,
                output_tail_bytes=settings.output_tail_bytes,
                result_bytes_max=settings.result_bytes_max,
            ),
            on_death=self._died,
        )
        executor.open()
        return executor
