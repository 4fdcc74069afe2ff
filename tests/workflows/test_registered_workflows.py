"""Workflows under names: numbered versions that never change, and what is kept of them."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from core.engines import Shop
from storage.databases import KINDS, empty_url, new_url
from tipman.definitions import Workflow, workflow_from_text, workflow_of
from tipman.definitions.contents import kept, workflow_from_source
from tipman.errors import ConflictError, InvalidError, NotFoundError
from tipman.settings import Settings

TASKS = [
    {"name": "pull", "type": "exec", "arguments": "git pull"},
    {"name": "test", "type": "exec", "arguments": "make test", "dependencies": ["pull"]},
]
NIGHTLY = {"name": "nightly", "tasks": TASKS}


@pytest.fixture(params=KINDS)
def engine(request, tmp_path):
    shop = Shop(tmp_path, empty_url(request.param, tmp_path))
    yield shop.start()
    shop.close()


@pytest.fixture
def shop(tmp_path):
    opened = Shop(tmp_path, new_url("sqlite", tmp_path))
    yield opened
    opened.close()


def content(**given):
    return kept(workflow_of({**NIGHTLY, **given}, default_name="x")).content


def test_a_workflow_has_numbers_from_one_and_the_same_content_is_the_same_version(engine):
    first = engine.add_workflow(NIGHTLY)
    other = engine.add_workflow({**NIGHTLY, "slots": 2})
    again = engine.add_workflow(dict(reversed(NIGHTLY.items())))

    assert [(a.version, a.is_new) for a in (first, other, again)] == [
        (1, True), (2, True), (1, False),
    ]  # fmt: skip
    assert engine.workflow("nightly").slots == 2
    assert engine.workflow("nightly", 1).slots is None


def test_of_many_who_add_at_once_each_content_gets_one_number(engine):
    files = [{**NIGHTLY, "slots": 1 + at % 4} for at in range(32)]

    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(engine.add_workflow, files))

    versions = {file["slots"]: a.version for file, a in zip(files, added, strict=True)}
    assert sorted(versions.values()) == [1, 2, 3, 4]
    assert sum(a.is_new for a in added) == 4
    assert all(engine.workflow("nightly", number).slots == n for n, number in versions.items())


def test_a_retired_version_stays_readable_and_takes_no_runs(engine):
    engine.add_workflow(NIGHTLY)
    engine.retire_workflow("nightly", 1)

    with pytest.raises(ConflictError, match="nightly@1 is retired"):
        engine.workflow_in_use("nightly")

    assert engine.workflow("nightly").name == "nightly"
    assert (engine.add_workflow(NIGHTLY).version, engine.workflow_in_use("nightly").version) == (
        2,
        2,
    )


def test_retiring_a_name_retires_every_version(engine):
    engine.add_workflow(NIGHTLY)
    engine.add_workflow({**NIGHTLY, "slots": 2})

    engine.retire_workflow("nightly")

    assert engine.workflow_version("nightly", 1).retired_at is not None
    assert engine.workflow_version("nightly", 2).retired_at is not None


def test_what_there_is_none_of_is_said(engine):
    for ask in (engine.workflow, engine.workflow_in_use, engine.retire_workflow):
        with pytest.raises(NotFoundError, match="no workflow 'none'"):
            ask("none")
    engine.add_workflow(NIGHTLY)
    with pytest.raises(NotFoundError, match="no workflow nightly@7"):
        engine.retire_workflow("nightly", 7)


def test_what_is_listed_is_the_newest_of_each_name_in_order(engine):
    for name in ("b", "a", "c"):
        engine.add_workflow({**NIGHTLY, "name": name})
    engine.add_workflow({**NIGHTLY, "name": "b", "slots": 1})

    found = [(w.name, w.version) for w in engine.workflows()]
    behind = [w.name for w in engine.workflows(after="a", limit=1)]

    assert found == [("a", 1), ("b", 2), ("c", 1)]
    assert behind == ["b"]


def test_namespaces_keep_workflows_apart_and_take_them_along(engine):
    engine.create_namespace("team")
    engine.add_workflow(NIGHTLY, namespace="team")

    with pytest.raises(NotFoundError):
        engine.workflow("nightly")
    engine.delete_namespace("team")
    engine.create_namespace("team")

    assert engine.workflow_version("nightly", namespace="team").retired_at is not None
    assert engine.add_workflow(NIGHTLY, namespace="team").version == 2
    with pytest.raises(InvalidError, match="no namespace 'nowhere'"):
        engine.add_workflow(NIGHTLY, namespace="nowhere")


def test_a_name_that_can_not_stand_in_an_address_is_refused(engine):
    with pytest.raises(InvalidError, match="/name: must start with a letter or digit"):
        engine.add_workflow({**NIGHTLY, "name": "every night"})
    with pytest.raises(InvalidError, match="/name: must not be empty"):
        engine.add_workflow({"tasks": TASKS})


def test_a_version_is_read_again_after_a_restart(shop):
    engine = shop.start()
    given = {
        **NIGHTLY,
        "on_failure": "block",
        "hooks": {"failed": {"type": "exec", "arguments": "true"}},
        "merge": {"a": "deep", "*": "last"},
    }
    engine.add_workflow(given)
    before = engine.workflow("nightly")
    engine.close()

    after = shop.start().workflow("nightly")

    assert after == before
    assert after is not before


def test_a_version_that_was_accepted_is_read_whatever_the_limits_are_now(shop):
    engine = shop.start()
    engine.add_workflow(NIGHTLY)
    engine.close()

    engine = shop.start(tasks_max=1, string_bytes_max=3, depth_max=2)

    assert len(engine.workflow("nightly").tasks) == 2
    with pytest.raises(InvalidError, match="more than 1 tasks"):
        engine.add_workflow(NIGHTLY)


def test_the_same_workflow_has_the_same_hash_however_it_was_written():
    yaml = """
    name: nightly
    tasks:
      - {name: pull, type: exec, arguments: git pull}
      - {name: test, type: exec, arguments: make test, dependencies: [pull]}
    """

    assert kept(workflow_from_text(yaml, name="x")).content == content()
    assert kept(workflow_from_text(json.dumps(NIGHTLY), name="x")).content == content()


def test_name_and_schedule_are_no_part_of_the_hash_and_all_else_is():
    changed = [
        content(input={"a": 1}),
        content(input_schema={"type": "object"}),
        content(on_failure="block"),
        content(merge="last"),
        content(slots=2),
        content(timeout_s=3),
        content(priority=1),
        content(hooks={"settled": {"type": "exec", "arguments": "true"}}),
        content(tasks=[TASKS[0]]),
        content(tasks=[TASKS[0], {**TASKS[1], "when": "all_settled"}]),
        content(tasks=[TASKS[0], {**TASKS[1], "compensate": TASKS[0] | {"name": "undo"}}]),
    ]

    assert content(name="other") == content()
    assert content(schedule={"cron": "0 2 * * *"}) == content()
    assert len({content(), *changed}) == len(changed) + 1


def test_an_instant_of_python_is_kept_as_text():
    at = datetime(2030, 1, 1, tzinfo=UTC)
    tasks = [{**TASKS[0], "due_at": at}]

    source = kept(workflow_of({**NIGHTLY, "tasks": tasks}, default_name="x")).source

    assert json.loads(source)["tasks"][0]["due_at"] == "2030-01-01T00:00:00.000000Z"
    assert workflow_from_source(source).tasks[0].due_at == at


def test_settings_complete_what_a_kept_workflow_does_not_say():
    source = kept(workflow_of(NIGHTLY, default_name="x")).source

    found = workflow_from_source(source, settings=Settings(timeout_s=5))

    assert isinstance(found, Workflow)
    assert [task.timeout_s for task in found.tasks] == [5, 5]
