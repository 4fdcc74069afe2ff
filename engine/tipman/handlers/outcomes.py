"""Outcomes: how the attempt of a task ends that takes no slot, and what is known of it before."""

from tipman.clock import MICROSECONDS
from tipman.definitions import Task
from tipman.events import Failure
from tipman.handlers.attempts import failing_data, weighed
from tipman.handlers.steps import Steps, must_move
from tipman.instances import Instance
from tipman.outlines import Verdict
from tipman.tipman import TIPMan


class Outcomes:
    """Ends the attempts of tasks that take no slot."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    def succeed(
        self,
        instance: Instance,
        name: str,
        result: str,
        directory: TIPMan,
        *,
        actor: str = "engine",
        data: str = "",
    ) -> None:
        """Settle a task by an event of this name; *data* is text of more members of its line.

        One whose result is too large fails.
        """
        limit = self.steps.settings.result_bytes_max
        if len(result) > limit:
            failure = Failure("too_large", f"the result is larger than {limit} bytes")
            self.fail(instance, "attempt.failed", failure, directory)
            return
        step = must_move(instance, name, Verdict.SUCCEEDED)
        directory.close_attempt(instance, "succeeded", result, None)
        told = f'{{"verdict":"{Verdict.SUCCEEDED}"{data}}}'
        self.steps.advance(directory, instance, step, name, told, actor)

    def fail(
        self,
        instance: Instance,
        name: str,
        failure: Failure,
        directory: TIPMan,
        *,
        actor: str = "engine",
        result: str | None = None,
    ) -> None:
        """Try a task again if its policy says so, else settle it as failed.

        *result* is JSON text of what is known all the same.
        """
        used = instance.attempts_used + 1
        verdict, delay_s = weighed(directory.task_of(instance), instance, used, failure)
        if verdict is Verdict.AGAIN:
            # Waiting anew takes no slot, so it does not go through the queue.
            verdict = Verdict.RETRY
        step = must_move(instance, name, verdict)
        data = failing_data(instance.attempt, verdict, failure)
        instance.attempts_used = used
        directory.close_attempt(instance, "failed", result, failure)
        if verdict is Verdict.RETRY:
            instance.due_at = directory.now + round(delay_s * MICROSECONDS)
        self.steps.advance(directory, instance, step, name, data, actor)


def timeout_failure(task: Task) -> Failure:
    """Return how a task fails that waits for something which has not come in time."""
    words = f"nothing came within {task.timeout_s} s"
    return Failure("timeout", words, matches=("timeout",))


def plain_failure(code: str, words: str) -> Failure:
    """Return how a task fails for a reason that a policy of retries can name by its code."""
    return Failure(code, words, matches=(code,))
