"""Dependencies: who waits for whom, what is skipped and why, and what opens again."""

import pytest
from core.house import BOOM, PLAIN
from tipman.errors import ConflictError
from tipman.events import AttemptFailed, AttemptSucceeded, CancelRequested, RetryRequested
from tipman.ids import text_of


def uri(identifier):
    return f"/api/v1/tasks/{text_of(identifier)}"


def after(house, *dependencies, **fields):
    return house.task(dependencies=[uri(d) for d in dependencies], **fields)


def chain(house, length):
    return house.submit(
        {**PLAIN, "key": "0"},
        *({**PLAIN, "key": str(n), "dependencies": [str(n - 1)]} for n in range(1, length)),
    )


def cause_of(house, identifier):
    error = house.error(identifier)
    assert error["code"] == "dependency"
    return error["cause"]


@pytest.mark.parametrize("form", ["key", "uuid", "uri"])
@pytest.mark.parametrize("is_settled", [False, True])
def test_a_dependency_is_named_by_key_uuid_or_uri(house, form, is_settled):
    first = house.task(key="first")
    if is_settled:
        house.succeed(first)

    reference = {"key": "first", "uuid": text_of(first), "uri": uri(first)}[form]
    second = house.task(dependencies=[reference])

    assert house.state(second) == ("running" if is_settled else "waiting")
    assert house.view(second)["dependencies"] == [uri(first)]


def test_a_dependency_that_is_named_twice_in_two_forms_is_one(house):
    first = house.task(key="first")
    identifier = house.task(dependencies=["first", text_of(first), uri(first)])

    house.fail(first)
    assert house.state(identifier) == "skipped"
    house.retry(first)
    assert house.state(identifier) == "waiting"
    house.succeed(first)

    assert house.state(identifier) == "running"


def test_a_task_starts_when_the_last_of_its_dependencies_has_succeeded(house):
    first, second = house.submit(PLAIN, PLAIN)
    last = after(house, first, second)
    assert house.view(last)["dependencies_remaining"] == 2

    house.succeed(second)
    assert house.state(last) == "waiting"
    assert [w["uri"] for w in house.explain(last)["waiting_for"]] == [uri(first)]
    house.succeed(first)

    assert house.state(last) == "running"
    assert house.view(last)["dependencies_remaining"] == 0


def test_a_batch_may_name_its_own_keys_in_any_order(house):
    last, first = house.submit(
        {**PLAIN, "key": "last", "dependencies": ["first"]}, {**PLAIN, "key": "first"}
    )

    assert house.states(last, first) == ["waiting", "running"]
    house.succeed(first)
    assert house.state(last) == "running"


@pytest.mark.parametrize("end", ["failed", "cancelled", "abandoned", "skipped"])
@pytest.mark.parametrize("is_known", [True, False], ids=["waiting", "submitted afterwards"])
def test_a_dependency_that_did_not_succeed_skips_its_dependents_with_the_cause(
    build, end, is_known
):
    house = build(lost_max=1)
    before = house.task()
    dependency = after(house, before) if end == "skipped" else before
    identifier = after(house, dependency) if is_known else None

    {
        "failed": lambda: house.fail(before),
        "cancelled": lambda: (house.cancel(before), house.fail(before)),
        "abandoned": house.crash,
        "skipped": lambda: house.fail(before),
    }[end]()
    if identifier is None:
        identifier = after(house, dependency)

    assert house.states(dependency, identifier) == [end, "skipped"]
    assert cause_of(house, identifier) == uri(dependency)
    assert house.view(identifier)["attempt"] == 0


def test_a_task_is_skipped_only_when_all_its_dependencies_have_settled(house):
    good, bad, worse = house.submit(PLAIN, PLAIN, PLAIN)
    identifier = after(house, good, bad, worse)

    house.fail(worse)
    house.fail(bad)
    assert house.state(identifier) == "waiting"
    house.succeed(good)

    assert house.state(identifier) == "skipped"
    assert cause_of(house, identifier) == uri(bad), "the first in the task's own list"


def test_a_skip_goes_down_the_whole_graph_each_with_its_own_cause(house):
    top, left, right, bottom = house.submit(
        {**PLAIN, "key": "top"},
        {**PLAIN, "key": "left", "dependencies": ["top"]},
        {**PLAIN, "key": "right", "dependencies": ["top"]},
        {**PLAIN, "key": "bottom", "dependencies": ["left", "right"]},
    )

    house.fail(top)

    assert house.states(left, right, bottom) == ["skipped"] * 3
    assert [cause_of(house, i) for i in (left, right, bottom)] == [uri(top), uri(top), uri(left)]


def test_a_batch_whose_dependency_has_failed_is_skipped_to_its_last(house):
    before = house.task(key="before")
    house.fail(before)

    first, second, third = house.submit(
        {**PLAIN, "key": "third", "dependencies": ["second"]},
        {**PLAIN, "key": "second", "dependencies": ["first"]},
        {**PLAIN, "key": "first", "dependencies": ["before"]},
    )

    assert house.states(first, second, third) == ["skipped"] * 3


def test_a_skipped_task_can_not_be_cancelled_and_says_so(house):
    dependency = house.task()
    identifier = after(house, dependency)
    house.fail(dependency)

    assert house.conflict("cancel.requested", identifier) == "skipped"


# Opening again.


def test_retrying_opens_what_was_skipped_because_of_it(house):
    tasks = chain(house, 4)
    house.fail(tasks[0])
    assert house.states(*tasks) == ["failed", "skipped", "skipped", "skipped"]

    house.retry(tasks[0])

    assert house.states(*tasks) == ["running", "waiting", "waiting", "waiting"]
    for task in tasks:
        house.succeed(task)
    assert house.states(*tasks) == ["succeeded"] * 4
    assert house.error(tasks[3]) is None
    assert [house.names(t).count("task.reopened") for t in tasks] == [1] * 4


