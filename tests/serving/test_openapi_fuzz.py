"""Every operation of the OpenAPI document, with whatever the document allows and what it does not.

No answer is a 5xx, none is undocumented, none is other than its schema. Cases are the same in
every run; half of them are about things that exist.
"""

import json
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup
from serving.served import Served
from tipman.executors.functions import Registry

CASES = int(os.environ.get("TIPMAN_TEST_CASES", "100"))
"""At least, for each operation that has so many."""
NEGATIVE_SHARE = 0.4
"""Of the cases: those that break the document on purpose."""
ANSWER_S = 20
BEYOND_CASES_S, CASES_A_SECOND_MIN = 60, 5
CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
PREFER = "wait=0.01"
DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"
"""Compared with the application's elsewhere."""


def operations_of(raw, url="http://127.0.0.1"):
    schema = schemathesis.openapi.from_dict(raw)
    schema.config.update(base_url=url)
    return {found.ok().label: found.ok() for found in schema.get_all_operations()}


LABELS = tuple(operations_of(json.loads(DOCUMENT.read_text(encoding="utf-8"))))


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    """A server that runs nobody's code, and the operations that its document has."""
    tasks = Registry()

    @tasks.task
    def answer():
        return 42

    @tasks.task
    def fail():
        raise ValueError("as asked")

    home = tmp_path_factory.mktemp("fuzzed") / "home"
    with Served(
        home, tasks=tasks, types_off=("exec", "eval", "python"), drain_s=0.0, grace_s=0.1
    ) as served:
        yield served, operations_of(served.ask("GET", "/openapi.json").json, served.url)


@pytest.fixture
def known(fuzzed):
    """What exists, by the name of the parameter in the path and the collection it is of."""
    served, _ = fuzzed

    def post(path, body, **headers):
        return served.ask("POST", f"/api/v1/{path}", body, headers)

    def settled(name):
        body = {"type": "inline", "arguments": {"task": name}}
        return post("tasks", body, Prefer="wait=5").json["id"]

    for name in ("greet", "part"):
        post("definitions", {"name": name, "task": {"type": "wait", "arguments": {}}})
    # Where they have been deleted meanwhile they are there again; else it is refused.
    post("namespaces", {"name": "team"})
    post("tokens", {"name": "ci", "scope": "read"})
    waiting = post("tasks", {"type": "wait", "arguments": {}}).json["id"]
    tick = {"key": "tick", "every_s": 3600, "task": {"type": "wait"}}
    post("schedules", tick)
    other = post("schedules", {**tick, "key": None, "cron": "@daily", "every_s": None})
    flow = {"name": "flow", "tasks": [{"name": "a", "type": "wait"}]}
    post("workflows", flow)
    open_run, other_run = (post("workflows/flow/runs", {}).json["id"] for _ in range(2))
    post(f"runs/{other_run}/events", {"name": "cancel.requested"})
    return {
        "reference": [settled("answer"), settled("fail"), waiting],
        "reference of runs": [open_run, other_run],
        "workflows": ["flow"],
        "reference of schedules": ["tick", other.json["id"]],
        "definitions": ["greet", "part"],
        "namespaces": ["team"],
        "tokens": ["ci"],
        "version": [1],
    }


def aimed(case, known, pick):
    """Let a case be about something that exists."""
    for name in case.path_parameters or ():
        collection = case.path.split("/")[3]
        things = known.get(f"{name} of {collection}") or known.get(name) or known[collection]
        case.path_parameters[name] = things[pick % len(things)]


def answers_of(operation, known, count, mode=GenerationMode.POSITIVE):
    """Try so many cases; return how often there was which status."""
    load_all_checks()
    checks = [CHECKS.get_one(name) for name in CHECKED]
    answers = Counter()

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=operation.as_strategy(generation_mode=mode),
        pick=st.none() | st.integers(0, 5),
    )
    def try_one(case, pick):
        if pick is not None:
            aimed(case, known, pick)
        if case.headers and "Prefer" in case.headers and mode is GenerationMode.POSITIVE:
            # Any wait is as good as a short one.
            case.headers["Prefer"] = PREFER
        answer = case.call(timeout=ANSWER_S)
        answers[answer.status_code] += 1
        case.validate_response(answer, checks=checks)

    try_one()
    return answers


@pytest.mark.timeout(BEYOND_CASES_S + CASES / CASES_A_SECOND_MIN)
@pytest.mark.parametrize("label", LABELS)
def test_every_answer_is_as_the_document_says(label, fuzzed, known, record_property):
    _, operations = fuzzed
    negative = round(CASES * NEGATIVE_SHARE)

    answers = answers_of(operations[label], known, CASES - negative)
    # What has no parameters has none to break.
    with suppress(Unsatisfiable):
        answers += answers_of(operations[label], known, negative, GenerationMode.NEGATIVE)

    record_property("answers", dict(answers))
    assert answers


def test_an_answer_that_the_document_does_not_have_is_found(fuzzed, known):
    served, _ = fuzzed
    raw = served.ask("GET", "/openapi.json").json
    del raw["paths"]["/api/v1/tasks/{reference}"]["get"]["responses"]["404"]
    operation = operations_of(raw, served.url)["GET /api/v1/tasks/{reference}"]

    with pytest.raises(FailureGroup, match="Undocumented status code"):
        answers_of(operation, known, 20)
