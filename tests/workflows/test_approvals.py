"""`approval` tasks: answered by whom they are for, in the form they ask for, or by time."""

import pytest
from tipman.errors import ConflictError, ForbiddenError, InvalidError

FORM = {
    "type": "object",
    "properties": {"amount": {"type": "integer", "maximum": 100}},
    "required": ["amount"],
}


def approval(**arguments):
    return {"type": "approval", "arguments": arguments}


def test_an_approval_takes_no_slot_and_its_answer_is_its_result(build):
    house = build(slots=1)
    (identifier,) = house.submit(approval())
    house.task()

    assert house.state(identifier) == "awaiting"
    house.ask("approve.reported", identifier, {"amount": 3})

    assert house.state(identifier) == "succeeded"
    result = house.result(identifier)
    assert result == {"approved": True, "data": {"amount": 3}, "by": "tester", "at": result["at"]}
    assert house.conflict("approve.reported", identifier) == "succeeded"


def test_a_rejection_fails_it_and_says_who_and_why(house):
    (identifier,) = house.submit(approval())

    house.ask("reject.reported", identifier, "too dear")

    assert house.state(identifier) == "failed"
    assert house.error(identifier) == {
        "code": "rejected",
        "message": "rejected by tester: too dear",
    }
    assert house.result(identifier)["approved"] is False


def test_a_rejected_approval_asks_again_when_it_is_retried(house):
    (identifier,) = house.submit(approval())
    house.ask("reject.reported", identifier)

    house.retry(identifier)

    assert house.state(identifier) == "awaiting"
    house.ask("approve.reported", identifier)
    assert house.outcomes(identifier) == ["failed", "succeeded"]


@pytest.mark.parametrize(
    ("task", "event"),
    [
        (approval(), "finish.reported"),
        (approval(), "fail.reported"),
        ({"type": "wait"}, "approve.reported"),
        ({"type": "wait"}, "reject.reported"),
        ({"type": "sleep", "arguments": {"duration_s": 1}}, "approve.reported"),
    ],
)
def test_an_event_that_is_for_another_type_changes_nothing(house, task, event):
    (identifier,) = house.submit(task)

    with pytest.raises(ConflictError, match="of type `"):
        house.ask(event, identifier)


def test_only_the_assignee_may_answer(house):
    (identifier,) = house.submit(approval(assignee="legal"))

    for event in ("approve.reported", "reject.reported"):
        with pytest.raises(ForbiddenError, match="'legal'"):
            house.ask(event, identifier)
    assert house.state(identifier) == "awaiting"

    house.ask_as("legal", "approve.reported", identifier)
    assert house.result(identifier)["by"] == "legal"


def test_what_does_not_fit_the_form_is_refused_with_its_place(house):
    (identifier,) = house.submit(approval(form=FORM))

    with pytest.raises(InvalidError) as refusal:
        house.ask("approve.reported", identifier, {"amount": 101})

    assert [fault.pointer for fault in refusal.value.faults] == ["/data/amount"]
    assert house.state(identifier) == "awaiting"
    house.ask("reject.reported", identifier, "no reason has a form")
    assert house.state(identifier) == "failed"


def test_a_wait_has_a_form_and_an_assignee_too(house):
    (identifier,) = house.submit(
        {"type": "wait", "arguments": {"form": FORM, "assignee": "robot"}}
    )

    with pytest.raises(ForbiddenError):
        house.ask("finish.reported", identifier, {"amount": 1})
    with pytest.raises(InvalidError):
        house.ask_as("robot", "finish.reported", identifier, {"amount": "1"})
    house.ask_as("robot", "finish.reported", identifier, {"amount": 1})

    assert house.result(identifier) == {"amount": 1}


def test_an_approval_that_nobody_answers_fails_by_its_time_out(house):
    (identifier,) = house.submit({**approval(), "timeout_s": 60})

    house.advance(60)

    assert house.error(identifier)["code"] == "timeout"


def test_its_default_approves_when_nobody_answers(house):
    default = {"approve": True, "data": {"amount": 7}}
    (identifier,) = house.submit({**approval(default=default, form=FORM), "timeout_s": 60})

    house.advance(60)

    assert house.state(identifier) == "succeeded"
    result = house.result(identifier)
    assert (result["data"], result["by"]) == ({"amount": 7}, None)


def test_its_default_rejects_when_nobody_answers(house):
    (identifier,) = house.submit({**approval(default={"approve": False}), "timeout_s": 60})

    house.advance(60)

    assert house.error(identifier) == {
        "code": "rejected",
        "message": "nobody answered in time",
    }


def test_its_arguments_are_filled_in_when_it_is_its_turn(house):
    ids = house.run(
        {"name": "who", "type": "eval", "arguments": "result = 'legal'"},
        {"name": "ask", **approval(assignee="{results.who}"), "dependencies": ["who"]},
    )

    with pytest.raises(ConflictError, match="when it is its turn"):
        house.ask_as("legal", "approve.reported", ids["ask"])
    house.succeed(ids["who"], "legal")

    with pytest.raises(ForbiddenError):
        house.ask("approve.reported", ids["ask"])
    house.ask_as("legal", "approve.reported", ids["ask"])
    assert house.state(ids["ask"]) == "succeeded"


def test_an_expression_that_can_not_be_computed_fails_it(house):
    ids = house.run({"name": "ask", **approval(assignee="{results.nobody}")})

    assert house.state(ids["ask"]) == "failed"
    assert house.error(ids["ask"])["code"] == "expression"


def test_it_waits_on_after_a_crash(house):
    (identifier,) = house.submit({**approval(assignee="tester"), "timeout_s": 60})
    house.advance(30)

    house.crash()
    house.ask("approve.reported", identifier)

    assert house.state(identifier) == "succeeded"


def test_explain_says_what_settles_it_and_who_may_send_it(house):
    (identifier,) = house.submit({**approval(assignee="legal"), "timeout_s": 60})

    (reason,) = house.explain(identifier)["waiting_for"]

    assert reason["text"] == "approve.reported or reject.reported from legal"
    assert reason["until"] is not None
