"""What the reader of each format gives back."""

from typing import NamedTuple

from tipman.files.faults import PlacedFault
from tipman.jsontext import Json, Place, TextFault


class Reading(NamedTuple):
    """What a text says, and what is wrong with it; a broken one says nothing."""

    value: Json
    faults: tuple[PlacedFault, ...] = ()
    is_broken: bool = False


def placed(file: str, fault: TextFault) -> PlacedFault:
    """Return a fault of a text as one of the file that has it."""
    return PlacedFault(file, fault.place.line, fault.place.column, fault.path, fault.detail)


def broken(file: str, place: Place, detail: str) -> Reading:
    """Return what is left of a text that stops making sense at a place."""
    fault = PlacedFault(file, place.line, place.column, (), detail)
    return Reading(None, (fault,), is_broken=True)
