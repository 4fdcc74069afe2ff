"""JSON as Tipman reads and writes it: strict, bounded, and refused with the place.

Stricter than the standard library: no duplicate keys, no `NaN` or `Infinity`, no number past the
range of a double, no NUL and no lone surrogate in a string (the databases can not keep them), no
nesting past a limit. Integers keep every digit, up to 4,300 of them.

Source: RFC 8259; RFC 6901 for the pointers.
"""

from tipman.jsontext.reading import (
    TextFault,
    Token,
    decoded,
    loads,
    parsed,
    place_at,
    text_faults,
    tokens,
)
from tipman.jsontext.values import (
    DEPTH_MAX,
    INTEGER_DIGITS_MAX,
    LONG_INTEGER,
    VALUES_MAX,
    Json,
    Path,
    Place,
    levels,
    pointer_of,
    value_faults,
)
from tipman.jsontext.writing import check, dumps

__all__ = [
    "DEPTH_MAX",
    "INTEGER_DIGITS_MAX",
    "LONG_INTEGER",
    "VALUES_MAX",
    "Json",
    "Path",
    "Place",
    "TextFault",
    "Token",
    "check",
    "decoded",
    "dumps",
    "levels",
    "loads",
    "parsed",
    "place_at",
    "pointer_of",
    "text_faults",
    "tokens",
    "value_faults",
]
