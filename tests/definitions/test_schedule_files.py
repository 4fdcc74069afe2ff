"""Schedule files, and the schedule block of a workflow file: every fault with its place."""

import json
from pathlib import Path

import pytest
from tipman.definitions import check_file, load_schedules, load_workflow
from tipman.errors import InvalidError

NIGHTLY = """\
key: nightly
cron: "0 2 * * *"
timezone: Europe/Prague
overlap: skip
catch_up: {policy: latest, window_s: 3600}
task: {type: exec, arguments: make report}
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write a file and return its path, by which faults call it."""
    monkeypatch.chdir(tmp_path)

    def write(name, text):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return (tmp_path / name).relative_to(tmp_path)

    return write


def faults_of(path):
    with pytest.raises(InvalidError) as caught:
        check_file(path)
    return str(caught.value).splitlines()


def test_a_file_has_one_schedule_or_several(written):
    tick = {"every_s": 5, "task": {"type": "sleep", "arguments": {"duration_s": 1}}}
    toml = '[[schedules]]\nat = "2030-01-01T00:00:00Z"\ndefinition = "report@2"\n'

    (one,) = load_schedules(written("one.yaml", NIGHTLY))
    two = load_schedules(written("two.json", json.dumps([tick, {**tick, "key": "b"}])))
    (third,) = load_schedules(written("three.toml", toml))

    assert (one["key"], one["catch_up"]["window_s"]) == ("nightly", 3600)
    assert two == [tick, {**tick, "key": "b"}]
    assert third["definition"] == "report@2"
    for name in ("one.yaml", "two.json", "three.toml"):
        check_file(Path(name))


@pytest.mark.parametrize(
    ("line", "instead", "place", "words"),
    [
        ('cron: "0 2 * * *"', 'cron: "61 * * * *"', "bad.yaml:2:1 cron", "`61` at character 1"),
        ('cron: "0 2 * * *"', 'cron: "0 0 31 2 *"', "bad.yaml:2:1 cron", "can never hold"),
        ('cron: "0 2 * * *"', 'cron: "* * * * * * *"', "bad.yaml:2:1 cron", "7 fields"),
        ('cron: "0 2 * * *"', "every_s: 0", "bad.yaml:2:1 every_s", "above 0"),
        ('cron: "0 2 * * *"', "at: 2030-01-01T00:00:00", "bad.yaml:2:1 at", "with its zone"),
        ('cron: "0 2 * * *"', "at: 9999-01-01T00:00:00Z", "bad.yaml:2:1 at", "year"),
        ('cron: "0 2 * * *"', "crom: x", "bad.yaml:2:1 crom", "did you mean `cron`?"),
        ("Europe/Prague", "Europe/Prag", "bad.yaml:3:1 timezone", "`Europe/Prague`"),
        ("overlap: skip", "overlap: skipp", "bad.yaml:4:1 overlap", "did you mean `skip`?"),
        ("window_s: 3600", "window_s: -1", "bad.yaml:5:28 catch_up.window_s", "at least 0"),
        ("arguments: make report", "argument: x", "bad.yaml:6:20 task.argument", "unknown field"),
    ],
)
def test_a_fault_stands_at_its_place(written, line, instead, place, words):
    path = written("bad.yaml", NIGHTLY.replace(line, instead))

    assert any(fault.startswith(f"{place}: ") and words in fault for fault in faults_of(path))


def test_faults_of_a_list_say_which(written):
    good = {"key": "a", "every_s": 5, "task": {"type": "wait"}}
    path = written("list.json", json.dumps([good, {**good, "key": "b", "every_s": -1}, good]))

    paths = [fault.split(" ")[1] for fault in faults_of(path)]

    assert paths == ["[1].every_s:", "[2].key:"]


@pytest.mark.parametrize("text", ["[]", "schedules: []", "schedules: 3", "- 3", "[[]]"])
def test_a_file_without_schedules_is_refused(written, text):
    assert faults_of(written("none.yaml", text))


def test_a_workflow_file_is_no_schedule_file(written):
    path = written("flow.yaml", "tasks: [{name: a, type: wait}]\nschedule: {every_s: 5}\n")

    check_file(path)
    with pytest.raises(InvalidError, match="tipman workflow add"):
        load_schedules(path)


@pytest.mark.parametrize(
    ("block", "place", "words"),
    [
        ("{cron: '0 25 * * *'}", "2:12 schedule.cron", "`25` at character 3"),
        ("{every_s: 5, task: {}}", "2:24 schedule.task", "the workflow that is submitted"),
        ("{}", "2:1 schedule", "needs one of `cron`"),
        ("daily", "2:1 schedule", "must be an object"),
        ("{at: '2030-01-01T00:00:00'}", "2:12 schedule.at", "with its zone"),
    ],
)
def test_the_schedule_block_of_a_workflow_is_judged(written, block, place, words):
    path = written("flow.yaml", f"tasks: [{{name: a, type: wait}}]\nschedule: {block}\n")

    (fault,) = faults_of(path)
    assert fault.startswith(f"flow.yaml:{place}: ")
    assert words in fault


def test_a_schedule_block_is_kept_as_it_stands(written):
    path = written("f.yaml", "tasks: [{name: a, type: wait}]\nschedule: {cron: '@daily'}\n")

    assert load_workflow(path).schedule == {"cron": "@daily"}
