"""Schemas that no judge comes to an end with: a fault, as every other one."""

import pytest
from tipman.definitions.schemas import faults_by, schema_faults
from tipman.errors import InvalidError
from tipman.runtime import Engine
from tipman.settings import Settings

TO_ITSELF = {"$ref": "#"}
IN_A_RING = {
    "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
    "properties": {"day": {"$ref": "#/$defs/a"}},
}


@pytest.mark.parametrize("schema", [TO_ITSELF, IN_A_RING])
def test_a_schema_that_refers_to_itself_without_end_refuses_every_value(schema):
    (fault,) = faults_by(schema, {"day": "today"})

    assert "refers to itself without end" in fault.detail


def test_a_schema_may_refer_to_itself_below():
    tree = {"type": "object", "properties": {"below": {"$ref": "#"}}}

    assert [*faults_by(tree, {"below": {"below": {}}})] == []
    assert [fault.pointer for fault in faults_by(tree, {"below": {"below": 1}})] == [
        "/below/below"
    ]


@pytest.mark.parametrize(("step", "value"), [(0.1, 10**400), (10**400, 0.5)])
def test_a_number_that_can_not_be_divided_is_refused(step, value):
    (fault,) = faults_by({"multipleOf": step}, value)

    assert "too large for the `multipleOf`" in fault.detail


def test_a_schema_that_is_nested_too_deep_to_be_judged_is_refused():
    schema = {}
    for _ in range(480):
        schema = {"allOf": [schema]}

    (fault,) = schema_faults(schema)

    assert "nested too deep" in fault.detail


def test_a_form_without_end_refuses_a_report_and_no_handler_fails(tmp_path, caplog):
    with Engine(f"sqlite:///{tmp_path}/a.db", settings=Settings(home=tmp_path)) as engine:
        waiting = engine.submit_task({"type": "wait", "arguments": {"form": TO_ITSELF}})

        with pytest.raises(InvalidError, match="refers to itself without end"):
            engine.send(waiting, "finish.reported", {"day": "today"})

    assert caplog.text == ""
