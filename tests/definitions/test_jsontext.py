"""Strict JSON: what is taken comes back the same, what is not is refused with its place."""

import enum
import json
import math
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tipman.errors import InvalidError
from tipman.jsontext import Token, check, dumps, loads, text_faults, tokens

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
FINITE = SCALARS.filter(lambda v: not isinstance(v, float) or math.isfinite(v))
VALUES = st.recursive(
    FINITE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def refusal(text, **options):
    with pytest.raises(InvalidError) as caught:
        loads(text, **options)
    (fault,) = caught.value.faults
    return fault.pointer, fault.detail


def write_refusals(value):
    with pytest.raises(InvalidError) as caught:
        dumps(value)
    return {fault.pointer: fault.detail for fault in caught.value.faults}


@given(VALUES)
def test_what_is_written_reads_back_the_same(value):
    assert loads(dumps(value)) == value
    assert loads(dumps(value).encode()) == value


@given(st.text(alphabet='{}[]",:\\u0dD8c \n1e9-.tfn/a', max_size=40))
def test_a_text_is_refused_exactly_when_a_fault_is_found_in_it(text):
    faults = list(text_faults(text))

    if faults:
        assert refusal(text)[1] == f"{faults[0].place}: {faults[0].detail}"
    else:
        loads(text)


@given(st.text(alphabet='{}[]",:\\u0dD8c \n1e9-.tfn/a', max_size=40))
def test_nothing_is_taken_that_the_standard_library_refuses(text):
    try:
        value = loads(text)
    except InvalidError:
        return
    assert json.loads(text) == value


@given(VALUES)
def test_the_scanner_meets_every_value_at_its_path(value):
    found = {token.path: token for token in tokens(json.dumps(value)) if not token.is_key}

    for path, token in found.items():
        part = value
        for step in path:
            part = part[step]
        assert token.is_container or token.value == part
    assert len(found) == sum(1 for _ in _walk(value))


def _walk(value):
    yield value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        yield from _walk(part)


@pytest.mark.parametrize(
    ("text", "pointer", "detail"),
    [
        ("", "", "line 1, column 1: expected a value"),
        (" \n ", "", "line 2, column 2: expected a value"),
        ("[1,]", "", "line 1, column 4: expected a value"),
        ("[1 2]", "", "line 1, column 4: expected `,` or `]`"),
        ('{"a": 1,}', "", "line 1, column 9: expected a key in double quotes"),
        ("{'a': 1}", "", "line 1, column 2: expected a key in double quotes"),
        ('{"a" 1}', "", "line 1, column 6: expected `:`"),
        ("[1] [2]", "", "line 1, column 5: more text after the end of the value"),
        ('["a', "", "line 1, column 2: unterminated string"),
        ('["\t"]', "", "line 1, column 3: invalid control character"),
        ('{"a": 1,\n "a": 2}', "/a", 'line 2, column 2: duplicate key "a"'),
        ('[{"a": NaN}]', "/0/a", "line 1, column 8: NaN is not JSON"),
        ("[-Infinity]", "/0", "line 1, column 2: -Infinity is not JSON"),
        ("[1e400]", "/0", "line 1, column 2: 1e400 is past the range of a number"),
        (f"[{'9' * 4301}]", "/0", "line 1, column 2: an integer of more than 4,300 digits"),
        ('["a\\u0000"]', "/0", "line 1, column 2: a string with a NUL character"),
        ('["\\ud800"]', "/0", "line 1, column 2: a string with a lone surrogate"),
        ('["\ud800"]', "/0", "line 1, column 2: a string with a lone surrogate"),
        ('{"\\u0000": 1}', "/\0", "line 1, column 2: a string with a NUL character"),
        ("\ufeff1", "", "line 1, column 1: a byte order mark; JSON starts without"),
        (b'["\xff"]', "", "line 1, column 3: byte 0xff is not UTF-8"),
        (b'\n["\xed\xa0\x80"]', "", "line 2, column 3: byte 0xed is not UTF-8"),
    ],
)
def test_a_refusal_says_where_and_what(text, pointer, detail):
    assert refusal(text) == (pointer, detail)


@pytest.mark.parametrize(
    "text", ['"\\\\u0000"', '"\\ud83d\\ude00"', '"😀"', "9" * 4300, "-" + "9" * 4300, " [1]\n"]
)
def test_what_only_looks_bad_is_taken(text):
    assert loads(text) == json.loads(text)


def test_nesting_is_taken_up_to_the_limit_and_refused_past_it():
    assert loads("[" * 64 + "]" * 64)
    assert loads('["' + "[" * 100 + '"]') == ["[" * 100]

    assert refusal("[" * 65 + "]" * 65)[1] == "line 1, column 65: nested more than 64 deep"
    assert refusal("[[1]]", depth_max=1) == ("/0", "line 1, column 2: nested more than 1 deep")


@pytest.mark.parametrize("opener", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [65, 900, 10_000, 2_000_000])
def test_hostile_nesting_is_refused_without_recursion(opener, depth):
    assert refusal(opener * depth)[1].endswith("nested more than 64 deep")


def test_ten_million_characters_are_refused_at_the_end_of_them():
    assert refusal("9" * 10_000_000)[1].endswith("an integer of more than 4,300 digits")
    assert refusal('["' + "a" * 10_000_000)[1] == "line 1, column 2: unterminated string"
    assert "column" in refusal("[" + "0," * 5_000_000 + "}")[1]
    assert refusal("[" + "0," * 5_000_000 + "1e400]") == (
        "",
        "1e400 is past the range of a number",
    )


def test_every_fault_of_a_text_is_found_in_one_go():
    text = '{"a": NaN, "a": [1e400, "\\u0000"], "b": 1'

    found = [(fault.path, fault.detail) for fault in text_faults(text)]

    assert found == [
        (("a",), "NaN is not JSON"),
        (("a",), 'duplicate key "a"'),
        (("a", 0), "1e400 is past the range of a number"),
        (("a", 1), "a string with a NUL character"),
        ((), "expected `,` or `}`"),
    ]


def test_a_scan_of_broken_text_gives_what_stood_before_the_break():
    assert list(tokens("[7, ")) == [
        Token((), 0, is_container=True),
        Token((0,), 1, 7),
    ]


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"i": 1}, '{"i":1}'),
        ((1, (2,)), "[1,[2]]"),
        (OrderedDict(a=None), '{"a":null}'),
        ({Colour.RED: Colour.RED}, '{"red":"red"}'),
        ("é\\u0000", '"é\\\\u0000"'),
        ([True, 1.5, -0.0], "[true,1.5,-0.0]"),
    ],
)
def test_python_values_that_json_can_say_are_written(value, text):
    assert dumps(value) == text


