"""Files: what each format may say, and where its faults stand."""

import math

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from tipman.files import Format, InvalidFileError, PlacedFault, read_bytes, read_file
from tipman.jsontext import dumps

TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"], exclude_characters="\ufeff"),
    max_size=8,
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


def read(text, format_="yaml"):
    data = text if isinstance(text, bytes) else text.encode()
    return read_bytes(data, file="f", format_=Format(format_))


def value(text, format_="yaml"):
    document = read(text, format_)
    document.refuse()
    return document.value


def refusals(text, format_="yaml"):
    with pytest.raises(InvalidFileError) as caught:
        value(text, format_)
    return [str(fault) for fault in caught.value.placed]


@given(VALUES.filter(lambda v: v != ""))
def test_json_is_read_the_same_as_json_and_as_yaml(given_value):
    text = dumps(given_value)

    assert value(text, "json") == given_value
    assert value(text) == given_value


class Quoting(yaml.SafeDumper):
    """Quotes every text: left to itself it writes `0E0` plain, which is a number in YAML 1.2."""


Quoting.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


@given(VALUES)
@example({"0E0": "1e3"})
def test_what_a_yaml_writer_quotes_is_read_back_as_the_same_text(given_value):
    if isinstance(given_value, dict | list):
        text = yaml.dump({"a": given_value}, Dumper=Quoting, allow_unicode=True)
        assert value(text) == {"a": given_value}


@pytest.mark.parametrize(
    ("scalar", "meaning"),
    [
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("12:30:45", "12:30:45"),
        ("2026-11-21", "2026-11-21"),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("+12", 12),
        ("1_000", "1_000"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-1.", -1.0),
        ("true", True),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("~", None),
        ("Null", None),
        ('"1"', "1"),
        ("'true'", "true"),
        ("! 12", "12"),
        ("!!str 12", "12"),
        ("!!float 12", 12.0),
        ("!!int 0x10", 16),
        ("|\n  a\n  b\n", "a\nb\n"),
        (">-\n  a\n  b\n", "a b"),
    ],
)
def test_yaml_has_the_scalars_of_its_version_1_2(scalar, meaning):
    found = value(f"a: {scalar}")["a"]

    assert found == meaning
    assert type(found) is type(meaning)


def test_aliases_and_merges_are_unfolded():
    text = """
base: &base {queue: mail, priority: 1}
more: &more [{env: {A: b}}, *base]
task: {<<: *base, priority: 2}
both: {<<: *more, queue: own}
"""

    assert value(text) == {
        "base": {"queue": "mail", "priority": 1},
        "more": [{"env": {"A": "b"}}, {"queue": "mail", "priority": 1}],
        "task": {"queue": "mail", "priority": 2},
        "both": {"env": {"A": "b"}, "queue": "own", "priority": 1},
    }


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 20)
)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\na: 2\n", 'f:2:1 a: duplicate key "a"'),
        ("- {b: 1, b: 2}", 'f:1:10 [0].b: duplicate key "b"'),
        ("a: .nan", "f:1:4 a: .nan is not a JSON number"),
        ("a: -.INF", "f:1:4 a: -.INF is not a JSON number"),
        ("a: 1e400", "f:1:4 a: 1e400 is past the range of a number"),
        ("a: " + "9" * 4301, "f:1:4 a: an integer of more than 4,300 digits"),
        ('a: "\\0"', "f:1:4 a: a string with a NUL character"),
        (
            "a: !!timestamp 2026-01-01",
            "f:1:4 a: '2026-01-01' with the tag `!!timestamp` is not a JSON value",
        ),
        (
            "a: !!binary aGk=",
            "f:1:4 a: 'aGk=' with the tag `!!binary` is not a JSON value",
        ),
        ("a: !!set {b}", "f:1:4 a: the tag `!!set` has no JSON value"),
        ("a: !mine b", "f:1:4 a: 'b' with the tag `!mine` is not a JSON value"),
        ("1: b", "f:1:1 1: the key `1` is not a text; write it in quotes"),
        (".nan: b", 'f:1:1 [".nan"]: the key `.nan` is not a text; write it in quotes'),
        ('"\\0": b', 'f:1:1 ["\\x00"]: a string with a NUL character'),
        ("[a]: b", "f:1:1: a key that is a list or an object"),
        ("a: *b", "f:1:4 a: the alias `*b` names nothing before it"),
        ("a: &a [*a]", "f:1:8 a[0]: the alias `*a` stands within what it names"),
        ("a: &a b\n*a : c", "f:2:1: a key that is an alias"),
        ("a: {<<: 3}", 'f:1:9 a["<<"]: `<<` merges an object or a list of them'),
        ("a: 1\n---\nb: 2", "f:2:1: a second document; a file has one"),
        ("a:\n\t- b", "f:2:1: a tab; YAML is indented with spaces"),
        ("a: [1", "f:2:1: did not find expected ',' or ']' while parsing a flow sequence"),
        ("a: b: c", "f:1:5: mapping values are not allowed in this context"),
        ("a: \x07", "f:1:4: a character that YAML does not allow"),
        ("[" * 10_000, "f:1:65" + " [0]" + "[0]" * 63 + ": nested more than 64 deep"),
        (BOMB, "f:6:45 a5[7]: aliases stand for more than 1,000,000 values"),
    ],
)
def test_yaml_that_json_can_not_say_is_refused_at_its_place(text, fault):
    assert refusals(text) == [fault]


