"""Tasks and workflows from mappings: what is taken, what it becomes, what is refused."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tipman.clock import MICROSECONDS
from tipman.definitions import (
    Retry,
    Task,
    bare_call,
    options_of,
    task_from_row,
    task_of,
    tasks_of,
    workflow_of,
)
from tipman.errors import CycleError, InvalidError, UnknownDependencyError
from tipman.jsontext import dumps
from tipman.retries import Backoff
from tipman.settings import Settings

EXEC = {"type": "exec", "arguments": "true"}
ALONE = "is for a task of a workflow: it is a run that takes back what it did"
NO_ZONE = "must be an instant with its zone, such as `2026-11-21T09:00:00Z`"
TOO_LOW = "must be at least 100"
METHOD = "must be a method in capitals, such as `POST`"
FRACTION = "must be a whole number, not a number with a fraction"
OVER = "must be a list, an `{expression}`, or `{context: KEY}`"
ALLOWANCE = "must be a whole number from 0, or a share from `0%` to `100%`"
NO_SCHEMA = "/type: is no JSON Schema: 3 is not valid under any of the given schemas"
NEVER = "is never used: the task has no `timeout_s` after which it would be"
NO_CLOSE = "must be one of cancel, abandon, wait, not `kill`"
NO_PLACE = "`when` has no meaning for a task that another brings along"
TOO_FEW = "must be at least 1"
ARGUMENTS = {
    "exec": [
        "make",
        {"argv": ["a", ""]},
        {"shell": "a", "env": {"A": ""}, "cwd": "/", "stdin": ""},
    ],
    "eval": ["result = 1"],
    "python": [{"call": "a.b:C.d"}, {"call": "a:b", "args": {"x": [1]}}],
    "inline": [{"task": "fetch"}, {"task": "fetch", "args": {"url": "x"}}],
    "sleep": [{"duration_s": 0}, {"duration_s": 0.5}],
    "counter": [{"name": "visits"}, {"name": "visits", "by": -2}],
    "http": [
        {"url": "http://127.0.0.1:9000/"},
        {
            "url": "HTTPS://x",
            "method": "POST",
            "headers": {"A": "b"},
            "body": {"a": 1},
            "expect_status": 201,
        },
        {"url": "http://x", "body": None, "expect_status": [200, 404]},
    ],
    "wait": [{}, {"note": "until the bell rings"}, {"form": {"pattern": "^a{2}$"}}],
    "approval": [
        {"assignee": "boss", "form": {"required": ["why"]}, "default": {"approve": False}},
        {"form": {"type": "integer"}, "default": {"approve": True, "data": 1}},
        {"note": "may we?"},
    ],
    "workflow": [
        {"name": "nightly"},
        {"name": "n", "version": 2, "input": {"a": 1}, "on_close": "wait"},
    ],
    "map": [
        {"over": [1, 2], "task": EXEC},
        {"over": {"context": "files"}, "task": EXEC, "parallel_max": 2, "failures_max": 3},
        {
            "over": [],
            "task": {"type": "exec", "arguments": {"argv": ["{item}"]}},
            "failures_max": "2.5%",
        },
    ],
}


def refusals(mapping, make=task_of, **options):
    with pytest.raises(InvalidError) as caught:
        make(mapping, **options)
    return {fault.pointer: fault.detail for fault in caught.value.faults}


@pytest.mark.parametrize(
    ("type_", "arguments"), [(type_, a) for type_, many in ARGUMENTS.items() for a in many]
)
def test_each_type_takes_its_arguments_and_keeps_them_as_they_were(type_, arguments):
    timeout_s = {"timeout_s": 9} if "default" in arguments else {}
    task = task_of({"type": type_, "arguments": arguments, **timeout_s})

    assert task.type == type_
    assert task.arguments == arguments
    assert not task.has_expressions


@pytest.mark.parametrize(
    ("type_", "arguments", "pointer", "detail"),
    [
        ("exec", 3, "", "must be an object, not a number"),
        ("exec", "", "/shell", "must not be empty"),
        ("exec", {}, "", "must be a shell line, or have one of `argv` and `shell`"),
        ("exec", {"argv": [""]}, "", "`argv` must start with a program"),
        ("exec", {"argv": "ls"}, "/argv", "must be a list, not a text"),
        ("exec", {"argv": ["a", 1]}, "/argv/1", "must be a text, not a number"),
        ("exec", {"shell": "a", "env": {"A": 1}}, "/env/A", "must be a text, not a number"),
        ("eval", {"code": "1"}, "", "must be Python code, a text that is not empty"),
        ("python", {"call": "a"}, "/call", "must be `module:function` or `module:Class`"),
        ("python", {"call": "a:b", "args": []}, "/args", "must be an object, not a list"),
        ("inline", {}, "/task", "is missing"),
        ("sleep", {"duration_s": True}, "/duration_s", "must be a number, not true or false"),
        ("sleep", {"duration_s": 1e300}, "/duration_s", "must be at most 3,153,600,000"),
        ("sleep", {"duration_s": 10**400}, "/duration_s", "is too large"),
        ("counter", {"name": "a", "by": 1.5}, "/by", FRACTION),
        ("counter", {"name": "a", "by": 2**53}, "/by", "must be at most 9,007,199,254,740,991"),
        ("http", {"url": "x"}, "/url", "must be a URL that starts with `http://` or `https://`"),
        ("http", {"url": "http://x/a b"}, "/url", "must be a URL without blanks: write `%20`"),
        ("http", {"url": "http://x", "method": "g"}, "/method", METHOD),
        ("http", {"url": "http://x", "expect_status": 9}, "/expect_status/0", TOO_LOW),
        ("wait", {"form": 1}, "/form", "must be an object, not a number"),
        ("wait", {"default": {}}, "/default", "unknown field `default`"),
        ("approval", {"assignee": ""}, "/assignee", "must not be empty"),
        ("approval", {"form": {"type": 3}}, "/form", NO_SCHEMA),
        ("approval", {"default": {"approve": True}}, "/default", NEVER),
        ("workflow", {}, "/name", "is missing"),
        ("workflow", {"name": "a b"}, "/name", "must be the name of a registered workflow"),
        ("workflow", {"name": "a", "version": 0}, "/version", "must be at least 1"),
        ("workflow", {"name": "a", "on_close": "kill"}, "/on_close", NO_CLOSE),
        ("map", {"over": 3, "task": EXEC}, "/over", OVER),
        ("map", {"over": {"contxt": "a"}, "task": EXEC}, "/over", OVER),
        ("map", {"over": [], "task": EXEC, "failures_max": 0.1}, "/failures_max", ALLOWANCE),
        ("map", {"over": [], "task": EXEC, "failures_max": "101%"}, "/failures_max", ALLOWANCE),
        ("map", {"over": [], "task": EXEC, "failures_max": -1}, "/failures_max", ALLOWANCE),
        ("map", {"over": [], "task": EXEC, "parallel_max": 0}, "/parallel_max", TOO_FEW),
        ("map", {"over": []}, "/task", "is missing"),
        ("map", {"over": [], "task": {**EXEC, "when": "always"}}, "/task/when", NO_PLACE),
        ("map", {"over": [], "task": {"type": "exec"}}, "/task/arguments", "is missing"),
    ],
)  # fmt: skip
def test_each_type_refuses_other_arguments(type_, arguments, pointer, detail):
    found = refusals({"type": type_, "arguments": arguments})

    assert found == {f"/arguments{pointer}": detail}


@pytest.mark.parametrize(
    ("field", "value", "detail"),
    [
        ("key", "batch", "must not be `batch`, which is an address of its own"),
        ("key", "events", "must not be `events`, which is an address of its own"),
        ("key", "0192F5A0-b1c2-7d3e-8f00-112233445566", "must not look like a UUID"),
        ("name", "a" * 201, "must be at most 200 characters"),
        ("name", " a", "must have no control characters and no blanks around it"),
        ("name", "a\nb", "must have no control characters and no blanks around it"),
        ("name", "\ud800", "has a lone surrogate"),
        ("namespace", "", "must not be empty"),
        ("queue", None, "must be a text, not null"),
        ("priority", -1001, "must be at least -1,000"),
        ("priority", "1", "must be a whole number, not a text"),
        ("priority", True, "must be a whole number, not true or false"),
        ("due_at", "2026-11-21", NO_ZONE),
        ("due_at", 1_700_000_000, NO_ZONE),
        ("due_at", datetime(2026, 11, 21), NO_ZONE),  # noqa: DTZ001 - that is what is refused
        ("due_at", "2026-02-30T09:00:00Z", "is no date and time: '2026-02-30T09:00:00Z'"),
        ("due_at", "0001-01-01T00:00:00+23:00", "is out of range: '0001-01-01T00:00:00+23:00'"),
        ("after_s", -1, "must be at least 0"),
        ("after_s", float("inf"), "must be finite"),
        ("timeout_s", 0, "must be above 0"),
        ("timeout_s", "1", "must be a number, not a text"),
        ("env", {"TIPMAN_TASK": "x"}, "`TIPMAN_TASK` is set by the engine"),
        ("env", {"A=B": "x"}, "'A=B' can not be a variable of the environment"),
        ("env", {"A": "\0"}, "'A' can not be a variable of the environment"),
        ("on_lost", "ignore", "must be one of retry, fail, not `ignore`"),
        ("dependencies", "a", "must be a list, not a text"),
        ("dependencies", ["a", "a"], "`a` stands twice"),
        ("retry", None, "must be an object, not null"),
        ("exclusive", "x", "unknown field `exclusive`"),
        ("has_expressions", True, "unknown field `has_expressions`"),
        ("options", "{}", "unknown field `options`"),
        ("when", 3, "must be the name of a rule, or an object such as `{any: […]}`"),
        ("order_only", [0], "unknown field `order_only`"),
        ("item", {}, "unknown field `item`"),
        ("compensate", EXEC, ALONE),
        ("definition", "a@2", "`definition` is for a task that is submitted on its own"),
    ],
)  # fmt: skip
def test_a_common_field_out_of_bounds_is_refused(field, value, detail):
    assert refusals({**EXEC, field: value}) == {f"/{field}": detail}


@pytest.mark.parametrize("key", ["", ".a", "a b", "a" * 201, "é", "a/b"])
def test_a_key_of_other_characters_is_refused(key):
    (detail,) = refusals({**EXEC, "key": key}).values()

    assert detail.startswith("must start with a letter or digit")


@pytest.mark.parametrize("mapping", [None, [], "exec", 3])
def test_what_is_no_object_is_no_task(mapping):
    assert list(refusals(mapping)) == [""]


def test_without_other_words_a_task_has_the_defaults():
    task = task_of(EXEC)

    assert (task.name, task.namespace, task.key, task.queue) == (
        "exec",
        "default",
        None,
        "default",
    )
    assert (task.priority, task.due_at, task.after_s, task.on_lost) == (0, None, None, "retry")
    assert (task.dependencies, task.env, task.retry) == ((), {}, Retry())
    assert task.exclusive is None


def test_the_settings_complete_what_a_task_does_not_say():
    settings = Settings(timeout_s=5, attempts_max=4)

    def completed(**given):
        return task_of({**EXEC, **given}, settings=settings)

    assert completed().timeout_s == 5
    assert completed(timeout_s=None).timeout_s is None
    assert completed(timeout_s=7).timeout_s == 7
    assert completed().retry.attempts_max == 4
    assert completed(retry={"delay_s": 2}).retry == Retry(attempts_max=4, delay_s=2)
    assert completed(retry={"attempts_max": 2}).retry.attempts_max == 2


@pytest.mark.parametrize("type_", ARGUMENTS)
def test_only_types_that_run_code_have_a_time_out_of_their_own(type_):
    task = task_of({"type": type_, "arguments": ARGUMENTS[type_][-1]})

    timed = type_ in {"exec", "eval", "python", "inline", "http"}
    assert task.timeout_s == (3600 if timed else None)


def test_a_task_without_a_name_is_called_by_what_it_calls():
    assert task_of({**EXEC, "key": "nightly"}).name == "nightly"
    assert task_of({"type": "inline", "arguments": {"task": "fetch"}}).name == "fetch"
    assert task_of({"type": "python", "arguments": {"call": "a:b"}}).name == "a:b"


def test_the_later_of_due_at_and_after_s_counts():
    at = datetime(2026, 11, 21, 9, tzinfo=UTC)
    us = int(at.timestamp()) * MICROSECONDS
    due = task_of({**EXEC, "due_at": "2026-11-21T10:00:00.000000+01:00"})
    after = task_of({**EXEC, "after_s": 60})
    both = task_of({**EXEC, "after_s": 60, "due_at": at.astimezone(timezone(timedelta(hours=3)))})

    assert due.due_at == at
    assert (due.due_us(0), after.due_us(7), task_of(EXEC).due_us(7)) == (us, 60_000_007, None)
    assert both.due_us(0) == us
    assert both.due_us(us) == us + 60 * MICROSECONDS


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "queue": st.sampled_from(["default", "mail"]),
        "priority": st.integers(-1000, 1000),
        "due_at": st.datetimes(
            min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)  # noqa: DTZ001 - as hypothesis wants it
        ),
        "after_s": st.floats(0, 1e6),
        "timeout_s": st.none() | st.floats(1e-3, 1e6),
        "env": st.dictionaries(st.sampled_from("ABC"), st.sampled_from(["", "é"])),
        "on_lost": st.sampled_from(["retry", "fail"]),
        "retry": st.fixed_dictionaries(
            {"attempts_max": st.integers(1, 9)},
            optional={
                "backoff": st.sampled_from(["fixed", "linear", "exponential"]),
                "delay_s": st.floats(0, 100),
                "jitter": st.floats(0, 1),
                "on": st.lists(st.sampled_from(["exit:3", "timeout", "*"]), min_size=1),
            },
        ),
    },
)  # fmt: skip


@given(OPTIONS, st.none() | st.just("mark"))
def test_a_task_comes_back_from_its_row_as_it_was(options, exclusive):
    task = task_of({"type": "inline", "arguments": {"task": "fetch"}, "key": "k", **options})
    task = task if exclusive is None else task.with_exclusive(exclusive)

    again = task_from_row(
        task.type, dumps(task.arguments), task.options, task.name, task.key, task.namespace
    )

    assert again == task
    assert (again.exclusive, again.options) == (task.exclusive, task.options)
    stated = options_of(task.options)
    assert stated["attempts_max"] == task.retry.attempts_max
    assert stated["timeout_s"] == task.timeout_s


def test_a_template_is_stamped_out_with_other_arguments():
    template = task_of({"type": "inline", "arguments": {"task": "fetch"}, "priority": 5})

    stamped = template.with_arguments({"task": "fetch", "args": {"text": "{not} an expression"}})

    assert stamped.arguments["args"] == {"text": "{not} an expression"}
    assert not stamped.has_expressions
    assert (stamped.priority, stamped.options) == (5, template.options)
    assert template.arguments == {"task": "fetch"}


def test_arguments_that_replace_expressions_have_none():
    template = task_of({"type": "sleep", "arguments": {"duration_s": "{context.seconds}"}})
    stamped = template.with_arguments({"duration_s": 1})

    assert template.has_expressions
    assert json.loads(template.options)["has_expressions"]
    assert not stamped.has_expressions
    assert "has_expressions" not in json.loads(stamped.options)


def test_a_task_does_not_change():
    task = task_of(EXEC)

    with pytest.raises(ValueError, match="frozen"):
        task.priority = 3
    assert isinstance(task, Task)
    assert Retry(backoff=Backoff.LINEAR).backoff == "linear"


def test_a_batch_names_every_fault_by_its_position():
    found = refusals([EXEC, {"type": "exec"}, {**EXEC, "ky": "a"}], tasks_of)

    assert found == {
        "/tasks/1/arguments": "is missing",
        "/tasks/2/ky": "unknown field `ky`; did you mean `key`?",
    }


@pytest.mark.parametrize("items", [[], {}, None, "x"])
def test_a_batch_is_a_list_that_is_not_empty(items):
    assert list(refusals(items, tasks_of)) == ["/tasks"]


def test_a_batch_with_too_many_tasks_or_too_many_faults_is_not_read_on():
    few = Settings(tasks_max=2)

    assert refusals([EXEC] * 3, tasks_of, settings=few) == {"/tasks": "more than 2 tasks"}
    assert len(refusals([{}] * 1000, tasks_of)) <= 102


def test_a_key_that_stands_twice_in_a_batch_is_refused():
    batch = [{**EXEC, "key": "a"}, EXEC, {**EXEC, "key": "a"}]

    assert refusals(batch, tasks_of) == {"/tasks/2/key": "`a` is already the key of task 1"}


def test_a_batch_whose_keys_wait_for_one_another_is_refused_with_the_whole_cycle():
    batch = [{**EXEC, "key": a, "dependencies": [b, "elsewhere"]} for a, b in ("ab", "bc", "ca")]

    with pytest.raises(CycleError, match="a -> b -> c -> a"):
        tasks_of(batch)
    assert len(tasks_of(batch[:2])) == 2


def test_a_text_or_a_depth_past_its_limit_is_refused():
    small = Settings(string_bytes_max=10, depth_max=3)
    code = {"type": "eval", "arguments": "#" * 11}
    deep = {"type": "inline", "arguments": {"task": "a", "args": {"x": [[]]}}}

    assert refusals(code, settings=small) == {"/arguments": "a text of more than 10 bytes"}
    assert refusals(deep, settings=small) == {"/arguments/args/x/0": "nested more than 3 deep"}


def workflow(**given):
    tasks = given.pop("tasks", [{**EXEC, "name": "a"}])
    return workflow_of({"tasks": tasks, **given}, default_name="stem")


def test_a_workflow_is_named_after_its_file_and_completes_its_tasks():
    found = workflow(
        priority=7,
        slots=2,
        input={"day": "today"},
        on_failure="skip",
        tasks=[{**EXEC, "name": "a"}, {**EXEC, "name": "b", "priority": 1, "dependencies": ["a"]}],
    )

    assert (found.name, found.slots, found.input) == ("stem", 2, {"day": "today"})
    assert [(task.name, task.priority) for task in found.tasks] == [("a", 7), ("b", 1)]


def test_only_unknown_names_or_only_a_cycle_have_errors_of_their_own():
    with pytest.raises(UnknownDependencyError, match="no task is named `c`"):
        workflow(tasks=[{**EXEC, "name": "a", "dependencies": ["c"]}])
    with pytest.raises(CycleError, match="a -> a"):
        workflow(tasks=[{**EXEC, "name": "a", "dependencies": ["a"]}])


def test_an_input_that_its_schema_takes_is_taken():
    schema = {"type": "object", "required": ["day"]}

    assert workflow(input={"day": 1}, input_schema=schema).input_schema == schema


def test_a_schema_is_not_fetched_from_elsewhere():
    found = refusals(
        {"tasks": [{**EXEC, "name": "a"}], "input_schema": {"$ref": "http://127.0.0.1:1/x"}},
        workflow_of,
        default_name="x",
    )

    assert found["/input"] == "the schema refers to 'http://127.0.0.1:1/x', which is not in it"


@pytest.mark.parametrize(
    "settings", [Settings(), Settings(attempts_max=3), Settings(timeout_s=5), Settings(slots=1)]
)
def test_a_call_that_says_no_more_is_what_judging_it_would_make_of_it(settings):
    called = {"task": "shop.fetch", "args": {}}
    judged = task_of(
        {"type": "inline", "name": "shop.fetch", "arguments": called}, settings=settings
    )

    bare = bare_call("shop.fetch", settings)

    assert bare == judged
    assert bare.options == judged.options


def test_importing_definitions_is_light():
    code = "import sys, tipman.definitions; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["yaml", "jsonschema", "asyncio", "sqlite3", "peewee"]

    done = subprocess.run(
        [sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def nested(levels):
    task = EXEC
    for _ in range(levels):
        task = {"type": "map", "arguments": {"over": [1], "task": task}}
    return task


def test_maps_lie_within_one_another_only_so_deep():
    place = "/arguments/task" * 5

    assert len(task_of(nested(4)).options) < 10_000
    assert refusals(nested(5)) == {
        place: "tasks that bring others along, more than 4 within one another"
    }
    assert place in refusals(nested(3_000))


def test_a_map_of_itself_is_refused():
    task = {"type": "map", "arguments": {"over": [1]}}
    task["arguments"]["task"] = task

    assert "/arguments/task" * 5 in refusals(task)
