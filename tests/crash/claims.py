"""What the clients know: each request, and whether it was acknowledged, refused or neither."""

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

ACKNOWLEDGED = "acknowledged"
REFUSED = "refused"
UNKNOWN = "unknown"
"""In flight when the engine died."""


@dataclass(frozen=True)
class Submitted:
    """Tasks that were handed in; `tasks` are mappings with keys, `ids` in the same order."""

    outcome: str
    actor: str
    tasks: tuple
    ids: tuple = ()
    at_once: bool = True
    """Whether all or none of them must be there."""
    repeat: str | None = None
    """The idempotency key that it was sent with."""

    @property
    def labels(self):
        """What tells its tasks from all others: their keys, or names where they have none."""
        return [label_of(task) for task in self.tasks]


def label_of(task):
    """Return the key of a task, as asked for or as a row; its name where it has none."""
    return task.get("key") or task.get("name")


@dataclass(frozen=True)
class Sent:
    """An event for a task, of a name that the clients gave an actor of its own."""

    outcome: str
    actor: str
    id: str
    name: str
    data: object = None
    repeat: str | None = None


@dataclass(frozen=True)
class Seen:
    """A task as it was read when it had settled."""

    id: str
    state: str
    attempt: int


@dataclass
class Claims:
    """All of it, over all rounds on one database; clients add from their threads."""

    submitted: list = field(default_factory=list)
    sent: list = field(default_factory=list)
    seen: list = field(default_factory=list)
    unexpected: list = field(default_factory=list)
    """Answers for which the request gave no reason, as sentences."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    repeating: dict = field(default_factory=dict)
    """By idempotency key, what keeps a request from being repeated by two clients at once."""

    def add(self, claim):
        """Write a claim down."""
        with self.lock:
            self._kind(claim).append(claim)

    def repeatable(self):
        """Return what was sent with an idempotency key and not refused."""
        with self.lock:
            return [
                claim
                for claim in (*self.submitted, *self.sent)
                if claim.repeat is not None and claim.outcome != REFUSED
            ]

    @contextmanager
    def alone(self, claim):
        """Keep others from repeating a request; yield whether it may be repeated.

        A refusal is not kept: what was refused once may be carried out when it comes again.
        """
        with self.repeating.setdefault(claim.repeat, threading.Lock()):
            with self.lock:
                known = next(c for c in self._kind(claim) if c.repeat == claim.repeat)
            yield known.outcome != REFUSED

    def repeated(self, claim, outcome, **more):
        """Note what the repeat of a request was answered: what the request was, if it was."""
        kind = self._kind(claim)
        with self.lock:
            at = next(at for at, other in enumerate(kind) if other.repeat == claim.repeat)
            first = kind[at]
            answered = replace(first, outcome=outcome, **more)
            if first.outcome == UNKNOWN:
                kind[at] = answered
            elif answered != first:
                self.unexpected.append(f"{first} was answered differently again: {answered}")

    def _kind(self, claim):
        return {Submitted: self.submitted, Sent: self.sent, Seen: self.seen}[type(claim)]

    @property
    def acknowledged(self):
        """How many requests that change something were acknowledged."""
        return sum(c.outcome == ACKNOWLEDGED for c in (*self.submitted, *self.sent))
