"""Stencils: of tasks that are alike, only what is each one's own is read.

A program that submits a thousand tasks says the same of all but for their keys, arguments and
dependencies. What they share was right for the first, so it is for the rest.
"""

from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticCustomError

from tipman.definitions.completion import default_name
from tipman.definitions.judgement import judge
from tipman.definitions.parts import has_parts
from tipman.definitions.shapes import NAME_MAX, Task, valid_key, valid_label
from tipman.settings import Settings

_OWN = frozenset({"key", "name", "arguments", "dependencies"})
_LISTS = frozenset({list, tuple})
_NOTHING = object()


class Stencil:
    """The last task that was read in full, for those after it that are alike."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._shared: Mapping[str, object] = {}
        self._task: Task | None = None

    def keep(self, given: object, task: Task | None) -> None:
        """Be cut from a task that was read in full, if what it shares with others is plain."""
        self._task = None
        if task is None or type(given) is not dict or has_parts(given) or task.has_expressions:
            return
        self._shared = {name: value for name, value in given.items() if name not in _OWN}
        self._task = task

    def read(self, given: object) -> Task | None:
        """Return the task that a mapping says, None unless it is alike and nothing is wrong."""
        pattern = self._task
        if pattern is None or type(given) is not dict or not self._is_alike(given):
            return None
        try:
            own = _own(given)
        except PydanticCustomError:
            return None
        if own is None:
            return None
        judged = judge(pattern.type, own["arguments"], self._settings)
        if judged.faults or judged.has_expressions:
            return None
        return pattern.beside(**own, options=pattern.options).with_text(judged.text)

    def _is_alike(self, given: Mapping[str, object]) -> bool:
        shared, count = self._shared, 0
        for name, value in given.items():
            if name not in _OWN:
                if not _is_same(value, shared.get(name, _NOTHING)):
                    return False
                count += 1
        return count == len(shared)


def _own(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what is a task's own, None where it takes more to tell.

    Raises:
        PydanticCustomError: its key or a name is none.
    """
    key, arguments, needs = given.get("key"), given.get("arguments"), given.get("dependencies", ())
    name = given.get("name")
    if name is None:
        name = default_name(given)
    if not (key is None or (type(key) is str and valid_key(key))):
        return None
    if not _is_label(name) or type(needs) not in _LISTS:
        return None
    if not all(map(_is_label, needs)) or len(set(needs)) != len(needs):
        return None
    return {"key": key, "name": name, "arguments": arguments, "dependencies": tuple(needs)}


def _is_label(text: object) -> bool:
    # Text beyond ASCII may be none at all: half a character.
    return (
        type(text) is str
        and 0 < len(text) <= NAME_MAX
        and text.isascii()
        and bool(valid_label(text))
    )


def _is_same(value: object, other: object) -> bool:
    """Tell whether two values are the same for a reader that keeps `1`, `1.0` and `true` apart."""
    if value is other:
        return True
    if type(value) is not type(other):
        return False
    if isinstance(value, dict) and isinstance(other, dict):
        return len(value) == len(other) and all(
            _is_same(each, other.get(name, _NOTHING)) for name, each in value.items()
        )
    if isinstance(value, list | tuple) and isinstance(other, list | tuple):
        return len(value) == len(other) and all(map(_is_same, value, other))
    return value == other
