"""Random workflows, as their files say them: mostly small, some of 200 tasks."""

from collections.abc import Sequence
from random import Random
from typing import Any

from tipman.definitions import workflow_of
from tipman.errors import InvalidError
from tipman.triggers import can_hold, rule_of
from workflow_simulation.reference import WORDS

TASKS_MAX = 200
KEYS = ("a", "b", "c", "n")
"""Of contexts; `n` is always a number."""
POLICIES = ("error", "first", "last", "concat", "deep")
ON_FAILURE = ("skip", "skip", "block", "continue", "fail_fast")
_SIZES = ((1, 6), (1, 6), (2, 9), (2, 9), (5, 25))
_LARGE = (40, TASKS_MAX)
_LARGE_SHARE = 0.01
_WORDS = tuple(sorted(set(WORDS) - {"all_succeeded"}))
_DEPTH_MAX = 2
Given = dict[str, Any]
CHILD: Given = {
    "name": "child",
    "tasks": [
        {"name": "c0", "type": "eval", "arguments": "result = {}"},
        {"name": "c1", "type": "sleep", "arguments": {"duration_s": 1}, "dependencies": ["c0"]},
        {"name": "c2", "type": "sleep", "arguments": {"duration_s": 1}, "when": "always"},
    ],
}
"""What tasks of other workflows run."""


class Flows:
    """Makes workflows, each of another name."""

    def __init__(self) -> None:
        self._made = 0
        self._added = 0

    def more(self, random: Random, names: Sequence[str]) -> list[Given]:
        """Return tasks to be added to a run that has tasks of these names."""
        tasks: list[Given] = []
        for _ in range(random.randint(1, 3)):
            self._added += 1
            earlier = [*names, *(task["name"] for task in tasks)]
            tasks.append(_task(random, f"g{self._added}", earlier))
        return tasks

    def one(self, random: Random) -> Given:
        """Return a workflow that no validation refuses."""
        self._made += 1
        low, high = _LARGE if random.random() < _LARGE_SHARE else random.choice(_SIZES)
        tasks: list[Given] = []
        for number in range(random.randint(low, high)):
            tasks.append(_task(random, f"t{number}", [task["name"] for task in tasks]))
        random.shuffle(tasks)
        given: Given = {
            "name": f"flow-{self._made}",
            "input": {"given": 7, "n": 1},
            "on_failure": random.choice(ON_FAILURE),
            "merge": _merge(random),
            "tasks": tasks,
        }
        _sometimes(random, given, 0.15, "slots", lambda: random.choice((1, 2)))
        _sometimes(random, given, 0.1, "timeout_s", lambda: random.choice((2, 30, 500)))
        _sometimes(random, given, 0.1, "priority", lambda: random.choice((-5, 5)))
        _sometimes(random, given, 0.3, "hooks", lambda: _hooks(random))
        return _sound(given)


def _sound(given: Given) -> Given:
    """Take out the rules that can never hold because of what other tasks can never do."""
    try:
        workflow_of(given, default_name="flow")
    except InvalidError as error:
        places = [fault.pointer.split("/") for fault in error.faults]
        found = [place for place in places if place[-1] == "when"]
        for _, _, at, _ in found:
            del given["tasks"][int(at)]["when"]
        if not found:
            raise
        return _sound(given)
    return given


def _sometimes(random: Random, given: Given, share: float, name: str, make: Any) -> None:
    if random.random() < share:
        given[name] = make()


def _merge(random: Random) -> str | dict[str, str]:
    if random.random() < 0.7:
        # Where nothing says who wins, most runs would fail of it.
        return random.choice(("first", "last", "concat", "deep", "error"))
    policies = {key: random.choice(POLICIES) for key in KEYS if random.random() < 0.5}
    return {**policies, "*": random.choice(POLICIES)}


def _hooks(random: Random) -> Given:
    among = random.sample(("succeeded", "failed", "settled"), random.randint(1, 3))
    return {moment: {"type": "sleep", "arguments": {"duration_s": 1}} for moment in among}


