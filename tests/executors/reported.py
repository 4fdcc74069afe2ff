"""What executors publish in tests, and the effects that they are given."""

from queue import Empty, Queue

from tipman.effects import StartAttempt, StopAttempt
from tipman.events import StopReason

PATIENCE_S = 20.0


class Reported:
    """Takes reports from any thread; a test waits for each in turn."""

    def __init__(self):
        self._reports = Queue()

    def __call__(self, report):
        self._reports.put(report)

    def next(self):
        return self._reports.get(timeout=PATIENCE_S)

    def is_empty(self):
        try:
            self._reports.put(self._reports.get_nowait())
        except Empty:
            return True
        return False


def start(kind, arguments, *, number=1, attempt=1, kept=None):
    return StartAttempt(
        instance=number.to_bytes(16, "big"),
        attempt=attempt,
        epoch=7,
        type=kind,
        name=f"task-{number}",
        namespace="default",
        arguments=arguments,
        env={},
        timeout_s=None,
        context={"context": {"day": "today"}, "results": {}},
        kept=kept,
    )


def stop(reason=StopReason.CANCELLED, *, number=1, attempt=1, grace_s=10.0):
    return StopAttempt(number.to_bytes(16, "big"), attempt, reason, grace_s)
