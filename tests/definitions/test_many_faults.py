"""Very many faults: the first are named, and nobody waits for the rest."""

import json

import pytest
from tipman.definitions import check_file, load_workflow, task_of
from tipman.errors import InvalidError
from tipman.files import InvalidFileError

MANY = 20_000
PLAIN = {"name": "a", "type": "exec", "arguments": "true"}
UNKNOWN = {f"k{n}": 1 for n in range(MANY)}
BAD = {
    "fields of a task": {"tasks": [{**PLAIN, **UNKNOWN}]},
    "fields": {"tasks": [PLAIN], **UNKNOWN},
    "variables": {"tasks": [{**PLAIN, "env": UNKNOWN}]},
    "dependencies": {"tasks": [{**PLAIN, "dependencies": [1] * MANY}]},
    "hooks": {"tasks": [PLAIN], "hooks": UNKNOWN},
    "expressions": {"tasks": [{**PLAIN, "arguments": {"argv": ["{1/0}"] * MANY}}]},
    "texts": {"tasks": [{**PLAIN, "arguments": {"argv": ["\0"] * MANY}}]},
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", BAD)
def test_the_first_of_very_many_faults_are_named(tmp_path, name):
    file = tmp_path / "a.json"
    file.write_text(json.dumps(BAD[name]))

    with pytest.raises(InvalidFileError) as refused:
        load_workflow(file)

    assert 100 <= len(refused.value.placed) <= 1_002


def test_keys_that_stand_twice_are_named_no_more_than_a_hundred_times(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('{"tasks": [{' + '"name": "a",' * MANY + '"type": "exec"}]}')

    with pytest.raises(InvalidFileError) as refused:
        load_workflow(file)

    assert 100 <= len(refused.value.placed) <= 102


def test_no_more_than_a_hundred_parameters_that_nothing_reads_are_noted(tmp_path):
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"tasks": [PLAIN], "input": {f"k{n}": n for n in range(500)}}))

    assert len(check_file(file)) == 100


def test_a_task_says_that_its_faults_are_not_all():
    with pytest.raises(InvalidError) as refused:
        task_of({**PLAIN, **UNKNOWN})

    *named, last = refused.value.faults
    assert len(named) == 100
    assert last.detail == "100 faults or more; these are the first"
