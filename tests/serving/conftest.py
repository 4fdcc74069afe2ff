"""What the tests of the server share."""

import pytest
from serving.served import Served


@pytest.fixture
def served(tmp_path):
    """A server in this process with a home of its own, for one test."""
    with Served(tmp_path / "home") as served:
        yield served


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A server in this process that the tests of a module share."""
    with Served(tmp_path_factory.mktemp("house") / "home") as served:
        yield served
