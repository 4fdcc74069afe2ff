"""Facts: values that nobody changes, made by the thousand."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

Kind = TypeVar("Kind")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def fact(kind: type[Kind]) -> type[Kind]:
    """Make a class of facts: a dataclass with slots that is frozen for who checks types.

    One that is frozen while it runs as well takes four times as long to be made, and every step
    of a task is asked for by one.
    """
    return dataclass(slots=True, unsafe_hash=True)(kind)
