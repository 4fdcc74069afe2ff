"""Trigger rules: whether a task whose dependencies have settled goes on or is skipped.

A rule is a word, such as `none_failed`, or a tree of `all`, `any` and `none` over the outcomes of
direct dependencies and over values of the context. Pure, as all rules are.
"""

from tipman.triggers.reading import rule_faults, rule_of
from tipman.triggers.rules import (
    EARLY,
    FAILED,
    OPERATORS,
    WORDS,
    Decision,
    Outcomes,
    Rule,
    look_up,
    same,
)
from tipman.triggers.satisfaction import ANY_END, Ends, can_hold

__all__ = [
    "ANY_END",
    "EARLY",
    "FAILED",
    "OPERATORS",
    "WORDS",
    "Decision",
    "Ends",
    "Outcomes",
    "Rule",
    "can_hold",
    "look_up",
    "rule_faults",
    "rule_of",
    "same",
]