@pytest.mark.parametrize(
    ("value", "pointer", "detail"),
    [
        ({"a": [1, {2}]}, "/a/1", "a value of type `set` is not JSON"),
        ([b"x"], "/0", "a value of type `bytes` is not JSON"),
        ([math.nan], "/0", "nan is not a JSON number"),
        (-math.inf, "", "-inf is not a JSON number"),
        ({1: 2}, "/1", "1: a key that is not a string"),
        ({"a": {None: 2}}, "/a/None", "None: a key that is not a string"),
        (["\0"], "/0", "a string with a NUL character"),
        ({"a/b": "\ud800"}, "/a~1b", "a string with a lone surrogate"),
        ({"\ud800": 1}, "/\ud800", "'\\ud800': a string with a lone surrogate"),
        ([10**4300], "/0", "an integer of more than 4,300 digits"),
    ],
)
def test_python_values_that_json_can_not_say_are_refused_with_their_pointer(
    value, pointer, detail
):
    assert write_refusals(value) == {pointer: detail}
    with pytest.raises(InvalidError):
        check(value)


def test_every_fault_of_a_value_is_named():
    assert list(write_refusals({"a": math.nan, "b": [{1}, "ok", "\0"]})) == ["/a", "/b/0", "/b/2"]


def test_a_value_too_deep_or_inside_itself_is_refused():
    deep: list = []
    for _ in range(10_000):
        deep = [deep]
    ring: dict = {}
    ring["again"] = [ring]

    assert list(write_refusals(deep).values()) == ["nested more than 64 deep"]
    assert list(write_refusals(ring).values()) == ["nested more than 64 deep"]


def test_a_small_value_that_unfolds_without_end_is_refused():
    bomb: list = []
    for _ in range(60):
        bomb = [bomb] * 100

    with pytest.raises(InvalidError, match="more than 10,000,000 values"):
        dumps(bomb)
