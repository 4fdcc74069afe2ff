"""What the tests of the command line share."""

import pytest
from cli.program import Program


@pytest.fixture
def tipman(tmp_path):
    """The program, in a folder of its own."""
    return Program(tmp_path)
