"""Early signals: what is reported of a task that does not wait yet is kept for when it does."""

import pytest
from core.house import PLAIN
from tipman.errors import ConflictError, ForbiddenError, InvalidError

APPROVAL = {"name": "ask", "type": "approval"}
FORM = {"type": "object", "required": ["amount"]}


def after(house, **fields):
    """Submit an approval that waits for a task; return both."""
    ids = house.run({**PLAIN, "name": "first"}, {**APPROVAL, "dependencies": ["first"], **fields})
    return ids["first"], ids["ask"]


def test_an_early_approval_counts_when_its_turn_comes(house):
    first, ask = after(house)

    house.ask("approve.reported", ask, "fine")
    at = house.log(ask)[-1]["at"]
    assert house.state(ask) == "waiting"
    house.advance(5)
    house.succeed(first)

    assert house.state(ask) == "succeeded"
    assert house.result(ask) == {"approved": True, "data": "fine", "by": "tester", "at": at}


def test_an_early_rejection_counts_when_its_turn_comes(house):
    first, ask = after(house)

    house.ask("reject.reported", ask, "no")
    house.succeed(first)

    assert house.error(ask) == {"code": "rejected", "message": "rejected by tester: no"}


def test_the_first_of_two_wins(house):
    first, ask = after(house)
    house.ask("reject.reported", ask)

    with pytest.raises(ConflictError, match="already"):
        house.ask("approve.reported", ask)
    house.succeed(first)

    assert house.state(ask) == "failed"


def test_it_is_judged_when_it_comes(house):
    _, ask = after(house, arguments={"form": FORM, "assignee": "legal"})

    with pytest.raises(ForbiddenError):
        house.ask("approve.reported", ask, {"amount": 1})
    with pytest.raises(InvalidError):
        house.ask_as("legal", "approve.reported", ask, {})

    assert house.state(ask) == "waiting"


@pytest.mark.parametrize("state", ["waiting", "delayed", "suspended", "blocked", "backing_off"])
def test_it_is_kept_in_every_state_before(house, state):
    ask, go_on = IN_STATE[state](house)
    assert house.state(ask) == state

    house.ask("approve.reported", ask, state)
    house.crash()
    go_on()

    assert house.state(ask) == "succeeded"
    assert house.result(ask)["data"] == state


def _waiting(house):
    first, ask = after(house)
    return ask, lambda: house.succeed(first)


def _delayed(house):
    (ask,) = house.submit({**APPROVAL, "after_s": 10})
    return ask, lambda: house.advance(10)


def _suspended(house):
    (ask,) = house.submit(APPROVAL)
    house.suspend(ask)
    return ask, lambda: house.resume(ask)


def _blocked(house):
    first = {**PLAIN, "name": "first"}
    ids = house.run(first, {**APPROVAL, "dependencies": ["first"]}, on_failure="block")
    house.fail(ids["first"])

    def go_on():
        house.retry(ids["first"])
        house.succeed(ids["first"])

    return ids["ask"], go_on


def _backing_off(house):
    (ask,) = house.submit({**APPROVAL, "retry": {"attempts_max": 2, "delay_s": 10}})
    house.ask("reject.reported", ask)
    return ask, lambda: house.advance(10)


IN_STATE = {
    "waiting": _waiting,
    "delayed": _delayed,
    "suspended": _suspended,
    "blocked": _blocked,
    "backing_off": _backing_off,
}


def test_one_that_settled_takes_nothing_more(house):
    first, ask = after(house)
    house.fail(first)

    assert house.conflict("approve.reported", ask) == "skipped"
