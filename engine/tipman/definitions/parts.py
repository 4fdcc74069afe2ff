"""What stands within a task: its edges, its rule, and the tasks it brings along."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

from pydantic import ValidationError

from tipman.definitions.faults import faults_of
from tipman.definitions.shapes import NAME_MAX, Edge, Task
from tipman.errors import Fault
from tipman.jsontext import Path, pointer_of
from tipman.triggers import rule_faults

NOT_IN_PARTS = ("key", "namespace", "dependencies", "when", "due_at", "compensate")
"""What a task that another brings along can not say: when it runs is settled by that one."""
NOT_IN_ITEMS = ("name", *NOT_IN_PARTS)
NESTED_MAX = 4
"""Tasks that bring one another along; each is written within the text of the one before."""
UNDO = ".undo"
"""What the name of a task that undoes another ends with, where it has none of its own."""

_PARTED_TYPES = ("map", "approval")
_BRINGS = frozenset({"task", "compensate"})
Read = Callable[[Any, Path], tuple[Task | None, tuple[Fault, ...]]]
"""Reads one task, its faults at pointers that start at a path."""


class Parts(NamedTuple):
    """A task's mapping without what the engine keeps in a form of its own, and that form."""

    plain: dict[str, Any]
    beside: dict[str, Any]
    faults: list[Fault]


def has_parts(completed: Mapping[str, Any]) -> bool:
    """Tell whether there is anything to part; most tasks have nothing, and cost four looks."""
    return (
        "when" in completed
        or "compensate" in completed
        or completed.get("type") in _PARTED_TYPES
        or _has_edges(completed.get("dependencies"))
    )


def parted(completed: dict[str, Any], under: Path, read: Read) -> Parts:
    """Part a task's mapping."""
    parts = Parts(completed, {}, [])
    needs = completed.get("dependencies")
    if _has_edges(needs):
        _part_edges(parts, needs, under)
    if completed.get("when") is not None:
        names = _names(parts.plain.get("dependencies"))
        parts.faults.extend(rule_faults(completed["when"], names, pointer_of((*under, "when"))))
    if completed.get("compensate") is not None:
        given = parts.plain.pop("compensate")
        if isinstance(given, Mapping):
            given = {"name": f"{completed.get('name')}{UNDO}"[:NAME_MAX], **given}
        _bring(parts, "compensate", given, (*under, "compensate"), read)
    type_ = completed.get("type")
    if type_ == "map":
        _part_template(parts, under, read)
    elif type_ == "approval":
        parts.faults.extend(_default_faults(completed, under))
    return parts


def part_faults(given: object, refused: tuple[str, ...], under: Path) -> Iterator[Fault]:
    """Yield what a task that another brings along says, and can not say."""
    if isinstance(given, Mapping):
        for name in refused:
            if name in given:
                detail = f"`{name}` has no meaning for a task that another brings along"
                yield Fault(pointer_of((*under, name)), detail)


def read_part(
    given: object, refused: tuple[str, ...], under: Path, read: Read
) -> tuple[Task | None, list[Fault]]:
    """Read a task that stands within another one, or within a workflow."""
    faults = [*part_faults(given, refused, under)]
    if isinstance(given, Mapping):
        given = {name: value for name, value in given.items() if name not in refused}
    task, found = read(given, under)
    return task, [*faults, *found]


def _names(needs: object) -> list[str] | None:
    """Return what a rule may speak of, None where nobody can tell."""
    if needs is None:
        return []
    found = [name for name in needs if isinstance(name, str)] if _is_list(needs) else []
    return found if _is_list(needs) and len(found) == len(needs) else None


def _is_list(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    return isinstance(value, list | tuple)


def _has_edges(needs: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Tell whether dependencies are more than names, or no names."""
    return _is_list(needs) and not {*map(type, needs)} <= {str}


class Needs(NamedTuple):
    """Dependencies as somebody wrote them, taken apart."""

    names: list[Any]
    order_only: tuple[int, ...]
    """The places in `names` of those that carry order only."""
    faults: list[Fault]
    """What is wrong with those that are left out of `names`."""


def needs_in(needs: Sequence[Any], under: Path) -> Needs:
    """Take apart dependencies that are names or `{task, carry}`; *under* is the path to them."""
    names: list[Any] = []
    order_only: list[int] = []
    faults: list[Fault] = []
    for at, need in enumerate(needs):
        if not isinstance(need, Mapping):
            names.append(need)
            continue
        try:
            edge = Edge.model_validate(need)
        except ValidationError as error:
            faults += faults_of(error, Edge, under=(*under, at))
            continue
        if edge.carry == "order":
            order_only.append(len(names))
        names.append(edge.task)
    return Needs(names, tuple(order_only), faults)


def _part_edges(parts: Parts, needs: Sequence[Any], under: Path) -> None:
    names, order_only, faults = needs_in(needs, (*under, "dependencies"))
    parts.faults.extend(faults)
    parts.plain["dependencies"] = names
    if order_only:
        parts.beside["order_only"] = order_only


def _default_faults(completed: Mapping[str, Any], under: Path) -> Iterator[Fault]:
    arguments = completed.get("arguments")
    default = arguments.get("default") if isinstance(arguments, Mapping) else None
    if default is not None and completed.get("timeout_s") is None:
        detail = "is never used: the task has no `timeout_s` after which it would be"
        yield Fault(pointer_of((*under, "arguments", "default")), detail)


def _part_template(parts: Parts, under: Path, read: Read) -> None:
    arguments = parts.plain.get("arguments")
    given = arguments.get("task") if isinstance(arguments, Mapping) else arguments
    # That it is missing, or no object, is said of the arguments, if that could not change.
    if isinstance(given, Mapping):
        _bring(parts, "template", given, (*under, "arguments", "task"), read, NOT_IN_ITEMS)
    elif isinstance(given, str):
        place = (*under, "arguments") if given is arguments else (*under, "arguments", "task")
        detail = "must be an object: what each item becomes is not computed"
        parts.faults.append(Fault(pointer_of(place), detail))


def _bring(
    parts: Parts,
    name: str,
    given: object,
    under: Path,
    read: Read,
    refused: tuple[str, ...] = NOT_IN_PARTS,
) -> None:
    if sum(step in _BRINGS for step in under) > NESTED_MAX:
        detail = f"tasks that bring others along, more than {NESTED_MAX} within one another"
        parts.faults.append(Fault(pointer_of(under), detail))
        return
    priority = parts.plain.get("priority")
    if isinstance(given, Mapping) and type(priority) is int:
        given = {"priority": priority, **given}
    task, faults = read_part(given, refused, under, read)
    parts.faults.extend(faults)
    parts.beside[name] = task
