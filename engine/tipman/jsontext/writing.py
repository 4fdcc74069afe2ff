"""Writing: the C encoder, and a walk over the containers for what it would let pass."""

import json
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from tipman.errors import Fault, InvalidError
from tipman.jsontext.values import DEPTH_MAX, VALUES_MAX, invalid, is_unicode, value_faults

FAULTS_MAX = 20

_SCALARS = frozenset({str, int, float, bool, type(None)})


class _UnwritableError(Exception):
    """Something that is not JSON was met; the places are looked for afterwards."""


def dumps(value: object, *, depth_max: int = DEPTH_MAX) -> str:
    """Return *value* as compact JSON text; a tuple is written as an array.

    Raises:
        InvalidError: part of it is not JSON; `faults` has the first of them with pointers.
    """
    try:
        if type(value) not in _SCALARS:
            _measure(value, depth_max, VALUES_MAX)
        text = _encode(value)
    except (_UnwritableError, TypeError, ValueError, RecursionError) as error:
        raise _unwritable(value, depth_max, error) from None
    if "\\u0000" in text or not (text.isascii() or is_unicode(text)):
        _refuse_faults(value, depth_max)
    return text


def check(value: object, *, depth_max: int = DEPTH_MAX) -> None:
    """Refuse a value from Python that JSON can not say.

    Raises:
        InvalidError: as from `dumps`.
    """
    dumps(value, depth_max=depth_max)


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
)
# `JSONEncoder.encode` makes one of these at each call, which takes longer than its work. It is
# CPython's own, so another interpreter goes without.
_make: Any = getattr(json.encoder, "c_make_encoder", None)
_in_c: Callable[[object, int], Iterable[str]] | None = None
if _make is not None:
    _in_c = _make(
        None, _ENCODER.default, json.encoder.encode_basestring, None, ":", ",", False, False, False
    )


def _encode(value: object) -> str:
    if _in_c is None or type(value) is str:
        return _ENCODER.encode(value)
    return "".join(_in_c(value, 0))


def _measure(value: object, room: int, left: int) -> int:
    """Walk the containers only; return how many more values may follow."""
    if room == 0:
        raise _UnwritableError
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise _UnwritableError
        items: Iterable[object] = value.values()
    elif isinstance(value, list | tuple):
        items = value
    else:
        return left
    left -= len(value)
    if left < 0:
        raise invalid(Fault("", f"more than {VALUES_MAX:,} values"))
    for item in items:
        if type(item) not in _SCALARS:
            left = _measure(item, room - 1, left)
    return left


def _unwritable(value: object, depth_max: int, cause: BaseException) -> InvalidError:
    faults = tuple(islice(value_faults(value, depth_max=depth_max), FAULTS_MAX))
    return invalid(*(faults or (Fault("", f"not JSON: {cause}"),)))


def _refuse_faults(value: object, depth_max: int) -> None:
    faults = tuple(islice(value_faults(value, depth_max=depth_max), FAULTS_MAX))
    if faults:
        raise invalid(*faults)
