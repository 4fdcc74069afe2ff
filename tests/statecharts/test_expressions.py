"""Expressions do what they say, and nothing a hostile author could want."""

import pytest
from tipman.statecharts import EvaluationError, ExpressionError, compile_expression

DATA = {
    "a": 1,
    "b": 2.5,
    "name": "x-ray",
    "items": [1, 2, 3],
    "order": {"total": 7, "lines": [{"sku": "k"}]},
    "nothing": None,
    "flag": True,
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("a + 1", 2),
        ("b * 2 - a / 4", 4.75),
        ("7 // 2, 7 % 2, 2 ** 10", [3, 1, 1024]),
        ("-a, +a, not flag", [-1, 1, False]),
        ("0 < a <= 1", True),
        ("a == 1 and name != 'y'", True),
        ("nothing or 'else'", "else"),
        ("1 in items and 9 not in items", True),
        ("'ray' in name and 'total' in order", True),
        ("nothing is None and a is not None", True),
        ("order.total if flag else 0", 7),
        ("order.lines[0].sku + order['lines'][-1]['sku']", "kk"),
        ("order.get('missing', 5)", 5),
        ("{'k': [a, null, true]}", {"k": [1, None, True]}),
        ("len(items) + max(items) + min(1, 2) + sum(items)", 13),
        ("name.upper().startswith('X')", True),
        ("' a b '.strip().split(' ')", ["a", "b"]),
        ("int('12') + float('1.5') + round(2.5, 0) + abs(-1)", 16.5),
        ("str(a) + str(true)", "1True"),
        ("bool(items)", True),
        ("order.keys(), order.get('lines')", [["total", "lines"], [{"sku": "k"}]]),
        ("  a\t", 1),
        ("items + [4]", [1, 2, 3, 4]),
    ],
)
def test_an_expression_gives_its_value(source, value):
    assert compile_expression(source)(DATA) == value


REFUSED = [
    ("a.__class__", "'__class__' is not allowed", 1),
    ("a.__class__.__mro__[1].__subclasses__()", "not allowed", 1),
    ("''.__class__", "not allowed", 1),
    ("__import__('os')", "the function '__import__' is unknown", 1),
    ("__builtins__", "the name '__builtins__' is not allowed", 1),
    ("open('/etc/passwd')", "the function 'open' is unknown", 1),
    ("eval('1')", "the function 'eval' is unknown", 1),
    ("1 + exec('1')", "the function 'exec' is unknown", 5),
    ("getattr(a, 'b')", "the function 'getattr' is unknown", 1),
    ("type(a)", "the function 'type' is unknown", 1),
    ("a()()", "only functions and methods", 1),
    ("name.format(a)", "the method 'format' is not allowed", 1),
    ("name.join(items)", "the method 'join' is not allowed", 1),
    ("name.encode()", "the method 'encode' is not allowed", 1),
    ("'%s' % a % name", None, None),
    ("f'{a}'", "an f-string is not allowed", 1),
    ("[x for x in items]", "a comprehension is not allowed", 1),
    ("{x for x in items}", "a comprehension is not allowed", 1),
    ("{x: x for x in items}", "a comprehension is not allowed", 1),
    ("sum(x for x in items)", "a generator is not allowed", 4),
    ("lambda: 1", "lambda is not allowed", 1),
    ("(a := 1)", "an assignment is not allowed", 2),
    ("a = 1", "not an expression", 3),
    ("a; b", "not an expression", 2),
    ("import os", "not an expression", 1),
    ("await a", "await is not allowed", 1),
    ("(yield a)", "yield is not allowed", 2),
    ("items[0:2]", "a slice is not allowed", 7),
    ("[*items]", "a starred value is not allowed", 2),
    ("{**order}", "a key of an object must be a text", 1),
    ("{1: 2}", "a key of an object must be a text", 2),
    ("{1, 2}", "a set is not allowed", 1),
    ("b'bytes'", "bytes is not a JSON value", 1),
    ("1j", "complex is not a JSON value", 1),
    ("...", "ellipsis is not a JSON value", 1),
    ("1e999", "not finite", 1),
    ("a @ b", "MatMult is not allowed", 1),
    ("a << 1000000", "LShift is not allowed", 1),
    ("a | b", "BitOr is not allowed", 1),
    ("~a", "Invert is not allowed", 1),
    ("a is b", "'is' compares with None", 6),
    ("max(items, key=a)", "arguments by name", 12),
    ("10**10**10", "too large", 1),
    ("2**256", "beyond 256 bits", 1),
    ("9" * 100, "beyond 256 bits", 1),
    ("'a'*10**9", "* does not work on a text and a number", 1),
    ("[0] * 10**9", "* does not work on a list and a number", 1),
    ("'%d' % 10", "% does not work on a text", 1),
    ("1/0", "division by zero", 1),
    ("round(5, -10**9)", "too large", 1),
    ("int('9' + '" + "9" * 200 + "')", "too large", 1),
    ("float('inf')", "not finite", 1),
    ("float('nan')", "not finite", 1),
    ("1e308 * 10", "not finite", 1),
    ("(-8) ** 0.5", "not real", 1),
    ("", "empty", 1),
    ("   ", "empty", 1),
    ("a +", "not an expression", None),
    ("(" * 300 + "1" + ")" * 300, "not an expression", None),
    ("-" * 100 + "1", "nested more than", None),
    ("not " * 100 + "a", "nested more than", None),
    ("[" * 100 + "]" * 100, "nested more than", None),
    ("a" + "+a" * 700, "more than 500 parts", None),
    ("a" * 2001, "longer than 2000 characters", 1),
    ("'\\d'", "unknown escape", 2),
    ("a\0b", "not an expression", None),
    ("In()", "In() takes the name of one state", 1),
]


