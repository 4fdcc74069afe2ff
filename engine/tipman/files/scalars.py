"""Scalars of YAML as JSON values, by the core schema of YAML 1.2 (section 10.3.2)."""

import math
import re

from tipman.jsontext import INTEGER_DIGITS_MAX, LONG_INTEGER, Json

_WORDS: dict[str, Json] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_STARTS = frozenset("~nNtTfF-+.0123456789")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_BASES = {"0o": 8, "0x": 16}

_STANDARD = "tag:yaml.org,2002:"
_KINDS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "null": (type(None),),
}


class ScalarError(Exception):
    """A scalar that JSON has no value for; the message says why."""


def plain_value(text: str) -> Json:
    """Return the value of a scalar without quotes.

    Raises:
        ScalarError: it is no JSON value.

    >>> [plain_value(text) for text in ("no", "12:30", "0o17", "1e3", "~", "2026-11-21")]
    ['no', '12:30', 15, 1000.0, None, '2026-11-21']
    """
    if text and text[0] not in _STARTS:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise ScalarError(f"{text} is past the range of a number")
        return number
    if _NOT_FINITE.fullmatch(text):
        raise ScalarError(f"{text} is not a JSON number")
    return text


def tagged_value(text: str, tag: str) -> Json:
    """Return the value of a scalar with a tag of its own.

    Raises:
        ScalarError: JSON has no such values, or this is none of them.
    """
    name = tag.removeprefix(_STANDARD)
    if name in {"!", "str"}:
        return text
    value = plain_value(text)
    if name not in _KINDS or not isinstance(value, _KINDS[name]) or _is_mistaken(name, value):
        raise ScalarError(f"{text!r} with the tag `{shown_tag(tag)}` is not a JSON value")
    return float(value) if name == "float" and isinstance(value, int) else value


def shown_tag(tag: str) -> str:
    """Return a tag as it is written.

    >>> shown_tag("tag:yaml.org,2002:binary")
    '!!binary'
    """
    return "!!" + tag.removeprefix(_STANDARD) if tag.startswith(_STANDARD) else tag


def _is_mistaken(name: str, value: Json) -> bool:
    return isinstance(value, bool) and name != "bool"


def _integer(text: str) -> int:
    if len(text.lstrip("-+")) > INTEGER_DIGITS_MAX:
        raise ScalarError(LONG_INTEGER)
    base = _BASES.get(text[:2], 10)
    return int(text, base)
