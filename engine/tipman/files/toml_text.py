"""TOML files: line and column for what is no TOML, the path alone for the rest."""

import re
import tomllib
from collections.abc import Collection, Mapping
from datetime import date, datetime, time
from itertools import islice
from typing import Any

from tipman.files.faults import PlacedFault, path_in
from tipman.files.reading import Reading, broken
from tipman.jsontext import LONG_INTEGER, Path, Place, place_at, value_faults
from tipman.jsontext.values import deep

FAULTS_MAX = 100

_PLACE = re.compile(r" \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)$")


def read(text: str, *, file: str, depth_max: int) -> Reading:
    """Return what a text says; dates and times become texts, as in the other formats."""
    try:
        value = _plain(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        return broken(file, *_said(str(error), text))
    except RecursionError:
        return broken(file, Place(1, 1), deep(depth_max))
    except ValueError:
        # The one value that the library leaves to `int` to refuse.
        return broken(file, Place(1, 1), LONG_INTEGER)
    faults = (
        PlacedFault(file, None, None, path_in(value, pointer), detail)
        for pointer, detail in value_faults(value, depth_max=depth_max)
    )
    return Reading(value, tuple(islice(faults, FAULTS_MAX)))


def places(text: str, wanted: Collection[Path]) -> Mapping[Path, Place]:
    """Return nothing: the library does not tell where things stand."""
    del text, wanted
    return {}


def _said(message: str, text: str) -> tuple[Place, str]:
    found = _PLACE.search(message)
    detail = _PLACE.sub("", message)
    detail = detail[:1].lower() + detail[1:]
    if found is None or found[1] is None:
        return place_at(text, len(text)), detail
    return Place(int(found[1]), int(found[2])), detail


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat().replace("+00:00", "Z")
    return value
