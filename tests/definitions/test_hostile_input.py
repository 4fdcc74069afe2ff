"""Whatever is given, the answer is a value or a refusal in our own words."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from tipman.definitions import task_of, workflow_from_text, workflow_of
from tipman.definitions.arguments import SHAPES
from tipman.definitions.expressions import template_of
from tipman.errors import InvalidError
from tipman.files import Format, InvalidFileError
from tipman.statecharts.errors import ExpressionError

FIELDS = [
    "tasks", "name", "type", "arguments", "dependencies", "retry", "on", "key", "due_at",
    "after_s", "timeout_s", "env", "priority", "input", "input_schema", "slots", "argv", "shell",
    "task", "args", "call", "duration_s", "by", "url", "body", "expect_status", "backoff", "when",
    "carry", "compensate", "hooks", "failed", "settled", "merge", "all", "any", "none",
    "succeeded", "context", "operator", "value", "over", "failures_max", "form", "default",
    "approve", "data", "on_failure", "schedule", "cron", "version", "on_close", "namespace",
    "*", "$schema",
]  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.sampled_from(
        [
            *SHAPES,
            "eval",
            "{a}",
            "{",
            "a:b",
            "http://x",
            "exit:3",
            "\0",
            "\ud800",
            "last",
            "a",
            "order",
            "any_failed",
            "exists",
            "10%",
        ]
    )
    | st.text(max_size=5)
    | st.binary(max_size=3)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS) | st.integers() | st.text(max_size=3), inner)
    ),
    max_leaves=15,
)
TASKS = st.fixed_dictionaries(
    {"type": st.sampled_from([*SHAPES, "eval"]), "arguments": VALUES},
    optional=dict.fromkeys([*FIELDS[4:13], "when", "compensate", "name"], VALUES),
)
HEADS = dict.fromkeys(["hooks", "merge", "on_failure", "schedule", "input_schema"], VALUES)
SCRAPS = st.lists(
    st.sampled_from(
        ["a", "- ", "  ", ": ", "\n", "{", "}", "[", "]", ",", "&a ", "*a", "<<", "!!", "!!set ",
         "'", '"', "\\", "|", ">", "---\n", "\t", "#", "? ", "tasks:\n", "1e999", ".nan", "\0",
         "=", "[[a]]", "\ufeff", "%YAML 1.1\n", "%TAG ! x\n"]
    ),
    max_size=20,
).map("".join)  # fmt: skip


@given(VALUES | TASKS)
def test_any_value_is_a_task_or_is_refused(value):
    with contextlib.suppress(InvalidError):
        task_of(value)


@given(
    VALUES | st.fixed_dictionaries({"tasks": st.lists(TASKS | VALUES, max_size=4)}, optional=HEADS)
)
def test_any_value_is_a_workflow_or_is_refused(value):
    with contextlib.suppress(InvalidError):
        workflow_of(value, default_name="x")


@given(SCRAPS | st.binary(max_size=30), st.sampled_from(Format))
def test_any_text_is_a_workflow_or_is_refused(text, format_):
    with contextlib.suppress(InvalidFileError):
        workflow_from_text(text, name="x", format_=format_)


@given(st.text("{}[]()'\"\\ab.+1 ", max_size=20))
def test_any_text_is_a_template_or_is_refused(text):
    with contextlib.suppress(ExpressionError):
        template_of(text)
