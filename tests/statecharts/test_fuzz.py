"""Whatever is read, the answer is a chart or a value, or an error of this package."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from tipman.statecharts import (
    ChartError,
    EvaluationError,
    ExpressionError,
    SnapshotError,
    UnsettledError,
    compile_chart,
    compile_expression,
    decode,
    load_scxml,
    start,
)

WORDS = st.sampled_from(
    [
        "states",
        "initial",
        "type",
        "on",
        "always",
        "after",
        "entry",
        "exit",
        "invoke",
        "onDone",
        "guard",
        "actions",
        "target",
        "reenter",
        "data",
        "output",
        "history",
        "id",
        "a",
        "b",
        "a.b",
        "#a",
        ".a",
        "parallel",
        "final",
        "deep",
        "raise",
        "send",
        "log",
        "assign",
        "if",
        "then",
        "else",
        "foreach",
        "item",
        "do",
        "event",
        "delay",
        "1s",
        "*",
        "x.*",
        "In('a')",
        "event.data",
        "a+1",
        "layout",
        "configuration",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=3)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)
TOKENS = st.sampled_from(
    [
        "a",
        "b",
        "1",
        "2.5",
        "'x'",
        "None",
        "True",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ".",
        ",",
        ":",
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "**",
        "<",
        ">",
        "==",
        "!=",
        "in",
        "not",
        "and",
        "or",
        "is",
        "if",
        "else",
        "len(",
        "str(",
        "In(",
        ".get(",
        ".split(",
        "lambda",
        "for",
        "1e308",
        "0",
        "\\",
        "\n",
    ]
)
TAGS = st.sampled_from(
    [
        "scxml",
        "state",
        "parallel",
        "final",
        "history",
        "initial",
        "transition",
        "onentry",
        "onexit",
        "invoke",
        "finalize",
        "send",
        "raise",
        "log",
        "assign",
        "if",
        "elseif",
        "else",
        "foreach",
        "script",
        "cancel",
        "datamodel",
        "data",
        "param",
        "content",
    ]
)
VALUES = st.sampled_from(["a", "b", "1", "a b", "", "x", "1s", "#_internal", "[1]", "deep"])
ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        [
            "id",
            "initial",
            "target",
            "event",
            "cond",
            "expr",
            "location",
            "type",
            "name",
            "item",
            "namelist",
            "array",
            "delay",
            "src",
            "idlocation",
            "sendid",
            "binding",
            "autoforward",
        ]
    ),
    VALUES,
    max_size=3,
)


@st.composite
def elements(draw, depth=0):
    tag = draw(TAGS) if depth else "scxml"
    pairs = "".join(f' {key}="{value}"' for key, value in draw(ATTRIBUTES).items())
    inner = ""
    if depth < 4:
        inner = "".join(draw(st.lists(elements(depth + 1), max_size=3)))
    return f"<{tag}{pairs}>{inner}{draw(VALUES)}</{tag}>"


def refusal(kind, read, source):
    """Give the error of this kind that reading ends in, or None where it reads well."""
    try:
        read(source)
    except kind as error:
        return error
    return None


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(WORDS, JSON, max_size=5) | JSON)
def test_any_mapping_gives_a_chart_or_its_faults(form):
    refused = refusal(ChartError, compile_chart, form)

    assert refused is None or refused.faults


@settings(max_examples=100, deadline=None)
@given(st.lists(TOKENS, max_size=12).map(" ".join) | st.text(max_size=20))
def test_any_text_gives_an_expression_or_a_refusal(source):
    refused = refusal(ExpressionError, compile_expression, source)

    assert refused is None or 1 <= refused.column <= len(source) + 2
    if refused is None:
        with suppress(EvaluationError):
            compile_expression(source)({"a": [1, {"b": 2}], "b": "text"})


@settings(max_examples=100, deadline=None)
@given(elements())
def test_any_document_gives_a_chart_or_its_faults(source):
    refused = refusal(ChartError, load_scxml, source)

    assert refused is None or refused.faults
    if refused is None:
        with suppress(UnsettledError):
            start(load_scxml(source))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(WORDS, JSON, max_size=5))
def test_any_mapping_gives_a_snapshot_or_a_refusal(written):
    chart = compile_chart({"states": {"a": {"on": {"GO": "b"}}, "b": {}}})

    with suppress(SnapshotError):
        decode(chart, {"layout": 1, "configuration": "a"} | written)
