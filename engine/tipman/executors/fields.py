"""Fields of a class task: what its instances keep between runs, as JSON text."""

import inspect
from typing import Any, Generic, TypeVar, cast

from tipman.errors import InvalidError
from tipman.jsontext import Json, dumps, loads

Kept = TypeVar("Kept")


class Fields(Generic[Kept]):
    """The public annotated and class attributes of one class.

    Methods, properties and names that begin with an underscore are not fields. A list or an
    object that stands as a default in the class is copied into every instance.

    Raises:
        InvalidError: a default is not JSON, or the class needs arguments to be made.
    """

    def __init__(self, kind: type[Kept]) -> None:
        self._kind = kind
        self.names = tuple(_field_names(kind))
        self._shared_defaults = _mutable_defaults(kind, self.names)
        _refuse_required_arguments(kind)

    def fresh(self, kept: str | None) -> Kept:
        """Return a new instance with the fields that the last run left; None at first.

        A kept field that the class has no longer is left out.
        """
        instance = self._kind.__new__(self._kind)
        for name, default in self._shared_defaults:
            setattr(instance, name, loads(default))
        instance.__init__()  # type: ignore[misc]  # __new__ alone would skip the class's own
        if kept is not None:
            for name, value in cast("dict[str, Json]", loads(kept)).items():
                if name in self.names:
                    setattr(instance, name, value)
        return instance

    def dump(self, instance: Kept) -> str:
        """Return the fields that are set, as the text of a JSON object."""
        return dumps({n: getattr(instance, n) for n in self.names if hasattr(instance, n)})


def _field_names(kind: type[Any]) -> dict[str, None]:
    names: dict[str, None] = {}
    for base in reversed(kind.__mro__[:-1]):
        hints = inspect.get_annotations(base)
        shared = {name for name, hint in hints.items() if "ClassVar" in str(hint)}
        plain = [name for name, value in vars(base).items() if _is_value(value)]
        found = [n for n in (*hints, *plain) if not n.startswith("_") and n not in shared]
        names.update(dict.fromkeys(found))
    return names


def _is_value(attribute: Any) -> bool:
    return not (callable(attribute) or hasattr(attribute, "__get__"))


def _mutable_defaults(kind: type[Any], names: tuple[str, ...]) -> list[tuple[str, str]]:
    texts = []
    for name in names:
        value = getattr(kind, name, None)
        if not _is_value(value):
            continue
        try:
            text = dumps(value)
        except InvalidError as error:
            raise InvalidError(
                f"field {name!r} of task class {kind.__qualname__!r}: {error}; a field must be"
                f" JSON (an attribute named _{name} is no field)",
                error.faults,
            ) from error
        if isinstance(value, list | dict):
            texts.append((name, text))
    return texts


def _refuse_required_arguments(kind: type[Any]) -> None:
    try:
        inspect.signature(kind).bind()
    except TypeError as error:
        message = f"task class {kind.__qualname__!r} must be makeable without arguments: {error}"
        raise InvalidError(message) from error
