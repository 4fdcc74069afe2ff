"""What the documentation and the examples say of workflow files is so."""

import re
from pathlib import Path

import pytest
from tipman.definitions import Retry, Task, Workflow, load_workflow, workflow_from_text
from tipman.definitions.arguments import SHAPES
from tipman.files import Format, InvalidFileError

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "workflow-files.md").read_text()
EXAMPLES = sorted(
    path
    for path in (ROOT / "examples").iterdir()
    if path.suffix in {".yaml", ".json", ".toml"} and path.name != "schema.json"
)
BLOCKS = re.findall(r"```(yaml|json|toml)\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize(("format_", "text"), BLOCKS)
def test_every_workflow_in_the_documentation_is_one(format_, text):
    assert workflow_from_text(text, name="documented", format_=Format(format_)).tasks


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_a_workflow(path):
    assert load_workflow(path).tasks


@pytest.mark.parametrize("field", [*Workflow.model_fields, *Task.model_fields])
def test_every_field_stands_in_the_documentation(field):
    assert f"| `{field}` |" in TEXT or field in {"key", "namespace"}


@pytest.mark.parametrize("field", Retry.model_fields)
def test_every_field_of_retries_stands_in_the_documentation(field):
    assert f"| `{field}` |" in TEXT


@pytest.mark.parametrize("type_", [*SHAPES, "eval"])
def test_every_type_and_its_arguments_stand_in_the_documentation(type_):
    (row,) = re.findall(rf"^\| `{type_}` \|.*$", TEXT, re.MULTILINE)

    fields = SHAPES[type_].model_fields if type_ in SHAPES else ()
    assert [field for field in fields if not re.search(rf"\b{field}\b", row)] == []


def test_the_example_with_a_schema_satisfies_it():
    folder = ROOT / "examples"

    assert len(load_workflow(folder / "input.json", schema=folder / "schema.json").tasks) == 3


def test_what_the_schema_refuses_is_named_at_its_place(tmp_path):
    path = tmp_path / "input.json"
    path.write_text(
        '{"tasks": [\n {"name": "a", "type": "sleep", "arguments": {"duration_s": 1}}]}'
    )

    with pytest.raises(InvalidFileError) as caught:
        load_workflow(path, schema=ROOT / "examples" / "schema.json")

    assert [str(fault) for fault in caught.value.placed] == [
        f"{path}:2:16 tasks[0].type: 'sleep' is not one of ['exec', 'eval']",
        f"{path}:2:33 tasks[0].arguments: {{'duration_s': 1}} is not of type 'string'",
    ]


def test_a_schema_that_is_none_is_named_by_its_own_place(tmp_path):
    schema = tmp_path / "schema.json"
    schema.write_text('{\n "type": 3}')

    with pytest.raises(InvalidFileError, match=r"schema\.json:2:2 type: is no JSON Schema"):
        load_workflow(ROOT / "examples" / "input.json", schema=schema)


def test_parameters_take_the_place_of_inputs_before_they_are_judged(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(
        '{"input": {"day": 1, "hour": 2},'
        ' "input_schema": {"properties": {"day": {"type": "string"}}},'
        ' "tasks": [{"name": "a", "type": "exec", "arguments": "true"}]}'
    )

    assert load_workflow(path, parameters={"day": "x"}).input == {"day": "x", "hour": 2}
    with pytest.raises(InvalidFileError, match=r"a\.json:1:12 input\.day: 1 is not of type"):
        load_workflow(path)
    with pytest.raises(InvalidFileError, match=r"a\.json:1:12 input\.day: \[\] is not of type"):
        load_workflow(path, parameters={"day": []})


@pytest.mark.parametrize(
    ("stem", "why"),
    [
        (" a", "it must have no control characters and no blanks around it"),
        ("a\udcff", "it has a lone surrogate"),
        ("a" * 201, "it must be at most 200 characters"),
    ],
)
def test_a_file_whose_own_name_will_not_do_is_told_that_it_lacks_one(tmp_path, stem, why):
    task = '"tasks": [{"name": "a", "type": "exec", "arguments": "true"}]'
    path = tmp_path / f"{stem}.json"
    path.write_text(f"{{{task}}}")

    with pytest.raises(InvalidFileError) as refused:
        load_workflow(path)

    (fault,) = refused.value.placed
    assert fault.detail == f"is missing, and the file's own will not do: {why}"
    path.write_text(f'{{"name": "a", {task}}}')
    assert load_workflow(path).name == "a"


@pytest.mark.parametrize(("format_", "count"), [("json", 100_000), ("yaml", 5_000)])
def test_a_workflow_of_very_many_tasks_is_read(format_, count):
    rows = ",\n".join(
        f'{{"name": "t{n}", "type": "exec", "arguments": "true", "dependencies": ["t{n - 1}"]}}'
        for n in range(1, count)
    )
    text = f'{{"tasks": [{{"name": "t0", "type": "exec", "arguments": "true"}},\n{rows}]}}'

    found = workflow_from_text(text, name="many", format_=Format(format_))

    assert len(found.tasks) == count
