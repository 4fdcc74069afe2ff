"""Anchors: what is known of the first part of a schedule's log, which went with its old slots.

A schedule may live for ever, and is never pruned as a whole meanwhile. What is left of its log
begins where its anchor says, and so does its chain.
"""

import json
from collections.abc import Iterable
from typing import NamedTuple

from tipman.database import Database
from tipman.ids import text_of
from tipman.models import UPSERT_KEPT

_PLACE = ("", "trimmed")
"""Where anchors stand among the values that are kept, each under its schedule's id."""
_SELECT = "SELECT name, value FROM kept WHERE namespace = '' AND kind = 'trimmed' AND name IN (??)"
_DELETE = "DELETE FROM kept WHERE namespace = '' AND kind = 'trimmed' AND name = ?"


class Anchor(NamedTuple):
    """Where the log of an instance begins: after its line number `sequence`."""

    sequence: int
    configuration: str
    position: int
    chain: bytes
    slots_until: int | None = None
    """Up to this instant, in µs, slots are gone; None for none."""


def beginning(identifier: bytes) -> Anchor:
    """Return that of a log that is whole."""
    return Anchor(0, "", 0, identifier)


def anchors_of(database: Database, identifiers: Iterable[bytes]) -> dict[bytes, Anchor]:
    """Return those that there are, by instance."""
    found: dict[bytes, Anchor] = {}
    for name, value in database.fetch_in(_SELECT, [text_of(each) for each in identifiers]):
        sequence, configuration, position, chain, until = json.loads(value)
        anchor = Anchor(sequence, configuration, position, bytes.fromhex(chain), until)
        found[bytes.fromhex(name.replace("-", ""))] = anchor
    return found


def keep(database: Database, identifier: bytes, anchor: Anchor) -> None:
    """Write an anchor down, in the open transaction."""
    value = json.dumps([*anchor[:3], anchor.chain.hex(), anchor.slots_until])
    database.execute(UPSERT_KEPT, (*_PLACE, text_of(identifier), value))


def drop(database: Database, identifiers: Iterable[bytes]) -> None:
    """Remove the anchors of what is gone, in the open transaction."""
    names = [(text_of(each),) for each in identifiers]
    if names:
        database.execute_many(_DELETE, names)
