"""What people read when a workflow file is wrong: each file in `bad`, with the words beside it.

`TIPMAN_TEST_REWRITE=1` writes the words anew, to be read before they are committed.
"""

import os
from pathlib import Path

import pytest
from tipman.definitions import load_workflow
from tipman.files import InvalidFileError

BAD = Path(__file__).with_name("bad")
FILES = sorted(path for path in BAD.iterdir() if path.suffix != ".txt")


def words_of(path):
    with pytest.raises(InvalidFileError) as caught:
        load_workflow(path)
    return str(caught.value).replace(f"{BAD}/", "") + "\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_fault_of_a_bad_file_is_named_at_its_place(path):
    expected = path.with_name(path.name + ".txt")
    words = words_of(path)
    if "TIPMAN_TEST_REWRITE" in os.environ:
        expected.write_text(words)

    assert words == expected.read_text()


def test_there_are_words_for_every_bad_file_and_no_others():
    assert {path.name for path in BAD.glob("*.txt")} == {f"{path.name}.txt" for path in FILES}
