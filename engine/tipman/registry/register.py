"""The registry as the bus works with it: what it knows, and what a drain changed of it.

Namespaces and tokens are few and stand in memory whole; of definitions and workflows only what the
event in hand asks for. The bus's thread alone changes anything here, and writes it in the drain's
transaction.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

from tipman.clock import MICROSECONDS
from tipman.database import Database, Row
from tipman.errors import Fault, InvalidError, QuotaReachedError
from tipman.events import Submission
from tipman.registry.models import (
    DELETE_KEPT,
    DELETE_NAMESPACE,
    DELETE_OLD_ANSWERS,
    INSERT_DEFINITION,
    INSERT_TOKEN,
    INSERT_WORKFLOW,
    REVOKE_TOKEN,
    UPSERT_ANSWER,
    UPSERT_NAMESPACE,
)
from tipman.registry.records import DEFAULT, Namespace, Token
from tipman.registry.repeats import KEPT_S, Memo, Repeat
from tipman.registry.versions import Versions

EXPIRED_AT_ONCE = 500
"""Expired answers that one drain removes at most."""
SWEEP_S = 60
"""Seconds between two looks for expired answers, while there are new ones."""


class Registry:
    """Namespaces, tokens, definitions and answers, with what is staged of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.namespaces: dict[str, Namespace] = {}
        """By name, staged ones included."""
        self.open_tasks: defaultdict[str, int] = defaultdict(int)
        """How many tasks have not settled, by namespace."""
        self.tokens: Mapping[bytes, Token] = {}
        """Those on disk that were not revoked, by the hash of the secret; any thread may look."""
        self.outcome: Any = None
        """What the handler of the event in hand answers beside its effects; the bus takes it."""
        self._tokens: dict[bytes, Token] = {}
        self.definitions = Versions(database, "definition", INSERT_DEFINITION, self._stage)
        self.workflows = Versions(database, "workflow", INSERT_WORKFLOW, self._stage)
        self._changes: list[tuple[str, Row]] = []
        self._answers: dict[bytes, Row] = {}
        self._swept_at = 0

    def open(self, now_us: int) -> None:
        """Read what is on disk; see to it that the default namespace is there."""
        fetch = self._database.fetch
        for row in fetch("SELECT name, open_tasks_max, slots_max, created_at FROM namespace"):
            self.namespaces[row[0]] = Namespace(*row)
        if DEFAULT not in self.namespaces:
            self.put_namespace(Namespace(DEFAULT, None, None, now_us))
            with self._database.transaction():
                self.write(now_us)
        self._tokens = {
            bytes(row[0]): Token(bytes(row[0]), *row[1:])
            for row in fetch(
                "SELECT secret, name, scope, namespace, created_by, created_at FROM token"
                " WHERE revoked_at IS NULL"
            )
        }
        self.open_tasks.update(
            fetch(
                "SELECT namespace, count(*) FROM instance WHERE settled_at IS NULL"
                " AND kind = 'task' GROUP BY 1"
            )
        )
        self.committed()

    # Quotas.

    def admit(self, submissions: Sequence[Submission]) -> None:
        """Count tasks as open; nothing may refuse them any more.

        Raises:
            InvalidError: a namespace that does not exist.
            QuotaReachedError: more than a namespace may have open. Nothing is counted.
        """
        if len(submissions) == 1:
            self.admit_one(submissions[0].task.namespace)
            return
        wanted = Counter([submission.task.namespace for submission in submissions])
        for name, more in wanted.items():
            self._check_room(name, more, [s.task.namespace for s in submissions])
        for name, more in wanted.items():
            self.open_tasks[name] += more

    def admit_one(self, namespace: str) -> None:
        """Count a task as open, as `admit` does."""
        self._check_room(namespace, 1, (namespace,))
        self.open_tasks[namespace] += 1

    def opened(self, namespace: str) -> None:
        """Count one task that is open again."""
        self.open_tasks[namespace] += 1

    def settled(self, namespace: str) -> None:
        """Count one task that is open no more."""
        self.open_tasks[namespace] -= 1

    # Namespaces.

    def namespace(self, name: str) -> Namespace:
        """Return the namespace that something is to be put into.

        Raises:
            InvalidError: there is none.
        """
        found = self.namespaces.get(name)
        if found is None:
            raise unknown_namespace(name, "/namespace")
        return found

    def put_namespace(self, namespace: Namespace) -> None:
        """Stage a namespace that is new or has other quotas."""
        self.namespaces[namespace.name] = namespace
        row = (namespace.name, namespace.open_tasks_max, namespace.slots_max, namespace.created_at)
        self._changes.append((UPSERT_NAMESPACE, row))

    def drop_namespace(self, name: str, now_us: int) -> Sequence[Token]:
        """Stage the end of a namespace and its counters, of its tokens, definitions, workflows.

        Returns the tokens, which are good for nothing any more.
        """
        del self.namespaces[name]
        self._changes += [(DELETE_NAMESPACE, (name,)), (DELETE_KEPT, (name,))]
        tokens = [t for t in self._tokens.values() if t.namespace == name]
        for token in tokens:
            self.revoke(token, now_us)
        self.definitions.retire_all(name, now_us)
        self.workflows.retire_all(name, now_us)
        return tokens

    # Tokens.

    def token_named(self, name: str) -> Token | None:
        """Return the token that has this name and was not revoked."""
        return next((token for token in self._tokens.values() if token.name == name), None)

    def add_token(self, token: Token) -> None:
        """Stage a token."""
        self._tokens = {**self._tokens, token.secret: token}
        self._changes.append((INSERT_TOKEN, astuple(token)))

    def revoke(self, token: Token, now_us: int) -> None:
        """Stage that a token is good for nothing any more."""
        self._tokens = {k: t for k, t in self._tokens.items() if k != token.secret}
        self._changes.append((REVOKE_TOKEN, (now_us, token.secret)))

    # Answers.

    def was_answered(self, repeat: Repeat, now_us: int) -> bool:
        """Tell whether a write was made already, its answer on disk or to be with this drain."""
        return repeat.key in self._answers or bool(
            self._database.fetch(
                "SELECT 1 FROM kept_answer WHERE key = ? AND kept_at > ?",
                (repeat.key, now_us - KEPT_S * MICROSECONDS),
            )
        )

    def keep_answer(self, memo: Memo, outcome: Any, now_us: int) -> None:
        """Stage what a write is answered."""
        answer, repeat = memo.answer(outcome), memo.repeat
        ids = b"".join(answer.ids)
        what = (answer.status, answer.location, ids, answer.body)
        self._answers[repeat.key] = (repeat.key, repeat.content, *what, now_us)

    # Writing.

    @property
    def is_dirty(self) -> bool:
        """Whether anything is staged."""
        return bool(self._changes or self._answers)

    def write(self, now_us: int) -> None:
        """Put all that is staged into the open transaction."""
        for statement, row in self._changes:
            self._database.execute(statement, row)
        if self._answers:
            self._database.execute_many(UPSERT_ANSWER, list(self._answers.values()))
            self._sweep(now_us)

    def committed(self) -> None:
        """Forget what was staged, now that it is on disk; show tokens to everybody."""
        self._changes, self._answers = [], {}
        self.definitions.committed()
        self.workflows.committed()
        self.tokens = self._tokens

    def _stage(self, statement: str, row: Row) -> None:
        self._changes.append((statement, row))

    def _sweep(self, now_us: int) -> None:
        if now_us - self._swept_at < SWEEP_S * MICROSECONDS:
            return
        parameters = (now_us - KEPT_S * MICROSECONDS, EXPIRED_AT_ONCE)
        if self._database.execute(DELETE_OLD_ANSWERS, parameters) < EXPIRED_AT_ONCE:
            self._swept_at = now_us

    def _check_room(self, name: str, more: int, places: Sequence[str]) -> None:
        namespace = self.namespaces.get(name)
        if namespace is None:
            raise unknown_namespace(name, f"/tasks/{places.index(name)}/namespace")
        limit = namespace.open_tasks_max
        if limit is not None and self.open_tasks[name] + more > limit:
            raise QuotaReachedError(
                f"the namespace {name!r} may have {limit:,} open tasks and has"
                f" {self.open_tasks[name]:,}: no room for {more:,} more"
            )


def unknown_namespace(name: str, pointer: str) -> InvalidError:
    """Return the error for a namespace that does not exist."""
    detail = f"no namespace {name!r}"
    return InvalidError(detail, (Fault(pointer, detail),))
