"""The tree of states in a chart file, and what a name means in each place of it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tipman.statecharts.model import Json
from tipman.statecharts.placement import DEPTH_MAX
from tipman.statecharts.reading import Reader, below

KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,199}")
ROOT = "#root"


@dataclass(slots=True)
class Outline:
    """One state: its name, its form, and where both stand.

    The name is its `id` if it has one, else its key after the name of its parent and a dot.
    """

    name: str
    form: Mapping[str, Json]
    pointer: str
    parent: "Outline | None" = None
    children: dict[str, "Outline"] = field(default_factory=dict)

    def all(self) -> Iterator["Outline"]:
        """Walk this state and all below it, in document order."""
        yield self
        for child in self.children.values():
            yield from child.all()

    def find(self, path: str) -> "Outline | None":
        """Follow keys downwards."""
        found: Outline | None = self
        for key in path.split("."):
            found = found.children.get(key) if found is not None else None
        return found

    def resolve(self, target: str, names: Mapping[str, str]) -> str:
        """Say which state *target* means to a transition of this one; itself if none.

        `#id` is a state by its id, `.child` one inside; else the nearest around counts: a
        sibling, a sibling of the parent and so on, and at last any state by its whole name.
        """
        if target.startswith("#"):
            return names.get(target[1:], target)
        if target.startswith("."):
            inner = self.find(target[1:])
            return inner.name if inner is not None else target
        scope: Outline | None = self.parent or self
        while scope is not None:
            found = scope.find(target)
            if found is not None:
                return found.name
            scope = scope.parent
        return names.get(target, target)


def read_outline(reader: Reader, form: Mapping[str, Json]) -> Outline:
    """Find all states of a chart."""
    root = Outline(ROOT, form, "")
    _read_children(reader, root, 1)
    return root


def _read_children(reader: Reader, owner: Outline, depth: int) -> None:
    if "states" not in owner.form:
        return
    pointer = below(owner.pointer, "states")
    if depth > DEPTH_MAX:
        reader.fault(pointer, f"more than {DEPTH_MAX} states inside one another")
        return
    for key, form in reader.object(owner.form["states"], pointer).items():
        place = below(pointer, key)
        if not KEY.fullmatch(key):
            reader.fault(place, "a state's key has letters, digits, _ and - only")
        child = Outline(_name(reader, owner, key, form, place), reader.object(form, place), place)
        child.parent = owner
        owner.children[key] = child
        _read_children(reader, child, depth + 1)


def _name(reader: Reader, owner: Outline, key: str, form: Json, place: str) -> str:
    if isinstance(form, Mapping) and "id" in form:
        name = reader.text(form["id"], below(place, "id"))
        if name and not NAME.fullmatch(name):
            reader.fault(below(place, "id"), "an id has letters, digits, _ . and - only")
        return name
    return key if owner.parent is None else f"{owner.name}.{key}"