def test_deep_aliases_count_their_depth():
    text = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 70))

    assert refusals(text) == ["f:64:12 a63[0]: nested more than 64 deep"]


def test_every_fault_of_a_text_is_named_in_the_order_of_the_places():
    assert refusals("a: .nan\nb: {c: 1, c: 2}\na: 1e400\n") == [
        "f:1:4 a: .nan is not a JSON number",
        'f:2:11 b.c: duplicate key "c"',
        'f:3:1 a: duplicate key "a"',
        "f:3:4 a: 1e400 is past the range of a number",
    ]
    assert refusals("a: .nan\nb: [") == [
        "f:1:4 a: .nan is not a JSON number",
        "f:3:1: did not find expected node content while parsing a flow node",
    ]
    assert refusals('{"a": NaN,\n "a": 1e400}', "json") == [
        "f:1:7 a: NaN is not JSON",
        'f:2:2 a: duplicate key "a"',
        "f:2:7 a: 1e400 is past the range of a number",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a = \n", "f:1:5: invalid value"),
        ("a = 1\na = 2\n", "f:2:6: cannot overwrite a value"),
        ("a = [1,\n", "f:2:1: invalid value"),
        ("a = inf", "f a: inf is not a JSON number"),
        ("a = " + "[" * 10_000, "f:1:1: nested more than 64 deep"),
        ("a." * 10_000 + "a = 1", "f:1:1: nested more than 64 deep"),
        ("a = " + "9" * 4301, "f:1:1: an integer of more than 4,300 digits"),
        ("a." * 64 + "a = 1", "f " + "a." * 63 + "a: nested more than 64 deep"),
    ],
)
def test_toml_is_refused_at_its_place_or_by_its_path(text, fault):
    assert refusals(text, "toml") == [fault]


def test_dates_and_times_of_toml_are_texts():
    text = (
        "a = 2026-11-21T09:00:00Z\nb = 2026-11-21 09:00:00.5+01:00\nc = 2026-11-21\nd = 09:00:00"
    )

    assert value(text, "toml") == {
        "a": "2026-11-21T09:00:00Z",
        "b": "2026-11-21T09:00:00.500000+01:00",
        "c": "2026-11-21",
        "d": "09:00:00",
    }


@pytest.mark.parametrize("format_", ["json", "yaml", "toml"])
@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "f: is empty"),
        (b" \n\t\n", "f: is empty"),
        (b"\xef\xbb\xbf", "f: is empty"),
        (b'"a\n\xc3\xa9\xff"', "f:2:2: byte 0xff is not UTF-8"),
        ("a".encode("utf-16"), "f:1:1: byte 0xff is not UTF-8"),
    ],
)
def test_what_is_no_text_is_refused(data, fault, format_):
    assert refusals(data, format_) == [fault]


def test_a_byte_order_mark_is_passed_over():
    assert value(b'\xef\xbb\xbf{"a": 1}', "json") == {"a": 1}
    assert value(b"\xef\xbb\xbfa: 1") == {"a": 1}
    assert value(b"\xef\xbb\xbfa = 1", "toml") == {"a": 1}


def test_the_format_is_told_by_the_suffix_or_else_by_the_beginning(tmp_path):
    for name, text, format_ in [
        ("a.yml", "{}", Format.YAML),
        ("a.YAML", "a: 1", Format.YAML),
        ("a.json", "[1]", Format.JSON),
        ("a.toml", "a = 1", Format.TOML),
        ("a", "\n {}", Format.JSON),
        ("a.txt", "a: 1", Format.YAML),
    ]:
        (tmp_path / name).write_text(text)
        assert read_file(tmp_path / name).format is format_


def test_a_file_that_can_not_be_read_is_named(tmp_path):
    (tmp_path / "large.json").write_text('"' + "a" * 100 + '"')

    with pytest.raises(InvalidFileError, match=r"none\.json: can not be read: No such file"):
        read_file(tmp_path / "none.json")
    with pytest.raises(InvalidFileError, match="can not be read: Is a directory"):
        read_file(tmp_path)
    with pytest.raises(InvalidFileError, match=r"large\.json: is larger than 100 bytes"):
        read_file(tmp_path / "large.json", bytes_max=100)


def test_a_fault_without_a_place_comes_last():
    faults = [
        PlacedFault("f", None, None, (), "z"),
        PlacedFault("f", 2, 1, (), "y"),
        PlacedFault("f", 1, 9, (), "x"),
    ]

    assert [fault.detail for fault in InvalidFileError(faults).placed] == ["x", "y", "z"]


def test_infinity_of_a_lenient_reading_is_not_named_twice():
    document = read('{"a": Infinity}', "json")

    assert document.value == {"a": math.inf}
    assert [str(fault) for fault in document.faults] == ["f:1:7 a: Infinity is not JSON"]
