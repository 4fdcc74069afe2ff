"""Retries are decided from plain values: same values, same verdict."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tipman.definitions import Retry
from tipman.events import Failure
from tipman.retries import (
    Backoff,
    GiveUp,
    RetryAfter,
    decide,
    delay,
    error_of,
    exception_conditions,
    is_condition,
    share_of,
)

SHARES = st.floats(0, 1, exclude_max=True)
POLICIES = st.builds(
    Retry,
    attempts_max=st.integers(1, 20_000),
    backoff=st.sampled_from(Backoff),
    delay_s=st.floats(0, 3e9),
    delay_s_max=st.floats(0, 3e9),
    jitter=st.floats(0, 1),
)
EXIT_3 = Failure(code="exit_code", message="ended with 3", matches=("exit:3",))


@given(POLICIES, st.integers(1, 20_000), SHARES)
def test_a_delay_is_never_below_zero_or_above_its_cap(policy, attempts_used, share):
    assert 0 <= delay(policy, attempts_used=attempts_used, share=share) <= policy.delay_s_max


@given(POLICIES, st.integers(1, 20_000), SHARES)
def test_a_delay_never_shrinks_from_one_attempt_to_the_next(policy, attempts_used, share):
    first = delay(policy, attempts_used=attempts_used, share=share)

    assert first <= delay(policy, attempts_used=attempts_used + 1, share=share)


@given(POLICIES, st.integers(1, 20_000), SHARES)
def test_attempts_end_at_their_limit_and_not_before(policy, attempts_used, share):
    verdict = decide(policy, attempts_used=attempts_used, failure=EXIT_3, share=share)

    assert isinstance(verdict, GiveUp) == (attempts_used >= policy.attempts_max)


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [("fixed", [3, 3, 3, 3]), ("linear", [3, 6, 9, 10]), ("exponential", [3, 6, 10, 10])],
)
def test_delays_grow_as_the_backoff_says_up_to_the_cap(backoff, delays):
    policy = Retry(attempts_max=9, backoff=Backoff(backoff), delay_s=3, delay_s_max=10)

    assert [delay(policy, attempts_used=n, share=0.5) for n in (1, 2, 3, 4)] == delays


def test_jitter_spreads_a_delay_to_both_sides_and_the_cap_holds_after_it():
    policy = Retry(attempts_max=9, delay_s=10, delay_s_max=11, jitter=0.5)

    assert [delay(policy, attempts_used=1, share=s) for s in (0, 0.25, 0.5, 0.75)] == [
        5,
        7.5,
        10,
        11,
    ]


def test_the_ten_thousandth_doubling_is_the_cap():
    policy = Retry(attempts_max=20_000, backoff=Backoff.EXPONENTIAL, jitter=1)

    assert delay(policy, attempts_used=10_000, share=0.9) == policy.delay_s_max
    assert delay(policy, attempts_used=10_000, share=0) == 0


@pytest.mark.parametrize("condition", ["*", "exit:3", "http:503", "timeout"])
def test_a_failure_is_retried_when_a_condition_names_it(condition):
    failure = Failure(code="x", message="x", matches=("exit:3", "http:503", "timeout"))
    policy = Retry(attempts_max=2, on=("exit:77", condition))

    assert decide(policy, attempts_used=1, failure=failure, share=0.5) == RetryAfter(1.0)


def test_an_exception_is_named_bare_or_dotted_and_by_any_of_its_bases():
    met = exception_conditions(["requests.exceptions.Timeout", "OSError", "Exception"])
    failure = Failure(code="exception", message="x", matches=met)

    def verdict(condition):
        policy = Retry(attempts_max=2, on=(condition,))
        return decide(policy, attempts_used=1, failure=failure, share=0.5)

    for name in ("Timeout", "requests.exceptions.Timeout", "OSError", "Exception"):
        assert verdict(f"exception:{name}") == RetryAfter(1.0)
    for name in ("exceptions.Timeout", "builtins.OSError", "KeyError"):
        assert isinstance(verdict(f"exception:{name}"), GiveUp)


@pytest.mark.parametrize("condition", ["exit:4", "http:503", "timeout", "exception:exit"])
def test_a_failure_that_no_condition_names_is_final(condition):
    policy = Retry(attempts_max=2, on=(condition,))

    verdict = decide(policy, attempts_used=1, failure=EXIT_3, share=0.5)

    assert verdict == GiveUp("exit_code is not among the failures to retry on")


@pytest.mark.parametrize(
    "text", ["", "exit", "exit:", "exit:x", "http:99", "http:700", "exception:", "Timeout", "* "]
)
def test_what_is_no_condition_is_told(text):
    assert not is_condition(text)


@given(st.binary(min_size=16, max_size=16), st.integers(1, 10_000))
def test_a_share_is_below_one_and_the_same_each_time(identifier, attempt):
    assert 0 <= share_of(identifier, attempt) == share_of(identifier, attempt) < 1


def test_shares_of_neighbours_are_spread_evenly():
    shares = sorted(share_of(bytes(14) + n.to_bytes(2, "big"), 1) for n in range(10_000))

    assert max(abs(share - n / 10_000) for n, share in enumerate(shares)) < 0.02


def test_the_error_people_see_has_code_message_and_traceback():
    failure = Failure(code="exception", message="ValueError: x", traceback="Traceback …")

    assert error_of(failure) == {
        "code": "exception",
        "message": "ValueError: x",
        "traceback": "Traceback …",
    }
