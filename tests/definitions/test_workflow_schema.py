"""The JSON Schema of the workflow file takes what is right and marks what is wrong."""

import re
from pathlib import Path

import pytest
import yaml
from definitions.test_definitions import ARGUMENTS
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from tipman.definitions import (
    Retry,
    Task,
    Workflow,
    resolved_tasks,
    task_from_row,
    workflow_of,
)
from tipman.definitions.arguments import SHAPES
from tipman.definitions.contents import kept, workflow_from_source
from tipman.definitions.drafts import workflow_schema
from tipman.definitions.schedules import CatchUp, Schedule
from tipman.definitions.timing import NOT_IN_BLOCKS
from tipman.errors import InvalidError
from tipman.files import read_file
from tipman.jsontext import dumps
from tipman.triggers import WORDS

ROOT = Path(__file__).parents[2]
SCHEMA = workflow_schema()
JUDGE = Draft7Validator(SCHEMA)
EXEC = {"type": "exec", "arguments": "true"}
NAMED = {**EXEC, "name": "a"}
EXAMPLES = sorted(
    path
    for path in (ROOT / "examples").iterdir()
    if path.suffix in {".yaml", ".json", ".toml"} and path.name != "schema.json"
)
BLOCKS = re.findall(
    r"```yaml\n(.*?)```", (ROOT / "docs" / "workflow-files.md").read_text(), re.DOTALL
)


def faults(document):
    return [f"{list(e.absolute_path)}: {e.message}" for e in JUDGE.iter_errors(document)]


def is_taken(document):
    try:
        workflow_of(document, default_name="x")
    except InvalidError:
        return False
    return True


def test_it_is_a_schema_of_draft_7():
    Draft7Validator.check_schema(SCHEMA)

    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_it_takes_every_example(path):
    assert faults(read_file(path).value) == []


@pytest.mark.parametrize("text", BLOCKS)
def test_it_takes_every_workflow_of_the_page(text):
    assert faults(yaml.safe_load(text)) == []


@pytest.mark.parametrize(
    ("type_", "arguments"), [(type_, a) for type_, many in ARGUMENTS.items() for a in many]
)
def test_it_takes_the_arguments_of_each_type(type_, arguments):
    assert faults({"tasks": [{"name": "a", "type": type_, "arguments": arguments}]}) == []


def test_it_knows_every_field():
    task = SCHEMA["definitions"]["task"]["properties"]
    block = SCHEMA["properties"]["schedule"]["anyOf"][0]["properties"]

    assert {*task} == {*Task.model_fields} - {"key", "namespace"}
    assert {*SCHEMA["properties"]} == {*Workflow.model_fields, "$schema"}
    assert {*task["retry"]["properties"]} == {*Retry.model_fields}
    assert {*block} == {*Schedule.model_fields} - {*NOT_IN_BLOCKS}
    assert {*block["catch_up"]["properties"]} == {*CatchUp.model_fields}


def test_it_has_a_word_for_what_a_task_takes_by_its_type():
    cases = SCHEMA["definitions"]["task"]["allOf"]
    by_type = {
        case["if"]["properties"]["type"]["const"]: case["then"]["properties"]["arguments"]
        for case in cases
    }

    assert {*by_type} == {*SHAPES, "eval"}
    for name, shape in SHAPES.items():
        found = by_type[name]
        options = [found, *found.get("anyOf", ())]
        fields = next(o["properties"] for o in options if "properties" in o)
        assert {*fields} == {*shape.model_fields}, name


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"tasks": []},
        {"tasks": [{**NAMED, "timout_s": 3}]},
        {"tasks": [EXEC]},
        {"tasks": [{"name": "a", "type": "exce", "arguments": "true"}]},
        {"tasks": [{"name": "a", "type": "exec"}]},
        {"tasks": [{"name": "a", "type": "sleep", "arguments": {"duration_s": -1}}]},
        {"tasks": [{"name": "a", "type": "sleep", "arguments": {"duration_s": "long"}}]},
        {"tasks": [{"name": "a", "type": "http", "arguments": {"metod": "GET", "url": "x"}}]},
        {"tasks": [{"name": "a", "type": "map", "arguments": {"over": 3, "task": EXEC}}]},
        {"tasks": [{"name": "a", "type": "map", "arguments": {"over": [], "task": NAMED}}]},
        {"tasks": [{"name": "a", "type": "workflow", "arguments": {}}]},
        {"tasks": [{**NAMED, "when": "all_succeded"}]},
        {"tasks": [{**NAMED, "when": {"all": []}}]},
        {"tasks": [{**NAMED, "when": {"all": [{"succeeded": "a"}], "any": [{"failed": "a"}]}}]},
        {"tasks": [{**NAMED, "when": {"context": {"key": "a", "operator": "like"}}}]},
        {"tasks": [{**NAMED, "dependencies": [{"task": "b", "carry": "dat"}]}]},
        {"tasks": [{**NAMED, "dependencies": "b"}]},
        {"tasks": [{**NAMED, "retry": {"attempts": 3}}]},
        {"tasks": [{**NAMED, "compensate": {**EXEC, "dependencies": []}}]},
        {"tasks": [NAMED], "on_failure": "ignore"},
        {"tasks": [NAMED], "merge": {"a": "frist"}},
        {"tasks": [NAMED], "hooks": {"done": EXEC}},
        {"tasks": [NAMED], "schedule": {"cron": "0 2 * * *", "task": EXEC}},
        {"tasks": [NAMED], "slots": 0},
        {"tasks": [NAMED], "due_at": "tomorrow"},
    ],
)
def test_it_marks_what_is_wrong(document):
    assert not is_taken(document)
    assert faults(document)


