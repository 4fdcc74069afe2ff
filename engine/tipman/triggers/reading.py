"""How trigger rules are written: read from JSON values, everything wrong with them named."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tipman.errors import Fault, InvalidError
from tipman.jsontext import Path, pointer_of, value_faults
from tipman.spelling import hint
from tipman.triggers.rules import OPERATORS, OUTCOMES, WORDS, Branch, Compared, Ended, Node, Rule

DEPTH_MAX = 16
"""Levels of `all`, `any` and `none` within one another."""
NODES_MAX = 1_000
"""Leaves and branches of one rule."""
KEY_MAX = 1_000
"""Characters of a key."""

BRANCHES = ("all", "any", "none")
_KINDS = (*BRANCHES, *OUTCOMES, "context")
_FIELDS = ("key", "operator", "value")
_VALUELESS = frozenset({"exists", "not_exists"})
_WORD_RULES: Mapping[str, Rule] = {word: Rule(word, None) for word in WORDS}


def rule_of(source: str | Mapping[str, Any]) -> Rule:
    """Return the rule that a word or a tree says.

    Raises:
        InvalidError: `faults` names everything that is wrong, by pointers into *source*.
    """
    known = _WORD_RULES.get(source) if isinstance(source, str) else None
    if known is not None:
        return known
    faults = rule_faults(source)
    if faults or isinstance(source, str):
        text = "; ".join(f"{f.pointer}: {f.detail}" if f.pointer else f.detail for f in faults)
        raise InvalidError(text, tuple(faults))
    return Rule(source, _node(source))


def rule_faults(
    source: object, dependencies: Collection[str] | None = None, pointer: str = ""
) -> list[Fault]:
    """Return what is wrong with a rule as it is written, by pointers that start with *pointer*.

    *dependencies* are the names that leaves may speak of; None for whatever is named.
    """
    if isinstance(source, str):
        if source in WORDS:
            return []
        return [Fault(pointer, f"unknown rule `{source}`{hint(source, WORDS)}")]
    if not isinstance(source, Mapping):
        return [Fault(pointer, "must be the name of a rule, or an object such as `{any: […]}`")]
    reader = _Reader(dependencies)
    faults = [Fault(pointer + pointer_of(path), detail) for path, detail in reader.read(source)]
    return faults or [Fault(pointer + at, detail) for at, detail in value_faults(source)]


class _Reader:
    """Goes through a tree once, bounded in depth and size."""

    def __init__(self, dependencies: Collection[str] | None) -> None:
        self._dependencies = dependencies
        self._count = 0

    def read(self, source: object) -> Iterator[tuple[Path, str]]:
        pending: list[tuple[Path, object, int]] = [((), source, 0)]
        while pending:
            path, node, depth = pending.pop()
            self._count += 1
            if self._count > NODES_MAX:
                yield (), f"a rule of more than {NODES_MAX:,} parts"
                return
            kind, fault = _kind(node)
            if fault is not None:
                yield path, fault
            elif kind not in BRANCHES:
                yield from self._leaf((*path, kind), kind, node[kind])  # type: ignore[index]  # _kind saw a mapping
            else:
                parts: Any = node[kind]  # type: ignore[index]  # as above
                fault = _parts_fault(parts, depth)
                if fault is not None:
                    yield (*path, kind), fault
                    continue
                inner = [((*path, kind, at), part, depth + 1) for at, part in enumerate(parts)]
                pending.extend(reversed(inner))

    def _leaf(self, path: Path, kind: str, value: object) -> Iterator[tuple[Path, str]]:
        if kind == "context":
            yield from _comparison(path, value)
        elif not isinstance(value, str) or not value:
            yield path, "must be the name of a dependency"
        elif self._dependencies is not None and value not in self._dependencies:
            meant = hint(value, self._dependencies)
            yield path, f"`{value}` is no direct dependency of this task{meant}"


def _kind(node: object) -> tuple[str, str | None]:
    """Return the only key of a node; or else what is wrong with it."""
    if not isinstance(node, Mapping):
        return "", "must be an object with one of " + ", ".join(f"`{k}`" for k in _KINDS)
    keys = [*node]
    unknown = [key for key in keys if key not in _KINDS]
    if unknown:
        return "", f"unknown `{unknown[0]}`{hint(str(unknown[0]), _KINDS)}"
    if len(keys) != 1:
        return "", "must have exactly one of " + ", ".join(f"`{k}`" for k in _KINDS)
    return keys[0], None


def _parts_fault(parts: object, depth: int) -> str | None:
    if not isinstance(parts, list | tuple):
        return "must be a list"
    if not parts:
        return "must not be empty"
    return f"nested more than {DEPTH_MAX} deep" if depth >= DEPTH_MAX else None


def _comparison(path: Path, value: object) -> Iterator[tuple[Path, str]]:
    if not isinstance(value, Mapping):
        yield path, "must be an object with `key`, `operator` and `value`"
        return
    for field in value:
        if field not in _FIELDS:
            yield (*path, str(field)), f"unknown field `{field}`{hint(str(field), _FIELDS)}"
    key, operator = value.get("key"), value.get("operator")
    if not isinstance(key, str) or not key or len(key) > KEY_MAX:
        detail = "is missing" if "key" not in value else "must be a key of the context"
        yield (*path, "key"), detail
    if "operator" not in value:
        yield (*path, "operator"), "is missing"
    elif not isinstance(operator, str) or operator not in OPERATORS:
        allowed = ", ".join(f"`{each}`" for each in OPERATORS)
        meant = hint(str(operator), OPERATORS)
        yield (*path, "operator"), f"must be one of {allowed}, not `{operator}`{meant}"
    elif ("value" in value) == (operator in _VALUELESS):
        detail = f"`{operator}` takes no value" if operator in _VALUELESS else "is missing"
        yield (*path, "value"), detail


def _node(source: Mapping[str, Any]) -> Node:
    ((kind, value),) = source.items()
    if kind in OUTCOMES:
        return Ended(value, kind)
    if kind == "context":
        return Compared(value["key"], value["operator"], value.get("value"))
    return Branch(kind, tuple(map(_node, value)))
