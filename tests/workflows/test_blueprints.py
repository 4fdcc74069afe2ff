"""Workflows written in Python: they are what the file says, to the letter."""

import json
from collections.abc import Mapping

import pytest
import tipman
from tipman import Engine
from tipman.blueprints import Blueprint, context, item, workflow
from tipman.definitions import workflow_from_text, workflow_of
from tipman.definitions.contents import kept
from tipman.errors import InvalidError
from tipman.executors.functions import Registry

FILE = """
name: nightly
on_failure: block
input: {day: today}
tasks:
  - {name: pull, type: exec, arguments: git pull, retry: {attempts_max: 3, delay_s: 1}}
  - name: fetch
    type: inline
    arguments: {task: fetch, args: {url: "http://x/{context.day}"}}
    dependencies: [{task: pull, carry: order}]
    compensate: {type: exec, arguments: rm page}
  - name: count
    type: inline
    arguments: {task: count, args: {page: "{results.fetch}", words: ["{results.fetch.title}"]}}
    dependencies: [fetch]
  - name: tell
    type: exec
    arguments: {argv: [mail, "{results.count}"]}
    dependencies: [count, pull]
    when: {any: [{failed: pull}, {context: {key: n, operator: less_than, value: 3}}]}
hooks:
  failed: {type: exec, arguments: alarm}
"""
TASKS = Registry()


@TASKS.task
def fetch(url: str) -> dict:
    return {"title": url, "n": 2}


@TASKS.task
def count(page, words=()) -> int:
    return len([page, *words]) - 1


def written():
    with workflow("nightly", on_failure="block", input={"day": "today"}) as w:
        pull = w.task(
            "pull", type="exec", arguments="git pull", retry={"attempts_max": 3, "delay_s": 1}
        )
        page = w.task(fetch, url="http://x/{context.day}").after(pull, carry="order")
        page.compensate(type="exec", arguments="rm page")
        found = w.task(count, page=page, words=[page["title"]])
        tell = w.task("tell", type="exec", arguments={"argv": ["mail", found]})
        tell.after(pull, when={"any": [pull.failed, context("n", "less_than", 3)]})
        w.hook("failed", type="exec", arguments="alarm")
    return w


def test_what_is_written_is_what_the_file_says():
    from_file = workflow_from_text(FILE, name="x")

    assert json.loads(json.dumps(dict(written()))) == json.loads(json.dumps(from_file.given))
    assert workflow_of(written(), default_name="x") == from_file
    assert kept(workflow_of(written(), default_name="x")) == kept(from_file)


def test_a_function_that_is_decorated_writes_a_workflow_of_its_name():
    @workflow(on_failure="continue")
    def report(w, day="today", hour=7):
        w.task("a", type="exec", arguments={"argv": ["echo", day, f"at {hour}"]})

    assert isinstance(report, Blueprint)
    assert isinstance(report, Mapping)
    assert dict(report) == {
        "name": "report",
        "on_failure": "continue",
        "input": {"day": "today", "hour": 7},
        "tasks": [
            {
                "name": "a",
                "type": "exec",
                "arguments": {"argv": ["echo", "{context.day}", "at {context.hour}"]},
            }
        ],
    }


def test_a_parameter_without_a_default_must_be_given_with_the_run(tmp_path):
    @workflow
    def report(w, day):
        w.task("a", type="exec", arguments={"argv": ["echo", day]})

    assert report["input_schema"] == {"type": "object", "required": ["day"]}
    with Engine(f"sqlite:///{tmp_path}/t.db", tasks=TASKS) as engine:
        with pytest.raises(InvalidError, match="'day' is a required property"):
            engine.run_workflow(report)
        run = engine.run_workflow(report, {"day": "Monday"})
        assert run.wait(30).state == "succeeded"


def test_a_workflow_runs_its_functions_with_what_came_before(tmp_path):
    with workflow("pages") as w:
        page = w.task(fetch, url="http://x")
        w.task(count, page=page, words=[page["title"], page["n"]])

    with Engine(f"sqlite:///{tmp_path}/t.db", tasks=TASKS) as engine:
        added = engine.add_workflow(w)
        engine.run_workflow("pages").wait(30)
        handles = engine.submit_workflow(engine.workflow("pages"))

        assert (added.version, handles["count"].result) == (1, 2)


def test_what_is_wrong_is_named_when_it_is_written():
    w = workflow("x")
    a = w.task("a", type="exec", arguments="true", timout_s=3)
    w.task("b", type="exec", arguments="true").after(a, when="all_failled")

    with pytest.raises(InvalidError) as caught, w:
        pass

    assert [f.pointer for f in caught.value.faults] == ["/tasks/0/timout_s", "/tasks/1/when"]


def test_a_name_twice_is_refused_where_it_is_written():
    w = workflow("x")
    w.task(fetch, url="a")

    with pytest.raises(InvalidError, match=r"`fetch` is already the name of a task; `\.options"):
        w.task(fetch, url="b")
    assert w.task(fetch.options(name="again", priority=3), url="b").mapping["priority"] == 3


def test_arguments_of_a_function_are_judged_where_they_are_written():
    with pytest.raises(InvalidError, match="did you mean"):
        workflow("x").task(fetch, urll="a")


def test_a_result_within_a_text_is_refused_because_nobody_would_wait_for_it():
    w = workflow("x")
    a = w.task("a b", type="exec", arguments="true")

    with pytest.raises(InvalidError, match=r"can not stand within a text; write `\{results"):
        w.task("b", type="exec", arguments={"argv": [f"{a['n']}"]})
    with pytest.raises(TypeError, match="has no parts yet"):
        list(a)
    assert a["n"][0].expression == "results['a b'].n[0]"


def test_a_task_over_values_is_a_map(tmp_path):
    with workflow("pages") as w:
        links = w.task("links", type="eval", arguments="result = ['a', 'b']")
        pages = w.task(fetch, url=item).over(links, parallel_max=2, failures_max="10%")
        w.task(count, page=pages, words=["one"])

    assert w["tasks"][1] == {
        "name": "fetch",
        "type": "map",
        "arguments": {
            "over": "{results.links}",
            "task": {"type": "inline", "arguments": {"task": "fetch", "args": {"url": "{item}"}}},
            "parallel_max": 2,
            "failures_max": "10%",
        },
        "dependencies": ["links"],
    }
    with Engine(f"sqlite:///{tmp_path}/t.db", tasks=TASKS) as engine:
        handles = engine.submit_workflow(workflow_of(w, default_name="x"))
        assert handles["fetch"].result == [{"title": "a", "n": 2}, {"title": "b", "n": 2}]


def test_an_error_of_the_writer_is_not_covered_by_those_of_the_workflow():
    with pytest.raises(KeyError), workflow("x"):
        raise KeyError


def test_a_hook_of_no_end_is_refused():
    with pytest.raises(InvalidError, match="no hook 'fail'; did you mean `failed`"):
        workflow("x").hook("fail", type="exec", arguments="true")


def test_the_parts_of_rules_read_like_the_file():
    step = workflow("x").task("a", type="exec", arguments="true")

    assert (step.succeeded, step.failed, step.skipped) == (
        {"succeeded": "a"}, {"failed": "a"}, {"skipped": "a"},
    )  # fmt: skip
    assert context("n", "exists") == {"context": {"key": "n", "operator": "exists"}}


def test_it_is_there_by_the_name_of_the_package():
    assert tipman.workflow is workflow
