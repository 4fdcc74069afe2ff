"""The registrar: the part of an engine that keeps namespaces, definitions and tokens.

Every method that writes returns once it is on disk. With a *memo* the write is made once for all
its repeats (see `once`), and *actor* is who asks.
"""

import logging
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from tipman.bus import Bus
from tipman.definitions import Task
from tipman.definitions.named import reference_of, task_by, texts_of
from tipman.errors import DatabaseError, Fault, InvalidError, NotFoundError, RepeatedError
from tipman.events import Event
from tipman.receipts import Receipt
from tipman.registrations import (
    DefinitionAdded,
    DefinitionRetired,
    NamespaceChanged,
    NamespaceCreated,
    NamespaceDeleted,
    TokenCreated,
    TokenRevoked,
)
from tipman.registry import repeats, views
from tipman.registry.records import (
    DEFAULT,
    SCOPES,
    Addition,
    Answer,
    Namespace,
    Token,
    check_name,
    hash_in,
    hash_of,
)
from tipman.registry.register import unknown_namespace
from tipman.registry.repeats import Memo, Repeat, Repeats
from tipman.settings import Settings
from tipman.views import Views

SECRET_PREFIX = "tipman_"  # noqa: S105 - what a secret starts with, so that scanners find it
SECRET_BYTES = 32
FIRST_TOKEN = "admin"  # noqa: S105 - a name
QUOTA_MAX = 2**31 - 1
_log = logging.getLogger(__name__)


