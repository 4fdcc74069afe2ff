"""What the log must show of delays, deadlines and retries, worked out from the tasks alone."""

from dataclasses import dataclass

from simulation.rows import Line
from simulation.violation import ViolationError
from tipman.clock import MICROSECONDS
from tipman.definitions import Task
from tipman.retries import delay, share_of

_FAILING = {"attempt.failed", "attempt.timed_out"}
_FRESH = {"", "waiting"}
_FAILED = {"fail.reported", "reject.reported", "timer.fired", "child.settled"} | _FAILING
_OUTCOMES = {"finish.reported", "fail.reported", "approve.reported", "reject.reported"}
_TIMED = {"delayed", "backing_off"}
_LIMITED = {"executing", "finishing", "awaiting"}
"""States that `timeout_s` ends."""


@dataclass(slots=True)
class Timing:
    """One instance: how often it failed and was lost since it was opened, and what it is due."""

    task: Task
    lost_max: int
    due_at: int = 0
    """The instant of the timer that the instance waits for, if it does."""
    failed: int = 0
    lost: int = 0
    attempt: int = 0
    has_early_outcome: bool = False
    """Whether a report came before the instance waited for it, and has not counted yet."""

    def deadline(self, configuration: str) -> int | None:
        """Return when a timer must end this state, None where none must."""
        if configuration in _TIMED:
            return self.due_at
        has_limit = self.task.timeout_s is not None
        return self.due_at if has_limit and configuration in _LIMITED else None

    def follow(self, line: Line, data: dict, was: str, state: str) -> None:
        """Judge a line that led from *was* to *state*."""
        if line.name == "task.reopened":
            self.failed = self.lost = 0
        if line.name == "timer.fired" and line.at < self.due_at:
            raise ViolationError(f"a timer came {self.due_at - line.at} us too early")
        if line.name == "attempt.lost" and line.before != "cancelling":
            self._judge_lost(data["verdict"])
        if line.name in _OUTCOMES:
            self.has_early_outcome = was != "awaiting"
        if was == "awaiting" != state:
            self._leave_waiting(line, data)
        elif line.name in _FAILING and line.before != "cancelling":
            self._judge_failed(line, data["verdict"])
        self._enter(line, data, was, state)

    def _enter(self, line: Line, data: dict, was: str, state: str) -> None:
        # What was suspended goes on as it was; where it had only waited, a verdict says how.
        is_fresh = was in _FRESH or (
            was == "suspended" and data.get("verdict", "") not in {"", "stop"}
        )
        begins = is_fresh or was != "suspended"
        if line.name == "attempt.started" or (was != state == "awaiting" and begins):
            self.attempt += 1
            self.due_at = line.at + round((self.task.timeout_s or 0.0) * MICROSECONDS)
        if state == "delayed" and is_fresh:
            self.due_at = self.task.due_us(line.at) or 0
            if self.due_at <= line.at:
                raise ViolationError("a task is delayed that is due")
        if state in {"queued", "awaiting"} and is_fresh:
            self._judge_due(line)

    def _judge_due(self, line: Line) -> None:
        due_at = self.task.due_us(line.at)
        if line.name != "retry.requested" and due_at is not None and due_at > line.at:
            raise ViolationError(f"a task went on {due_at - line.at} us before it was due")

    def _leave_waiting(self, line: Line, data: dict) -> None:
        if line.name in _FAILED and line.after not in {"succeeded", "cancelled"}:
            self._judge_failed(line, data["verdict"])

    def _judge_failed(self, line: Line, verdict: str) -> None:
        self.failed += 1
        policy = self.task.retry
        is_over = self.failed >= policy.attempts_max
        if verdict and is_over:
            raise ViolationError(f"attempt {self.failed} of {policy.attempts_max} is tried again")
        if not verdict and not is_over and "*" in policy.on:
            raise ViolationError(f"only {self.failed} of {policy.attempts_max} attempts were made")
        if verdict == "retry":
            share = share_of(line.instance, self.attempt)
            delay_s = delay(policy, attempts_used=self.failed, share=share)
            self.due_at = line.at + round(delay_s * MICROSECONDS)

    def _judge_lost(self, verdict: str) -> None:
        self.lost += 1
        want = "" if self.task.on_lost == "fail" else "again"
        if self.lost >= self.lost_max:
            want = "abandon"
        if verdict != want:
            raise ViolationError(f"lost {self.lost} times, and {verdict!r} is not {want!r}")
