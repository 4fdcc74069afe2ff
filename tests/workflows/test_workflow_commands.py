"""`tipman workflow`, `tipman draw` and `tipman validate`: what they print and how they end."""

import json

import pytest
from jsonschema import Draft7Validator
from serving.served import Served
from tipman_api.cli import exit_code_of_command

FILE = """\
name: nightly
input: {day: today}
tasks:
  - {name: pull, type: exec, arguments: "echo $day"}
  - {name: test, type: exec, arguments: "true", dependencies: [pull], when: all_settled}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def call(served, tmp_path, monkeypatch, capfd):
    """Run a command in this process; return its code, its output and its errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIPMAN_URL", served.url)
    (tmp_path / "nightly.yaml").write_text(FILE)

    def called(*arguments):
        code = exit_code_of_command([*map(str, arguments)])
        return (int(code), *capfd.readouterr())

    return called


@pytest.fixture
def space(served, request):
    """A namespace that only this test uses."""
    name = "n" + str(abs(hash(request.node.name)))
    served.post("/api/v1/namespaces", {"name": name})
    return name


def test_a_file_is_added_listed_shown_and_retired(call, space):
    code, out, err = call("workflow", "add", "nightly.yaml", "--namespace", space, "--json")
    assert (code, err) == (0, "")
    assert (json.loads(out)["version"], json.loads(out)["workflow"]["name"]) == (1, "nightly")

    code, out, _ = call("workflow", "list", "--namespace", space)
    assert (code, out.split("\t")[:2]) == (0, ["nightly", "1"])
    code, out, _ = call("workflow", "show", "nightly@1", "--namespace", space, "--json")
    assert json.loads(out)["retired_at"] is None
    code, out, err = call("workflow", "retire", "nightly@1", "--namespace", space)
    assert (code, out, err) == (0, "", "")
    code, out, _ = call("workflow", "show", "nightly", "--namespace", space, "--json")
    assert json.loads(out)["retired_at"] is not None


def test_a_file_without_a_name_is_added_under_its_stem(call, tmp_path, space):
    (tmp_path / "weekly.json").write_text('{"tasks": [{"name": "a", "type": "wait"}]}')

    _, out, _ = call("workflow", "add", "weekly.json", "--namespace", space, "--json")

    assert json.loads(out)["name"] == "weekly"


def test_a_file_that_is_wrong_is_not_sent_and_its_faults_have_their_lines(call, tmp_path, space):
    (tmp_path / "nightly.yaml").write_text(FILE.replace("[pull]", "[pul]"))

    code, out, err = call("workflow", "add", "nightly.yaml", "--namespace", space)

    assert (code, out) == (2, "")
    assert "nightly.yaml:5:64 tasks[1].dependencies[0]: no task is named `pul`" in err
    assert call("workflow", "list", "--namespace", space)[1] == ""


def test_what_there_is_none_of_ends_with_three(call):
    assert call("workflow", "show", "none")[0] == 3
    assert call("workflow", "retire", "none")[0] == 3


def test_the_schema_is_printed_without_a_server(call, monkeypatch):
    monkeypatch.delenv("TIPMAN_URL")

    code, out, _ = call("workflow", "schema")

    assert code == 0
    Draft7Validator.check_schema(json.loads(out))


@pytest.mark.parametrize(
    ("format_", "line"),
    [
        ("mermaid", '    n0 -->|"all_settled"| n1'),
        ("dot", '    n0 -> n1 [label="all_settled"]'),
    ],
)
def test_a_file_is_drawn_without_a_server(call, monkeypatch, format_, line):
    monkeypatch.delenv("TIPMAN_URL")

    code, out, err = call("draw", "nightly.yaml", "--format", format_)

    assert (code, err) == (0, "")
    assert line in out.splitlines()


def test_the_facts_of_a_drawing_are_json(call):
    expected = {"from": "pull", "to": "test", "carry": "data", "rule": "all_settled"}

    for arguments in (["--format", "json"], ["--json"]):
        code, out, _ = call("draw", "nightly.yaml", *arguments)
        assert (code, json.loads(out)["edges"]) == (0, [expected])


def test_a_file_that_is_not_there_is_named(call):
    code, _, err = call("draw", "none.yaml")

    assert code == 2
    assert "none.yaml: can not be read" in err


def test_a_run_is_drawn_with_its_states(call, served, space):
    call("workflow", "add", "nightly.yaml", "--namespace", space)
    run = served.engine.run_workflow("nightly", namespace=space, key="first")
    run.wait(30)

    code, out, err = call("draw", "first", "--namespace", space)

    assert (code, err) == (0, "")
    assert '    n0["pull<br/>exec<br/>succeeded"]:::succeeded' in out.splitlines()
    assert call("draw", "none", "--namespace", space)[0] == 3


def test_a_parameter_that_no_task_names_is_noted_and_no_fault(call, tmp_path):
    text = FILE.replace("input:", "input_schema: {properties: {hour: {}, day: {}}}\ninput:")
    (tmp_path / "nightly.yaml").write_text(text)

    code, out, err = call("validate", "nightly.yaml")

    assert (code, out) == (0, "nightly.yaml: ok\n")
    assert err == (
        "nightly.yaml:2:29 input_schema.properties.hour: no task names `hour`;"
        " only code outside of this file could read it (only a note)\n"
    )


def test_a_name_that_no_expression_sees_is_noted_and_no_fault(call, tmp_path):
    (tmp_path / "rest.yaml").write_text(
        'tasks: [{name: rest, type: sleep, arguments: {duration_s: "{contxt.n}"}}]\n'
    )

    code, out, err = call("validate", "rest.yaml")

    assert (code, out) == (0, "rest.yaml: ok\n")
    assert err == (
        "rest.yaml:1:47 tasks[0].arguments.duration_s: nothing is called `contxt` here,"
        " only `context`, `results`; did you mean `context`? (only a note)\n"
    )
