"""What the registry keeps, as values: namespaces, tokens, and answers to be repeated."""

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tipman.errors import Fault, InvalidError

DEFAULT = "default"
"""The namespace that always exists."""
NAME_MAX = 100
SCOPES = ("read", "operate", "admin")
"""What a token may do, the least first; each includes those before it."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace and its quotas, None for no limit; *created_at* in µs."""

    name: str
    open_tasks_max: int | None
    slots_max: int | None
    created_at: int
    open_tasks: int = 0
    """How many of its tasks have not settled, where somebody has counted."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A version of a named task; *content* is the hash of its JSON texts."""

    namespace: str
    name: str
    version: int
    content: str
    task: str
    parameters: str
    created_by: str
    created_at: int
    retired_at: int | None = None

    @property
    def pin(self) -> str:
        """What an instance of it is pinned to: `name@version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class WorkflowVersion:
    """A version of a workflow; *source* is JSON text, *content* a hash of what counts of it."""

    namespace: str
    name: str
    version: int
    content: str
    source: str
    created_by: str
    created_at: int
    retired_at: int | None = None

    @property
    def pin(self) -> str:
        """What a run of it is pinned to: `name@version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Addition:
    """Which version is what was handed in; *is_new* False for one that was there."""

    namespace: str
    name: str
    version: int
    is_new: bool


def version_uri(collection: str, version: Definition | WorkflowVersion | Addition) -> str:
    """Return where a version is found, below *collection*.

    >>> version_uri("/api/v1/workflows/", Addition("default", "tea", 2, is_new=True))
    '/api/v1/workflows/tea/2'
    >>> version_uri("/api/v1/workflows/", Addition("team", "tea", 2, is_new=True))
    '/api/v1/workflows/tea/2?namespace=team'
    """
    path = f"{collection}{version.name}/{version.version}"
    return path if version.namespace == "default" else f"{path}?namespace={version.namespace}"


def number_in(uri: str) -> int:
    """Return the number of the version that a URI names.

    >>> number_in("/api/v1/workflows/tea/2?namespace=team")
    2
    """
    return int(uri.partition("?")[0].rpartition("/")[2])


@dataclass(frozen=True, slots=True)
class Token:
    """Who may call from outside, and what: *namespace* None means in every one."""

    secret: bytes
    """The SHA-256 of the secret."""
    name: str
    scope: str
    namespace: str | None
    created_by: str
    created_at: int
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write was answered, as whoever asked needs it to answer the same again."""

    status: int
    location: str | None = None
    ids: tuple[bytes, ...] = ()
    """The instances that the write made or was for."""
    body: str | None = None
    """The answer's JSON text where it can not be read from the instances."""


def check_name(name: object, pointer: str) -> str:
    """Return a name of a namespace, a definition or a token.

    Raises:
        InvalidError: it can not be one; *pointer* says where it stands.

    >>> check_name("team-a.v2", "/name")
    'team-a.v2'
    """
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    detail = (
        "must start with a letter or digit and go on with letters, digits and `._-`, "
        f"{NAME_MAX} characters at most"
    )
    raise InvalidError(f"{pointer}: {detail}", (Fault(pointer, detail),))


def hash_of(secret: str) -> bytes:
    """Return what is kept of a secret: its SHA-256.

    A secret has 256 bits of its own, so a slow hash would only cost time.
    """
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def hash_in(path: Path) -> bytes | None:
    """Return what is kept of the secret in a file, None where none can be read."""
    try:
        return hash_of(path.read_text("ascii").strip())
    except (OSError, UnicodeDecodeError):
        return None
