"""Odd text: what both databases take comes back whole; what one refuses is refused before."""

import pytest
from core.house import PLAIN, WAIT
from tipman import queries
from tipman.errors import InvalidError, NotFoundError, TipmanError

ODD = "emoji 🦊 👩‍👩‍👧, ünï, ﷽, quote ' \" \\ % ? %s, \U0010ffff"
REFUSED = {"NUL": "a\0b", "lone surrogate": "a\ud800b"}

refused = pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)


def count(house):
    return house.reader.fetch("SELECT count(*) FROM instance")[0][0]


def test_odd_text_comes_back_as_it_was(house):
    identifier = house.task(
        type="exec",
        arguments={"argv": ["echo", ODD]},
        name=ODD,
        queue=ODD,
        env={"NAME": ODD + "\n\t\x01"},
    )
    (wait,) = house.submit(WAIT)
    (start,) = house.hand.started

    house.succeed(identifier, {ODD: [ODD]})
    house.ask("finish.reported", wait, ODD)

    view = house.view(identifier)
    assert (view["name"], view["queue"]) == (ODD, ODD)
    assert view["arguments"] == {"argv": ["echo", ODD]}
    assert view["result"] == {ODD: [ODD]}
    assert start.env == {"NAME": ODD + "\n\t\x01"}
    assert house.result(wait) == ODD


def test_odd_text_comes_back_after_a_start(house):
    house.task(type="exec", arguments={"argv": [ODD]}, env={"NAME": ODD}, name=ODD)

    house.crash()

    (start,) = house.hand.started
    assert (start.arguments, start.env, start.name) == ({"argv": [ODD]}, {"NAME": ODD}, ODD)


def test_numbers_come_back_as_they_were(house):
    numbers = [0, -1, 2**63, -(2**80), 0.1, 1e-300, 1.7976931348623157e308, True, None]
    identifier = house.task()

    house.succeed(identifier, numbers)

    assert [repr(n) for n in house.result(identifier)] == [repr(n) for n in numbers]


@refused
@pytest.mark.parametrize(
    "fields",
    [
        lambda text: {"name": text},
        lambda text: {"key": text},
        lambda text: {"queue": text},
        lambda text: {"dependencies": [text]},
        lambda text: {"env": {"A": text}},
        lambda text: {"env": {text: "a"}},
        lambda text: {"type": "exec", "arguments": text},
        lambda text: {"type": "exec", "arguments": {"argv": ["echo", text]}},
        lambda text: {"type": "inline", "arguments": {"task": "t", "args": {text: 1}}},
        lambda text: {"type": "counter", "arguments": {"name": text}},
    ],
    ids=[
        "name", "key", "queue", "dependency", "env", "variable", "shell", "argv", "args",
        "counter",
    ],
)  # fmt: skip
def test_a_task_with_text_that_can_not_be_stored_is_refused(house, fields, text):
    with pytest.raises(InvalidError):
        house.task(**fields(text))

    assert count(house) == 0
    assert house.failure is None
    assert house.state(house.task()) == "running"


@refused
@pytest.mark.parametrize("name", ["cancel.requested", "suspend.requested", "finish.reported"])
def test_a_request_with_data_that_can_not_be_stored_is_refused(house, name, text):
    (identifier,) = house.submit(WAIT)
    before = house.log(identifier)

    for data in (text, {text: 1}, [text]):
        with pytest.raises(InvalidError):
            house.ask(name, identifier, data)

    assert house.failure is None
    assert house.log(identifier) == before
    house.ask("finish.reported", identifier, "fine")
    assert house.state(identifier) == "succeeded"


@refused
def test_an_early_report_that_can_not_be_stored_is_refused(house, text):
    (identifier,) = house.submit({**WAIT, "after_s": 5})

    with pytest.raises(InvalidError):
        house.ask("finish.reported", identifier, text)

    house.advance(5)
    assert house.state(identifier) == "awaiting"


def test_nothing_is_found_by_a_name_that_can_not_be_stored(house):
    house.task()

    for text in REFUSED.values():
        for reference in (text, f"/api/v1/tasks/{text}"):
            with pytest.raises(NotFoundError):
                queries.find(house.reader, reference)


@pytest.mark.parametrize("data", [float("nan"), float("inf"), {1: 2}, object(), {"a": {1, 2}}])
def test_data_that_is_not_json_is_refused(house, data):
    (identifier,) = house.submit(WAIT)

    with pytest.raises(InvalidError):
        house.ask("finish.reported", identifier, data)

    assert house.state(identifier) == "awaiting"


def test_data_that_is_nested_too_deep_is_refused(house):
    (identifier,) = house.submit(WAIT)
    data = []
    for _ in range(10_000):
        data = [data]

    with pytest.raises(TipmanError):
        house.ask("finish.reported", identifier, data)

    assert house.state(identifier) == "awaiting"


def test_a_value_that_is_nested_as_deep_as_allowed_comes_back(house):
    identifier = house.task(**{**PLAIN, "name": "deep"})
    value = "bottom"
    for _ in range(60):
        value = [value]

    house.succeed(identifier, value)

    assert house.result(identifier) == value