@pytest.mark.parametrize(("source", "reason", "column"), REFUSED)
def test_a_hostile_expression_is_refused_with_its_position(source, reason, column):
    if reason is None:  # only values can tell
        with pytest.raises(EvaluationError):
            compile_expression(source)(DATA)
        return

    with pytest.raises(ExpressionError) as caught:
        compile_expression(source)

    assert reason in caught.value.reason
    assert column in (None, caught.value.column)
    assert f"line {caught.value.line} column {caught.value.column}" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("missing", "the name 'missing' has no value"),
        ("order.missing", "there is no member 'missing'"),
        ("order['missing']", "there is no key 'missing'"),
        ("a.b", "a number has no member 'b'"),
        ("nothing.x", "null has no member 'x'"),
        ("items[9]", "out of range"),
        ("items['x']", "has no element"),
        ("name + a", "+ does not work on a text and a number"),
        ("name < a", "not supported"),
        ("name * a", "* does not work"),
        ("a in a", "holds nothing to look for"),
        ("big * big * big * big * big", "beyond 256 bits"),
        ("big ** big", "too large"),
        ("a / (a - a)", "division by zero"),
        ("long + long", "too large"),
        ("[many, many]", "too large"),
        ("many + many", "too large"),
        ("deep", "nested too deeply"),
        ("int(long)", "too large"),
        ("round(b, big)", "too large"),
        ("str(items)", "does not write out a list"),
        ("name.get('x')", "a text has no method 'get'"),
        ("items.keys()", "a list has no method 'keys'"),
        ("len(a)", "has no length"),
        ("sum(order)", "wants a list of numbers"),
        ("max(items, name)", "not supported"),
        ("{}[items]", "there is no key"),
    ],
)
def test_a_value_that_does_not_fit_fails_cleanly(source, reason):
    deep: object = []
    for _ in range(100):
        deep = [deep]
    values = {"big": 2**100, "long": "x" * 700_000, "many": [0] * 60_000, "deep": deep}

    with pytest.raises(EvaluationError) as caught:
        compile_expression(source)(DATA | values)

    assert reason in str(caught.value)


def test_unknown_names_are_refused_with_the_nearest_known_one():
    with pytest.raises(ExpressionError, match="'amout' is unknown; did you mean \"amount\"") as at:
        compile_expression("1 + amout", names={"amount"}, event="event")

    assert at.value.column == 5


def test_positions_count_characters_and_lines_from_the_very_start():
    with pytest.raises(ExpressionError) as caught:
        compile_expression("\n  'é' +  foo(1)")

    assert (caught.value.line, caught.value.column) == (2, 10)


def test_members_of_the_event_are_checked_when_compiled():
    with pytest.raises(ExpressionError, match="an event has no member 'dta'; did you mean"):
        compile_expression("event.dta", names=(), event="event")


def test_states_are_checked_when_compiled():
    with pytest.raises(ExpressionError, match="no state is called 'opne'; did you mean \"open\""):
        compile_expression("In('opne')", names=(), states={"open", "closed"})


def test_what_an_expression_reads_is_known():
    assert compile_expression("a.b + c").reads == {"a", "c"}
    assert compile_expression("In('x') and 1 < 2").static
    assert not compile_expression("a").static


def test_short_circuits_spare_what_would_fail():
    assert compile_expression("nothing is None or nothing.x")(DATA) is True
    assert compile_expression("nothing and nothing.x")(DATA) is None
