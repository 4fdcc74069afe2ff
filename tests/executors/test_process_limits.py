"""What is too much for the line to the nursery fails alone; the nursery and all others go on."""

import pytest
from executors.house import House
from executors.reported import start
from tipman.events import AttemptSucceeded

LINE_BYTES_MAX = 100_000
MUCH = "x" * LINE_BYTES_MAX
CALLS = {
    "exec": "true",
    "eval": "result = 1",
    "python": {"call": "builtins:dict", "args": {"much": MUCH}},
}


@pytest.fixture
def house(tmp_path, monkeypatch):
    for module in ("link", "processes"):
        monkeypatch.setattr(f"tipman.executors.{module}.LINE_BYTES_MAX", LINE_BYTES_MAX)
    with House(tmp_path) as house:
        yield house


@pytest.mark.parametrize("kind", CALLS)
def test_an_attempt_that_sees_too_much_fails_and_no_other(house, kind):
    house.begin("exec", "sleep 0.2")
    seen = {"context": {"much": MUCH}, "results": {}}

    house.executor.start(start(kind, CALLS[kind], number=9)._replace(context=seen))

    refused, other = house.reports.next(), house.reports.next()
    assert refused.failure.code == "too_large"
    assert refused.failure.message == "what the task sees is more than 100,000 bytes of JSON"
    assert isinstance(other, AttemptSucceeded)
    assert not house.deaths
