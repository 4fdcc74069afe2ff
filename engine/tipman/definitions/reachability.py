"""Which tasks of a workflow can never run, whatever happens: by their rules, and what these need.

Sound, not complete: a task that is named here can not run; that one is not named proves nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tipman.errors import Fault
from tipman.graph import topological_order
from tipman.triggers import ANY_END, Ends, Rule, can_hold, rule_of

NEVER_SKIPPED = frozenset({"all_settled", "any_settled", "always"})
"""Rules that hold however dependencies end."""
_DEFAULT = "all_succeeded"
_WITHOUT_SKIP = ANY_END - {"skipped"}
_WITHOUT_SUCCESS = ANY_END - {"succeeded"}


def reach_faults(
    names: Sequence[str], needs: Sequence[Sequence[str]], rules: Sequence[Any]
) -> Iterator[Fault]:
    """Yield the tasks that can never run, those before others first; pointers begin at `/tasks`.

    *needs* are the names of each task's dependencies, all of them known and in no circle, *rules*
    what each says of when it runs, None for nothing.
    """
    if not any(rule is not None for rule in rules):
        # Somebody might have to be skipped for anybody not to run.
        return
    order = topological_order(dict(zip(names, needs, strict=True))) or ()
    positions = {name: at for at, name in enumerate(names)}
    ends: dict[str, frozenset[str]] = {}
    for name in order:
        at = positions[name]
        rule = rule_of(_DEFAULT if rules[at] is None else rules[at])
        if can_hold(rule, needs[at], ends):
            ends[name] = _ends_of(rule, needs[at])
            continue
        # It can still be cancelled by somebody while it waits, which counts as failed.
        ends[name] = _WITHOUT_SUCCESS
        yield _fault(at, rule, needs[at], ends, is_given=rules[at] is not None)


def _ends_of(rule: Rule, needs: Sequence[str]) -> frozenset[str]:
    is_sure = rule.word in NEVER_SKIPPED or not (needs or rule.reads_context)
    return _WITHOUT_SKIP if is_sure else ANY_END


def _fault(at: int, rule: Rule, needs: Sequence[str], ends: Ends, *, is_given: bool) -> Fault:
    if not is_given:
        stuck = next(name for name in needs if "succeeded" not in ends[name])
        return Fault(f"/tasks/{at}", f"can never run: it waits for `{stuck}`, which never can")
    where = f"/tasks/{at}/when"
    if not can_hold(rule, needs):
        why = "" if needs else ": the task has no dependencies"
        return Fault(where, f"can never hold{why}")
    return Fault(where, f"can never hold: {_why(needs, ends)}")


def _why(needs: Sequence[str], ends: Mapping[str, frozenset[str]]) -> str:
    """Say what is known of the ends of dependencies, the little that there is to know."""
    stuck = [name for name in needs if "succeeded" not in ends[name]]
    if stuck:
        return f"`{stuck[0]}` can never run"
    sure = [name for name in needs if "skipped" not in ends[name]]
    return f"`{sure[0]}` is never skipped"
