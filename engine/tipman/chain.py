"""The chain: every entry of an instance's log, tied to all before it by a hash.

An instance's row holds the last link. The first is its id, so that a whole log can not be moved
to another instance; each further one hashes the link before and the bytes of one entry. Pruning
a whole instance takes its chain with it and breaks no other.

It finds damage and edits by hand. Whoever may write the database can also compute new links, so it
is no seal against them.
"""

from functools import partial
from hashlib import blake2b

LINK_BYTES = 16
# A third quicker than to name the size at each call, of which a task makes three or more.
_hash = partial(blake2b, digest_size=LINK_BYTES)


def link(
    previous: bytes,
    entry: tuple[int, str, int, str, str, str, str | None, str | None],
) -> bytes:
    r"""Return the link of a log entry, *previous* being the one before it, or the instance's id.

    *entry* is `(sequence, name, at, actor, before, after, data, announced)`, as it is stored, the
    same on either database. No text of ours holds NUL, so what stands between two of them is never
    in doubt: an entry with one more can not have the bytes of an entry without.

    >>> first = link(bytes(16), (1, "task.submitted", 0, "local", "", "queued", None, None))
    >>> first.hex()
    '98aa16fd25be093a606c08b1ee993553'
    >>> then = (2, "attempt.started", 0, "engine", "queued", "executing", None, None)
    >>> link(first, then) != first
    True
    """
    sequence, name, at, actor, before, after, data, announced = entry
    absent = (data is None) + 2 * (announced is None)
    text = (
        f"{absent}\0{sequence}\0{name}\0{at}\0{actor}\0{before}\0{after}\0{data or ''}"
        f"\0{announced or ''}"
    )
    return _hash(previous + text.encode()).digest()
