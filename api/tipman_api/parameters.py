"""Parameters: what stands in a query or in `Prefer`, read strictly."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from starlette.requests import Request
from tipman.clock import microseconds_of
from tipman.errors import Fault, InvalidError
from tipman.jsontext import pointer_of
from tipman.listing import LIMIT_MAX
from tipman.spelling import hint

LIMIT = 100
"""Items of a page when nobody says."""
PAGED = ("after", "limit")
"""What every list of pages knows."""
WAIT_S_MAX = 300.0
_LISTS = frozenset({"state", "type"})
"""Of a filter what may be several."""
_WAIT = re.compile(r"\s*wait\s*=\s*\"?([0-9]{1,9}(?:\.[0-9]{1,6})?)\"?\s*", re.IGNORECASE)
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


class Parameters:
    """The query of a request, of which every name is known and stands once.

    Raises:
        InvalidError: a name is unknown or stands twice; from every method, a value can not be.
    """

    _always: tuple[str, ...] = ("namespace",)

    def __init__(self, request: Request, known: Iterable[str] = ()) -> None:
        self._values: dict[str, str] = {}
        if not request.scope["query_string"]:
            return
        names = (*known, *self._always)
        for name, value in request.query_params.multi_items():
            if name in self._values:
                raise self.refused(name, "stands there twice")
            self._check(name, names)
            self._values[name] = value

    def refused(self, name: str, detail: str) -> InvalidError:
        """Return the error for one of them."""
        return refused(name, detail)

    def _check(self, name: str, known: Iterable[str]) -> None:
        if name not in known:
            raise self.refused(name, f"is unknown here{hint(name, known)}")

    def text(self, name: str, most: int = 200) -> str | None:
        """Return a text, None when it is not given."""
        value = self._values.get(name)
        if value is not None and not 0 < len(value) <= most:
            raise self.refused(name, f"must have 1 to {most} characters")
        return value

    def texts(self, name: str, allowed: Iterable[str] = ()) -> tuple[str, ...]:
        """Return the texts that stand between commas, each one of *allowed* if there are any."""
        value = self.text(name, most=2_000)
        found = () if value is None else tuple(part.strip() for part in value.split(","))
        allowed = sorted(allowed)
        for part in found:
            if not part or (allowed and part not in allowed):
                among = f"; there are {', '.join(allowed)}" if allowed else ""
                raise self.refused(name, f"has no {part!r}{among}{hint(part, allowed)}")
        return tuple(sorted(set(found)))

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        """Return a word that is one of *allowed*, None when it is not given."""
        value = self.text(name)
        if value is not None and value not in allowed:
            raise self.refused(name, f"must be one of {', '.join(allowed)}{hint(value, allowed)}")
        return value

    def number(self, name: str, *, least: int, most: int) -> int | None:
        """Return a whole number, None when it is not given."""
        value = self._values.get(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and least <= int(value[:12]) <= most):
            raise self.refused(name, f"must be a whole number from {least:,} to {most:,}")
        return int(value)

    def limit(self) -> int:
        """Return how many items a page may have."""
        return self.number("limit", least=1, most=LIMIT_MAX) or LIMIT

    def instant_us(self, name: str) -> int | None:
        """Return an instant in microseconds since 1970, None when it is not given."""
        value = self._values.get(name)
        if value is None:
            return None
        # A plus sign that nobody escaped has become a blank.
        text = value.replace(" ", "+").upper()
        if _INSTANT.fullmatch(text):
            with suppress(ValueError, OverflowError):
                return microseconds_of(datetime.fromisoformat(text))
        raise self.refused(
            name, "must be an instant with its zone, such as `2026-11-21T09:00:00Z`"
        )


class GlobalParameters(Parameters):
    """The query of a request that is about no namespace, so that it may name none."""

    _always = ()


class FilterParameters(Parameters):
    """The same in a body: the members of its `filter`; lists stand for texts with commas.

    *namespace* is that of the query, for a filter that names none.
    """

    def __init__(
        self, given: Mapping[str, object], known: Iterable[str], *, namespace: str | None
    ) -> None:
        self._values = {}
        for name, value in given.items():
            self._check(name, (*known, *self._always))
            self._values[name] = self._text_of(name, value)
        there = agreed(self._values.get("namespace"), namespace, "/filter/namespace")
        if there is not None:
            self._values["namespace"] = there

    def _text_of(self, name: str, value: object) -> str:
        if isinstance(value, str):
            return value
        if name not in _LISTS:
            raise self.refused(name, "must be a text")
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return ",".join(value)
        raise self.refused(name, "must be a text or a list of texts")

    def refused(self, name: str, detail: str) -> InvalidError:
        """Return the error for one of them."""
        text = f"`{name}` of the filter {detail}"
        return InvalidError(text, (Fault(pointer_of(("filter", name)), text),))


def agreed(said: str | None, queried: str | None, pointer: str) -> str | None:
    """Return the namespace that a body says at *pointer*, or else the query; None if neither does.

    Raises:
        InvalidError: both do, and each another one.
    """
    if said is None or queried is None or said == queried:
        return queried if said is None else said
    text = f"is {said!r}, and in the address it is {queried!r}"
    raise InvalidError(f"{pointer}: {text}", (Fault(pointer, text),))


def wait_of(request: Request) -> float | None:
    """Return the seconds that `Prefer: wait=…` asks for, at most `WAIT_S_MAX`, None without.

    What else is preferred, or can not be read, is ignored, as RFC 7240 has it.
    """
    field = request.headers.get("prefer")
    if field is None:
        return None
    for part in re.split(r"[,;]", field):
        found = _WAIT.fullmatch(part)
        if found is not None:
            return min(float(found[1]), WAIT_S_MAX)
    return None


def refused(name: str, detail: str) -> InvalidError:
    """Return the error for a parameter of the query."""
    text = f"the parameter `{name}` {detail}"
    return InvalidError(text, (Fault(pointer_of(("query", name)), text),))
