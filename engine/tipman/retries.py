"""Retries: whether an attempt that failed is followed by another, and when."""

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, assert_never

from tipman.events import Failure
from tipman.jsontext import Json

ANY = "*"

# Finite, so that a jitter of zero times it is zero; any cap is far below.
_LONGEST_EXPONENT = 1000
_LONGEST_S = 2.0**_LONGEST_EXPONENT
_CONDITION = re.compile(
    r"\*|timeout|exit:-?[0-9]{1,10}|http:[1-5][0-9]{2}|exception:[^\W\d][\w.]*"
)


class Backoff(StrEnum):
    """How the delay grows from one attempt to the next."""

    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


class Policy(Protocol):
    """What a task says about its retries; `tipman.definitions.Retry` is one.

    `attempts_max` counts the first attempt too. `jitter` is the share of the delay, 0 to 1, that
    is drawn anew. `on` lists the conditions of which one must hold.
    """

    @property
    def attempts_max(self) -> int: ...  # noqa: D102 - said above
    @property
    def backoff(self) -> Backoff: ...  # noqa: D102 - said above
    @property
    def delay_s(self) -> float: ...  # noqa: D102 - said above
    @property
    def delay_s_max(self) -> float: ...  # noqa: D102 - said above
    @property
    def jitter(self) -> float: ...  # noqa: D102 - said above
    @property
    def on(self) -> tuple[str, ...]: ...  # noqa: D102 - said above


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Another attempt is due, so many seconds after the failure."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No other attempt; `reason` says why in words for people."""

    reason: str


def decide(
    policy: Policy, *, attempts_used: int, failure: Failure, share: float
) -> RetryAfter | GiveUp:
    """Return what follows a failed attempt.

    *attempts_used* counts those that failed, this one included (at least 1); lost and interrupted
    attempts do not count. *share*, in [0, 1), places the delay within its jitter; see `share_of`.

    >>> from tipman.definitions import Retry
    >>> policy = Retry(attempts_max=3, backoff=Backoff.LINEAR, delay_s=2)
    >>> failure = Failure(code="exit_code", message="ended with 3", matches=("exit:3",))
    >>> decide(policy, attempts_used=2, failure=failure, share=0.5)
    RetryAfter(delay_s=4.0)
    """
    if attempts_used >= policy.attempts_max:
        return GiveUp(f"attempt {attempts_used} of {policy.attempts_max} failed")
    if ANY not in policy.on and set(policy.on).isdisjoint(failure.matches):
        return GiveUp(f"{failure.code} is not among the failures to retry on")
    return RetryAfter(delay(policy, attempts_used=attempts_used, share=share))


def delay(policy: Policy, *, attempts_used: int, share: float) -> float:
    """Return the seconds to wait after the attempt with this number.

    The delay grows, is spread over [1 - jitter, 1 + jitter) of itself by *share*, and only then
    capped, so that `delay_s_max` holds whatever was drawn.
    """
    spread = 1.0 + policy.jitter * (2.0 * share - 1.0)
    return min(_grown(policy, attempts_used) * spread, policy.delay_s_max)


def share_of(identifier: bytes, attempt: int) -> float:
    """Return a number in [0, 1) that depends on nothing but an id and an attempt's number.

    Two tasks that fail together do not come back together, and a step that is computed again
    gives the same delay.

    >>> f"{share_of(bytes(16), 1):.6f}"
    '0.922245'
    """
    digest = hashlib.blake2b(identifier, digest_size=8, salt=attempt.to_bytes(16, "big")).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def is_condition(text: str) -> bool:
    """Tell whether a text is a condition that a policy may list in `on`.

    >>> [is_condition(text) for text in ("exit:75", "exception:OSError", "http:503", "exit:x")]
    [True, True, True, False]
    """
    return _CONDITION.fullmatch(text) is not None


def exception_conditions(names: Iterable[str]) -> tuple[str, ...]:
    """Return the conditions that an exception meets, from the names of its class and its bases.

    A policy may name a class bare or with its module.

    >>> exception_conditions(["requests.Timeout", "OSError"])
    ('exception:requests.Timeout', 'exception:Timeout', 'exception:OSError')
    """
    both = (form for name in names for form in (name, name.rpartition(".")[2]))
    return tuple(dict.fromkeys(f"exception:{form}" for form in both))


def error_of(failure: Failure) -> dict[str, Json]:
    """Return the `error` that people see: code, message and, if there is one, traceback.

    >>> error_of(Failure(code="exit_code", message="ended with 3"))
    {'code': 'exit_code', 'message': 'ended with 3'}
    """
    error: dict[str, Json] = {"code": failure.code, "message": failure.message}
    if failure.traceback is not None:
        error["traceback"] = failure.traceback
    return error


def _grown(policy: Policy, attempts_used: int) -> float:
    match policy.backoff:
        case Backoff.FIXED:
            return policy.delay_s
        case Backoff.LINEAR:
            return min(policy.delay_s * attempts_used, _LONGEST_S)
        case Backoff.EXPONENTIAL:
            return _doubled(policy.delay_s, attempts_used - 1)
        case _:
            assert_never(policy.backoff)


def _doubled(delay_s: float, times: int) -> float:
    """Double without overflow; no delay stays no delay, however often."""
    mantissa, exponent = math.frexp(delay_s)
    if mantissa == 0.0 or exponent + times < _LONGEST_EXPONENT:
        return math.ldexp(mantissa, exponent + times)
    return _LONGEST_S
