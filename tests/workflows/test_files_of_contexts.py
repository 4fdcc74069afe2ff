"""Contexts as processes have them: in files, in the names of code, and in expressions."""

from core.conftest import shop
from tipman.definitions import workflow_of

__all__ = ["shop"]

TASKS = [
    {"name": "write", "type": "exec", "arguments": 'echo \'{"n": 20}\' > "$TIPMAN_RESULT"'},
    {
        "name": "code",
        "type": "eval",
        "arguments": "result = {'double': 2 * context['n'], **results['write']}",
        "dependencies": ["write"],
    },
    {
        "name": "read",
        "type": "exec",
        "arguments": 'cp "$TIPMAN_CONTEXT" "$TIPMAN_RESULT"',
        "dependencies": ["code"],
    },
    {
        "name": "filled",
        "type": "inline",
        "arguments": {"task": "echo", "args": {"value": "{context.double} on {context.day}"}},
        "dependencies": ["read"],
    },
    {"name": "last", "type": "eval", "arguments": "result = context", "dependencies": ["filled"]},
]


def test_what_a_process_writes_is_seen_by_those_after_it(shop):
    engine = shop.start()
    given = {"name": "flow", "input": {"day": "Monday"}, "tasks": TASKS}

    handles = engine.submit_workflow(workflow_of(given, default_name="flow"))
    handles["last"].wait(timeout_s=30)

    seen = {"day": "Monday", "n": 20, "double": 40, "exit_code": 0}
    assert handles["write"].result == {"exit_code": 0}
    assert handles["filled"].result == "40 on Monday"
    assert handles["last"].result == {
        **seen,
        "context": seen,
        "results": {"code": {"double": 40, "exit_code": 0}},
        "filled": "40 on Monday",
    }


def test_the_file_that_a_failed_process_wrote_adds_nothing(shop):
    engine = shop.start()
    line = 'echo \'{"n": 1}\' > "$TIPMAN_RESULT"; exit 3'
    tasks = [
        {"name": "a", "type": "exec", "arguments": line},
        {
            "name": "b",
            "type": "eval",
            "arguments": "result = [context, results]",
            "dependencies": ["a"],
            "when": "any_failed",
        },
    ]

    handles = engine.submit_workflow(workflow_of({"tasks": tasks}, default_name="flow"))

    handles["b"].wait(timeout_s=30)
    assert handles["b"].result == [{}, {"a": {"exit_code": 3}}]


def test_a_large_value_goes_through_processes_whole(shop):
    engine = shop.start()
    tasks = [
        {"name": "a", "type": "eval", "arguments": "result = {'text': 'x' * 100_000}"},
        {
            "name": "b",
            "type": "exec",
            "arguments": 'wc -c < "$TIPMAN_CONTEXT" > "$TIPMAN_RESULT"',
            "dependencies": ["a"],
        },
        {"name": "c", "type": "eval", "arguments": "result = context['b']", "dependencies": ["b"]},
    ]

    handles = engine.submit_workflow(workflow_of({"tasks": tasks}, default_name="flow"))

    handles["c"].wait(timeout_s=30)
    assert handles["a"].result == {"text": "x" * 100_000}
    assert handles["c"].result > 200_000
