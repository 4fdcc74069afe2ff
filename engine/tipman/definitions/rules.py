"""The rule of a task, judged beside its dependencies."""

from collections.abc import Iterator, Mapping

from tipman.definitions.shapes import kind_of
from tipman.errors import Fault
from tipman.jsontext import Path, pointer_of
from tipman.spelling import hint

WORDS = (
    "all_succeeded",
    "all_failed",
    "all_settled",
    "all_skipped",
    "any_succeeded",
    "any_failed",
    "any_settled",
    "none_failed",
    "none_failed_any_succeeded",
    "none_skipped",
    "always",
)


def rule_faults(when: object, under: Path) -> Iterator[Fault]:
    """Yield what is wrong with a rule of a task."""
    if isinstance(when, str):
        if when not in WORDS:
            detail = f"must be one of {', '.join(WORDS)}, not `{when}`{hint(when, WORDS)}"
            yield Fault(pointer_of(under), detail)
    elif not isinstance(when, Mapping):
        yield Fault(pointer_of(under), f"must be a rule's name or an object, not {kind_of(when)}")