def _task(random: Random, name: str, earlier: Sequence[str]) -> Given:
    needs = _needs(random, earlier)
    task: Given = {
        "name": name,
        **random.choice(_RARE_KINDS if random.random() < _RARE_SHARE else _KINDS)(random),
        "dependencies": [_written(random, need) for need in needs],
    }
    _sometimes(random, task, 0.45 if needs else 0.05, "when", lambda: _sound_rule(random, needs))
    _sometimes(random, task, 0.2, "retry", lambda: _retry(random))
    _sometimes(random, task, 0.15, "timeout_s", lambda: random.choice((1, 20)))
    _sometimes(random, task, 0.1, "after_s", lambda: random.choice((0, 1, 20)))
    _sometimes(random, task, 0.1, "priority", lambda: random.choice((-3, 3)))
    _sometimes(random, task, 0.12, "compensate", lambda: _sleep(random))
    _sometimes(random, task, 0.2, "queue", lambda: "narrow")
    return task


def _sleep(_random: Random) -> Given:
    return {"type": "sleep", "arguments": {"duration_s": 1}}


def _adding(_random: Random) -> Given:
    """Return a task that leaves an object, see `ends`."""
    return {"type": "eval", "arguments": "result = {}"}


def _asking(random: Random) -> Given:
    return {"type": random.choice(("wait", "wait", "approval")), "arguments": {}}


def _mapping(random: Random) -> Given:
    arguments: Given = {
        "over": [*range(random.choice((0, 1, 2, 5)))],
        "task": random.choice((_sleep, _adding))(random),
    }
    _sometimes(random, arguments, 0.4, "failures_max", lambda: random.choice((1, "50%")))
    return {"type": "map", "arguments": arguments}


def _calling(random: Random) -> Given:
    on_close = random.choice(("cancel", "cancel", "abandon", "wait"))
    return {"type": "workflow", "arguments": {"name": CHILD["name"], "on_close": on_close}}


_KINDS = (_sleep, _sleep, _adding, _adding, _adding, _adding, _asking, _asking)
_RARE_KINDS = (_mapping, _calling)
_RARE_SHARE = 0.15


def _needs(random: Random, earlier: Sequence[str]) -> list[str]:
    if not earlier:
        return []
    near = earlier[-8:]
    most = min(len(near), random.choice((0, 1, 1, 2, 2, 3, 8)))
    found = random.sample(near, random.randint(min(1, most), most))
    if random.random() < 0.1:
        found.append(random.choice(earlier))
    return [*dict.fromkeys(found)]


def _written(random: Random, need: str) -> str | Given:
    if random.random() < 0.15:
        return {"task": need, "carry": random.choice(("data", "order", "order"))}
    return need


def _retry(random: Random) -> Given:
    return {
        "attempts_max": random.randint(1, 3),
        "delay_s": random.choice((0, 0, 1)),
        "backoff": random.choice(("fixed", "linear", "exponential")),
    }


# Rules.


def _sound_rule(random: Random, needs: Sequence[str]) -> str | Given:
    """Return a rule that may hold: any other is refused."""
    while True:
        rule = rule_among(random, needs)
        if can_hold(rule_of(rule), needs):
            return rule


def rule_among(random: Random, needs: Sequence[str]) -> str | Given:
    if needs and random.random() < 0.6:
        return random.choice(_WORDS)
    return _tree(random, needs, _DEPTH_MAX)


def _tree(random: Random, needs: Sequence[str], depth: int) -> Given:
    if depth and random.random() < 0.5:
        word = random.choice(("all", "any", "none"))
        return {word: [_tree(random, needs, depth - 1) for _ in range(random.randint(1, 3))]}
    if needs and random.random() < 0.6:
        return {random.choice(("succeeded", "failed", "skipped")): random.choice(needs)}
    return {"context": _condition(random, needs)}


def _condition(random: Random, needs: Sequence[str]) -> Given:
    key = random.choice(("n", "n", "given", "a", "nowhere"))
    if needs and random.random() < 0.3:
        key = f"results.{random.choice(needs)}.n"
    operator = random.choice(
        ("exists", "not_exists", "equals", "greater_than", "less_than", "contains")
    )
    condition: Given = {"key": key, "operator": operator}
    if not operator.endswith("exists"):
        condition["value"] = random.choice((1, 3, 7))
    return condition