def some(*values):
    return st.sampled_from(values)


RULES = st.recursive(
    some(*WORDS, "sometimes", {"succeeded": "b"}, {"failed": "z"}, {"skipped": 3},
         {"context": {"key": "a.b", "operator": "exists"}},
         {"context": {"key": "a", "operator": "equals", "value": [1]}},
         {"context": {"key": "a", "operator": "equals"}}),
    lambda inner: st.dictionaries(some("all", "any", "none", "most"),
                                  st.lists(inner, max_size=2), max_size=2),
    max_leaves=5,
)  # fmt: skip
ANY_ARGUMENTS = some(*[a for many in ARGUMENTS.values() for a in many], None, 3, {"x": 1}, "{a}")
FIELDS = {
    "queue": some("mail", "", None),
    "priority": some(0, -1000, 1001, 1.0, "{a}", None),
    "after_s": some(0, 1.5, -1, None),
    "timeout_s": some(1, None, 0, "1"),
    "retry": some({}, {"attempts_max": 2, "on": ["*"]}, {"on": []}, {"backoff": "x"}, None),
    "env": some({}, {"A": "b"}, {"A": 1}, None),
    "on_lost": some("retry", "fail", None),
}
TYPED = st.sampled_from([*ARGUMENTS]).flatmap(
    lambda name: st.fixed_dictionaries(
        {"type": st.just(name), "arguments": st.sampled_from(ARGUMENTS[name]) | ANY_ARGUMENTS},
        optional=FIELDS,
    )
)
PLACED = st.fixed_dictionaries(
    {},
    optional={
        "dependencies": some([], ["b"], [{"task": "b"}], [{"task": "b", "carry": "order"}], None),
        "when": RULES | st.none(),
        "due_at": some("2026-11-21T09:00:00Z", "2026-11-21 09:00:00+01:00", "x", None),
        "compensate": TYPED | some(None, NAMED),
    },
)
TASKS = st.tuples(TYPED, PLACED).map(lambda parts: {"name": "a", **parts[0], **parts[1]})
HEADS = st.fixed_dictionaries(
    {},
    optional={
        "$schema": some("/x.json"),
        "name": some("n", "", None),
        "on_failure": some("skip", "block", "continue", "fail_fast", None),
        "input": some({}, {"a": 1}, [], None),
        "input_schema": some({}, {"type": "object"}, None, True),
        "merge": some("last", {"a": "deep"}, {}, {"*": "error"}, None),
        "hooks": some({}, {"failed": EXEC}, {"settled": NAMED}, {"failed": None}, None),
        "slots": some(1, 0, None),
        "timeout_s": some(3, None, 0),
        "priority": some(5, None),
        "schedule": some({"cron": "@daily"}, {"every_s": 5, "at": None}, {}, None),
    },
)


@settings(max_examples=400, deadline=None)
@given(HEADS, TASKS)
def test_it_takes_whatever_is_a_workflow(head, task):
    document = {**head, "tasks": [task, {**EXEC, "name": "b"}]}

    if is_taken(document):
        assert faults(document) == []


@settings(max_examples=200, deadline=None)
@given(HEADS, TASKS)
def test_whatever_is_a_workflow_comes_back_from_where_it_is_kept(head, task):
    document = {**head, "tasks": [task, {**EXEC, "name": "b"}]}

    if is_taken(document):
        workflow = workflow_of(document, default_name="x")
        source, content = kept(workflow)
        again = workflow_from_source(source)
        assert kept(again) == (source, content)
        assert (again.tasks, again.hooks) == (workflow.tasks, workflow.hooks)
        for one, other in zip(resolved_tasks(again), resolved_tasks(workflow), strict=True):
            row = (one.type, dumps(one.arguments), one.options, one.name, None, "default")
            assert task_from_row(*row).beside(dependencies=one.dependencies) == other
