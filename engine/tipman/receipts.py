"""Receipts: what a publisher holds until its event is on disk, and who of them will come again."""

from _thread import allocate_lock
from collections.abc import Sequence
from typing import Any

from tipman.registry.repeats import Memo

COMPANY_S_MAX = 0.001
"""Seconds that the bus waits at most for threads that it has just answered to come again."""


class Receipt:
    """Answers when the event is on disk, or says why it is not.

    With a *memo* the event is handled once for all its repeats, and what it is answered is kept
    in the same transaction.
    """

    __slots__ = ("_error", "_gate", "is_waited_for", "memo", "outcome")

    def __init__(self, memo: Memo | None = None) -> None:
        self.memo = memo
        self.is_waited_for = False
        """Whether a thread waits for it, and is likely to publish again once it is answered."""
        self.outcome: Any = None
        """What the handler answered, None for most."""
        self._error: BaseException | None = None
        self._gate = allocate_lock()
        self._gate.acquire()

    def result(self, timeout_s: float | None = None) -> Any:
        """Return what the handler answered, once the event is committed.

        Raises:
            TipmanError: the event was refused; it changed nothing.
            TimeoutError: not decided within *timeout_s*.
        """
        if not self._gate.acquire(timeout=-1 if timeout_s is None else timeout_s):
            raise TimeoutError(f"the event was not decided within {timeout_s} s")
        self._gate.release()
        if self._error is not None:
            raise self._error
        return self.outcome

    @property
    def is_decided(self) -> bool:
        """Whether `result` would not wait."""
        return not self._gate.locked()

    def settle(self, error: BaseException | None) -> None:
        """Let the waiting go; the bus calls this once."""
        self._error = error
        self._gate.release()


class Answer:
    """A receipt that the drain in hand is to settle, and what its handler refused."""

    __slots__ = ("error", "receipt")

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt
        self.error: BaseException | None = None


class Company:
    """Whether several threads publish in step with the bus, each waiting for its answer.

    They come again as soon as they are answered. A bus that began at once with the first of them
    would leave the others for the next commit, and so for ever: two halves, by turns.
    """

    __slots__ = ("awaited", "commit_s", "expected", "is_answered", "is_likely")

    def __init__(self) -> None:
        self.is_answered = self.is_likely = False
        self.commit_s = 0.0
        """Seconds for which company is worth waiting for."""
        self.expected = 0
        """Events that will wait once all who were answered have come again."""
        self.awaited = 0
        """Events below which nobody need make the bus look."""

    def took(self, seconds: float) -> None:
        """Note how long a commit took: company saves one, so it is worth as much."""
        self.commit_s = min(seconds, COMPANY_S_MAX)

    def note(self, answers: Sequence[Answer], waiting: int) -> None:
        """Note who is about to be answered, and how many events wait already."""
        coming = sum(answer.receipt.is_waited_for for answer in answers)
        self.is_answered = bool(answers)
        self.is_likely = coming > 1
        self.expected = waiting + coming
