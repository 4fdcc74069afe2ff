"""The known name that somebody probably meant."""

from collections.abc import Iterable
from itertools import islice

_LENGTH_APART_MAX = 5
_COMPARED_MAX = 1000
"""A comparison takes microseconds; of very many names of a like length only these are compared."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the one of *known* that is most like *name*, None when none is like it.

    >>> nearest("timout_s", ["timeout_s", "retry", "type"])
    'timeout_s'
    >>> nearest("colour", ["timeout_s", "retry"]) is None
    True
    """
    import difflib  # noqa: PLC0415 - only errors need it

    alike = (other for other in known if abs(len(other) - len(name)) <= _LENGTH_APART_MAX)
    found = difflib.get_close_matches(name, islice(alike, _COMPARED_MAX), n=1, cutoff=0.6)
    return found[0] if found else None


def hint(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name.

    >>> "unknown field `timout_s`" + hint("timout_s", ["timeout_s"])
    'unknown field `timout_s`; did you mean `timeout_s`?'
    """
    other = nearest(name, known)
    return "" if other is None else f"; did you mean `{other}`?"
