"""JSON files."""

import json
from collections.abc import Collection, Mapping
from itertools import islice

from tipman.errors import InvalidError
from tipman.files.reading import Reading, placed
from tipman.jsontext import Path, Place, loads, place_at, text_faults, tokens

FAULTS_MAX = 100


def read(text: str, *, file: str, depth_max: int) -> Reading:
    """Return what a text says."""
    try:
        return Reading(loads(text, depth_max=depth_max))
    except InvalidError:
        found = islice(text_faults(text, depth_max=depth_max), FAULTS_MAX)
        faults = tuple(placed(file, fault) for fault in found)
    try:
        # Read again, leniently: the value will only be looked at for more faults.
        return Reading(json.loads(text), faults)
    except (ValueError, RecursionError):
        return Reading(None, faults, is_broken=True)


def places(text: str, wanted: Collection[Path]) -> Mapping[Path, Place]:
    """Return where the wanted keys, or else values, stand; what is not there is left out."""
    found: dict[Path, Place] = {}
    for token in tokens(text):
        if token.path in wanted and token.path not in found:
            found[token.path] = place_at(text, token.offset)
    return found