def test_retrying_leaves_what_ran_as_it_is(house):
    first, bad = house.submit(PLAIN, PLAIN)
    ran, last = after(house, first), after(house, first, bad)
    house.succeed(first)
    house.succeed(ran, "kept")
    house.fail(bad)
    before = house.log(ran)

    house.retry(bad)
    house.succeed(bad)

    assert house.state(last) == "running"
    assert house.log(ran) == before


def test_what_was_skipped_because_of_two_opens_when_both_are_retried(house):
    one, other = house.submit(PLAIN, PLAIN)
    identifier = after(house, one, other)
    house.fail(one)
    house.fail(other)

    house.retry(one)
    assert house.state(identifier) == "skipped"
    assert cause_of(house, identifier) == uri(other)
    house.retry(other)

    assert house.state(identifier) == "waiting"
    house.succeed(one)
    assert house.state(identifier) == "waiting"
    house.succeed(other)
    assert house.state(identifier) == "running"


@pytest.mark.parametrize(("end", "then"), [("succeed", "running"), ("fail", "skipped")])
def test_a_skipped_task_keeps_counting_while_one_of_its_causes_runs_again(house, end, then):
    both = house.submit(PLAIN, PLAIN)
    identifier = after(house, *both)
    for dependency in both:
        house.fail(dependency)
    house.retry(both[0])

    getattr(house, end)(both[0])

    assert house.state(identifier) == "skipped"
    house.retry(both[1])
    house.succeed(both[1])
    assert house.state(identifier) == then
    if then == "skipped":
        assert cause_of(house, identifier) == uri(both[0])


def test_a_waiting_task_counts_a_dependency_that_is_retried_again(house):
    failing, other = house.submit(PLAIN, PLAIN)
    identifier = after(house, failing, other)
    house.fail(failing)

    house.retry(failing)
    assert house.view(identifier)["dependencies_remaining"] == 2
    house.succeed(other)

    assert house.state(identifier) == "waiting"
    house.succeed(failing)
    assert house.state(identifier) == "running"


def test_a_skip_whose_cause_stands_can_not_be_retried(house):
    dependency = house.task()
    identifier = after(house, dependency)
    house.fail(dependency)

    with pytest.raises(ConflictError, match=text_of(dependency)) as refused:
        house.retry(identifier)

    assert refused.value.state == "skipped"
    assert house.state(identifier) == "skipped"


def test_a_cancelled_task_whose_dependency_failed_meanwhile_can_not_be_retried(house):
    dependency = house.task()
    identifier = after(house, dependency)
    house.cancel(identifier)
    house.fail(dependency)

    with pytest.raises(ConflictError, match=text_of(dependency)):
        house.retry(identifier)

    house.retry(dependency)
    assert house.state(identifier) == "cancelled", "nobody asked for it to open again"
    house.retry(identifier)
    assert house.state(identifier) == "waiting"
    house.succeed(dependency)
    assert house.state(identifier) == "running"


def test_a_suspended_dependent_counts_a_retry_of_its_dependency(house):
    dependency = house.task()
    identifier = after(house, dependency)
    house.suspend(identifier)
    house.fail(dependency)
    house.retry(dependency)

    house.resume(identifier)

    assert house.state(identifier) == "waiting"
    house.succeed(dependency)
    assert house.state(identifier) == "running"


def test_a_task_submitted_while_its_dependency_is_open_again_waits_for_it(house):
    dependency = house.task()
    house.fail(dependency)
    house.retry(dependency)

    identifier = after(house, dependency)

    assert house.state(identifier) == "waiting"
    house.succeed(dependency)
    assert house.state(identifier) == "running"


def test_a_failure_and_its_retry_in_one_drain_leave_the_dependents_waiting(house):
    dependency = house.task()
    identifier = after(house, dependency)
    start = house.hand.started[0]

    house.publish(
        AttemptFailed(dependency, 1, start.epoch, BOOM),
        RetryRequested(dependency, "tester", None),
    )

    assert house.states(dependency, identifier) == ["running", "waiting"]
    house.succeed(dependency)
    assert house.state(identifier) == "running"


def test_an_end_and_a_cancel_of_the_dependent_in_one_drain_settle_it_once(house):
    dependency = house.task()
    identifier = after(house, dependency)
    start = house.hand.started[0]

    house.publish(
        AttemptSucceeded(dependency, 1, start.epoch, "null"),
        CancelRequested(identifier, "tester", None),
    )

    assert house.state(identifier) == "cancelled"
    assert house.names(identifier).count("task.settled") == 1
    assert len(house.hand.started) == 1


def test_counts_survive_a_crash(house):
    first, second = house.submit(PLAIN, PLAIN)
    last = after(house, first, second)
    house.succeed(first)

    house.crash()

    assert house.view(last)["dependencies_remaining"] == 1
    house.succeed(second)
    assert house.state(last) == "running"


def test_a_wide_fan_out_and_in_starts_its_last_task_once(build):
    house = build(slots=200)
    keys = [f"k{n}" for n in range(200)]
    first, *middle, last = house.submit(
        {**PLAIN, "key": "first"},
        *({**PLAIN, "key": key, "dependencies": ["first"]} for key in keys),
        {**PLAIN, "key": "last", "dependencies": keys},
    )
    house.succeed(first)

    for task in middle:
        house.succeed(task)

    assert house.state(last) == "running"
    assert len(house.hand.started) == 202