class Registrar(Views, ABC):
    """The part of an engine that keeps what instances live in and are made from."""

    settings: Settings

    def __init__(self, attempts_folder: Path) -> None:
        super().__init__(attempts_folder)
        self.repeats = Repeats()
        """Which writes with an idempotency key are in progress."""

    @abstractmethod
    def _open_bus(self) -> Bus:
        """Return the bus of an engine that is not stopping."""

    # Namespaces.

    def create_namespace(
        self,
        name: str,
        *,
        open_tasks_max: int | None = None,
        slots_max: int | None = None,
        actor: str = "local",
        memo: Memo | None = None,
    ) -> Namespace:
        """Make a namespace; quotas None mean no limit.

        Raises:
            InvalidError: it can not have this name or such quotas.
            KeyExistsError: there is one of this name.
        """
        check_name(name, "/name")
        _check_quotas({"open_tasks_max": open_tasks_max, "slots_max": slots_max})
        event = NamespaceCreated(name, actor, open_tasks_max, slots_max)
        made: Namespace = self._register(event, memo)
        return made

    def change_namespace(
        self,
        name: str,
        quotas: Mapping[str, int | None],
        *,
        actor: str = "local",
        memo: Memo | None = None,
    ) -> Namespace:
        """Set quotas of a namespace by name; what is open or running beyond them goes on.

        Raises:
            InvalidError: there is no such quota, or it can not be so.
            NotFoundError: there is no such namespace.
        """
        _check_quotas(quotas)
        changed: Namespace = self._register(NamespaceChanged(name, actor, dict(quotas)), memo)
        return changed

    def delete_namespace(
        self, name: str, *, actor: str = "local", memo: Memo | None = None
    ) -> None:
        """End a namespace, its counters, its tokens and the use of its definitions.

        Raises:
            NotFoundError: there is no such namespace.
            ConflictError: it has open tasks, or is the one that always exists.
        """
        self._register(NamespaceDeleted(name, actor), memo)

    # Tokens.

    def authenticate(self, secret: str) -> tuple[str, str, str | None] | None:
        """Return name, scope and namespace of the token with this secret, None for no such token.

        Reads no row: the tokens on disk are in memory. Namespace None means all of them.
        """
        token = self.core.directory.registry.tokens.get(hash_of(secret))
        return None if token is None else (token.name, token.scope, token.namespace)

    def create_token(
        self,
        name: str,
        scope: str,
        *,
        namespace: str | None = None,
        actor: str = "local",
        memo: Memo | None = None,
    ) -> tuple[Token, str]:
        """Make a token; return it with its secret, which is kept nowhere.

        Raises:
            InvalidError: it can not have this name or scope, or there is no such namespace.
            KeyExistsError: there is one of this name.
        """
        secret = new_secret()
        return self._create_token(secret, name, scope, namespace, actor, memo), secret

    def revoke_token(self, name: str, *, actor: str = "local", memo: Memo | None = None) -> None:
        """Let nobody in with a token any more; its name is free.

        Raises:
            NotFoundError: there is no such token.
        """
        self._register(TokenRevoked(name, actor), memo)

    def ensure_token(self, path: Path) -> bool:
        """At the first start make an administrator's token and write its secret into a file.

        Returns whether it did: not while there is a token that may everything everywhere; then
        it is logged when that file lets nobody in. The file is only its owner's from its first
        byte.

        Raises:
            DatabaseError: the file can not be written; there is no token then.
        """
        tokens = self.core.directory.registry.tokens.values()
        if any(token.scope == "admin" and token.namespace is None for token in tokens):
            if hash_in(path) not in self.core.directory.registry.tokens:
                _log.warning("%s has no token of this database: see `tipman doctor`", path)
            return False
        secret = new_secret()
        # Written before the commit: a token that nobody can know would lock everybody out.
        _write_secret(path, secret)
        name = FIRST_TOKEN
        taken = {token.name for token in tokens}
        while name in taken:
            name += "-2"
        self._create_token(secret, name, "admin", None, "engine", None)
        return True

    # Definitions.

    def add_definition(
        self,
        name: str,
        task: Mapping[str, Any],
        parameters: Mapping[str, Any] | None = None,
        *,
        namespace: str = "default",
        actor: str = "local",
        memo: Memo | None = None,
    ) -> Addition:
        """Keep a task under a name: as a new version, unless one in use is the same.

        *parameters* is a JSON Schema of the arguments of a submission, which are filled into the
        `{expressions}` of the task's own.

        Raises:
            InvalidError: it can not be a definition, or there is no such namespace.
        """
        check_name(name, "/name")
        texts = texts_of(task, {} if parameters is None else parameters, self.settings)
        event = DefinitionAdded(
            name, actor, namespace, texts.content, texts.task, texts.parameters
        )
        added: Addition = self._register(event, memo)
        return added

    def task_by_definition(self, given: Mapping[str, Any]) -> Task:
        """Return the task that a submission by definition asks for; reads a row.

        Raises:
            InvalidError: no such definition, one that is retired, or wrong arguments.
        """
        name, version = reference_of(given["definition"])
        namespace = given.get("namespace", DEFAULT)
        if not isinstance(namespace, str) or not namespace.isprintable():
            raise unknown_namespace(str(namespace), "/namespace")
        try:
            with self.reading() as database:
                found = views.definition(database, namespace, name, version)
        except NotFoundError as error:
            raise _refused("/definition", str(error)) from None
        if found.retired_at is not None:
            raise _refused("/definition", f"the definition {found.pin} is retired")
        task, parameters = views.parts_of(found)
        return task_by(task, parameters, given, pin=found.pin, settings=self.settings)

    def retire_definition(
        self,
        name: str,
        version: int | None = None,
        *,
        namespace: str = "default",
        actor: str = "local",
        memo: Memo | None = None,
    ) -> None:
        """Take a version, or every one, out of use; what was made from it goes on.

        Raises:
            NotFoundError: there is no such definition.
        """
        self._register(DefinitionRetired(name, actor, namespace, version), memo)

    # Repeats.

    def recall(self, repeat: Repeat) -> Answer | None:
        """Return what a write was answered within a day, None for one that was not made.

        Raises:
            IdempotencyMismatchError: the key was used for a write that asked for something else.
        """
        with self.reading() as database:
            return repeats.recall(database, repeat, now_us=self.core.clock.wall_us())

    def once(self, repeat: Repeat, write: Callable[[], Answer]) -> Answer:
        """Return what a write was answered; *write* makes it, if it was not made before.

        *write* publishes with a memo of *repeat*. Repeats that come meanwhile wait for the first.

        Raises:
            IdempotencyMismatchError: as `recall`.
        """
        while True:
            told: SimpleQueue[Answer | None] = SimpleQueue()
            if not self.repeats.enter(repeat, told.put):
                answer = told.get()
                if answer is None:
                    continue
                return answer
            answer = None
            try:
                answer = self.recall(repeat) or write()
            except RepeatedError:
                # Somebody made it who did not enter; it is on disk now.
                continue
            finally:
                self.repeats.leave(repeat, answer)
            return answer

    # Inside.

    def _register(self, event: Event, memo: Memo | None) -> Any:
        bus = self._open_bus()
        receipt = bus.publish_nowait(event, Receipt(memo))
        if not bus.is_running:
            # The engine is open and not started, to be looked after: nobody else handles it.
            bus.drain()
        return receipt.result()

    def _create_token(
        self,
        secret: str,
        name: str,
        scope: str,
        namespace: str | None,
        actor: str,
        memo: Memo | None,
    ) -> Token:
        check_name(name, "/name")
        if scope not in SCOPES:
            raise _refused("/scope", f"must be one of {', '.join(SCOPES)}")
        event = TokenCreated(name, actor, hash_of(secret), scope, namespace)
        made: Token = self._register(event, memo)
        return made


def new_secret() -> str:
    """Return a secret that nobody can guess."""
    return SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def _write_secret(path: Path, secret: str) -> None:
    """Put a secret into a file that is its owner's alone, in place of one that may be there."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, f"{secret}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        new.replace(path)
    except OSError as error:
        raise DatabaseError(f"can not write the token to {path}: {error.strerror}") from error


def _refused(pointer: str, detail: str) -> InvalidError:
    text = f"{pointer}: {detail}" if pointer else detail
    return InvalidError(text, (Fault(pointer, detail),))


def _check_quotas(quotas: Mapping[str, Any]) -> None:
    if not quotas:
        raise _refused("", "must set open_tasks_max, slots_max or both")
    for name, value in quotas.items():
        if name not in {"open_tasks_max", "slots_max"}:
            raise _refused(f"/{name}", "is no quota; there are open_tasks_max and slots_max")
        least = 0 if name == "open_tasks_max" else 1
        if value is not None and (type(value) is not int or not least <= value <= QUOTA_MAX):
            detail = f"must be null or a whole number from {least} to {QUOTA_MAX:,}"
            raise _refused(f"/{name}", detail)
