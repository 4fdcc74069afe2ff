"""Random maps, runs within tasks and approvals, and whatever may happen to them, with crashes."""

import json
from contextlib import suppress
from random import Random

import pytest
from core.house import House
from tipman.charts import SETTLED, UNSUCCESSFUL
from tipman.definitions.arguments import failures_allowed
from tipman.errors import TipmanError
from tipman.ids import parse
from tipman.outlines import Verdict
from tipman.resources import RUNS_URI
from tipman.verification import verify

SEEDS = range(20)
STEPS = 80
ROUNDS_MAX = 200
LEAVES = (
    {"type": "sleep", "arguments": {"duration_s": 1}},
    {"type": "eval", "arguments": "result = {'n': index}"},
    {"type": "approval"},
    {"type": "approval", "timeout_s": 30, "arguments": {"default": {"approve": True}}},
    {"type": "sleep", "arguments": {"duration_s": 1}, "retry": {"attempts_max": 2, "delay_s": 5}},
)
REQUESTS = (
    "cancel.requested", "suspend.requested", "resume.requested", "retry.requested",
    "retry.requested", "resume.requested",
)  # fmt: skip


class Author:
    """Writes tasks within tasks."""

    def __init__(self, random):
        self._random = random

    def task(self, depth):
        """Return a task without a name that has others below it, so deep at most."""
        kind = self._random.choice(("leaf", "map", "map", "workflow")) if depth else "leaf"
        if kind == "leaf":
            return dict(self._random.choice(LEAVES))
        found = {"type": "map", "arguments": self._mapping(depth)}
        if kind == "workflow":
            ends = self._random.choice(("cancel", "abandon", "wait"))
            name = f"level-{depth - 1}"
            found = {"type": "workflow", "arguments": {"name": name, "on_close": ends}}
        if self._random.random() < 0.2:
            found["timeout_s"] = 20
        if self._random.random() < 0.2:
            found["retry"] = {"attempts_max": 2, "delay_s": 5}
        return found

    def _mapping(self, depth):
        values = list(range(self._random.randint(0, 4)))
        failures_max = self._random.choice((0, 1, "50%"))
        given = {"over": values, "task": self.task(depth - 1), "failures_max": failures_max}
        if self._random.random() < 0.4:
            given["parallel_max"] = self._random.randint(1, 2)
        return given

    def workflow(self, depth):
        """Return the tasks of a workflow."""
        names = [f"t{at}" for at in range(self._random.randint(1, 3))]
        return [
            {**self.task(depth), "name": name, "dependencies": names[: at if at < 2 else 1]}
            for at, name in enumerate(names)
        ]


class Play:
    """What happens in one house, by chance."""

    def __init__(self, house, random, monkeypatch):
        self._house = house
        self._random = random
        self._monkeypatch = monkeypatch

    def open_ones(self):
        rows = self._house.reader.fetch(
            "SELECT i.id, i.state, t.type, i.kind FROM instance AS i LEFT JOIN task AS t"
            " ON t.id = i.id WHERE i.kind <> 'registry' AND i.settled_at IS NULL ORDER BY i.id"
        )
        return [(bytes(row[0]), *row[1:]) for row in rows]

    def step(self):
        random, house = self._random, self._house
        match random.choice(
            ("end", "end", "end", "answer", "ask", "ask", "time", "crash", "bound")
        ):
            case "end" if house.hand.open:
                self._end(random.choice(sorted(house.hand.open)), fails=random.random() < 0.3)
            case "answer":
                approvals = [row[0] for row in self.open_ones() if row[2] == "approval"]
                if approvals:
                    name = random.choice(
                        ("approve.reported", "approve.reported", "reject.reported")
                    )
                    self._ask(name, random.choice(approvals))
            case "ask":
                rows = house.reader.fetch(
                    "SELECT id FROM instance WHERE kind IN ('task', 'run') ORDER BY id"
                )
                self._ask(random.choice(REQUESTS), bytes(random.choice(rows)[0]))
            case "time":
                house.advance(random.choice((1, 5, 30)))
            case "crash" if random.random() < 0.5:
                house.crash()
            case "bound":
                self._monkeypatch.setattr("tipman.bus.EVENTS_MAX", random.choice((1, 3, 2_000)))

    def finish(self):
        """Let everything go well from now on, until nothing is open."""
        house = self._house
        for _ in range(ROUNDS_MAX):
            open_ones = self.open_ones()
            if not open_ones:
                return
            for identifier, state, type_, _ in open_ones:
                if state == "suspended":
                    self._ask("resume.requested", identifier)
                elif type_ == "approval" and state == "awaiting":
                    self._ask("approve.reported", identifier)
            for identifier in sorted(house.hand.open):
                self._end(identifier, fails=False)
            house.advance(30)
        told = [(row, house.explain(row[0])) for row in self.open_ones() if row[3] == "task"]
        raise AssertionError(f"something waits for ever: {told}")

    def _ask(self, name, identifier):
        with suppress(TipmanError):
            self._house.ask(name, identifier)

    def _end(self, identifier, *, fails):
        house = self._house
        stop = next((s for s in house.hand.stops if s.instance == identifier), None)
        if stop is not None and stop.attempt == house.hand.open[identifier].attempt:
            house.interrupt(identifier, stop.reason)
        elif fails:
            house.fail(identifier)
        else:
            house.succeed(identifier, {"n": 1})


def look(house):
    """See that nothing is open below what has settled."""
    fetch = house.reader.fetch
    assert fetch("SELECT number FROM inbox") == []
    left = fetch(
        "SELECT c.id FROM instance AS c JOIN instance AS p ON p.id = c.parent"
        " WHERE c.kind = 'task' AND c.settled_at IS NULL AND p.settled_at IS NOT NULL"
    )
    assert left == []
    for early, state in fetch(
        "SELECT i.early, i.state FROM instance AS i JOIN task AS t ON t.id = i.id"
        " WHERE t.type = 'workflow' AND i.settled_at IS NOT NULL AND i.early IS NOT NULL"
    ):
        run = bytes.fromhex(json.loads(early)["child"])
        parent, settled_at = fetch("SELECT parent, settled_at FROM instance WHERE id = ?", (run,))[
            0
        ]
        assert parent is None or settled_at is not None, state


def judge(house):
    """See that what is left hangs together."""
    fetch = house.reader.fetch
    assert house.failure is None
    assert fetch("SELECT instance FROM log_entry WHERE name = 'event.failed'") == []
    found = verify(house.reader)
    assert found.is_whole, found.faults
    assert (len(house.core.frontier), house.core.frontier.slots_taken) == (0, 0)
    assert sum(house.core.directory.registry.open_tasks.values()) == 0
    for identifier, options, arguments, state, result in fetch(
        "SELECT i.id, t.options, t.arguments, i.state, a.result FROM instance AS i"
        " JOIN task AS t ON t.id = i.id LEFT JOIN attempt AS a"
        " ON a.instance = i.id AND a.number = i.attempt WHERE t.type IN ('map', 'workflow')"
    ):
        del options
        said = json.loads(arguments)
        below = [
            row[0] for row in fetch("SELECT state FROM instance WHERE parent = ?", (identifier,))
        ]
        assert all(each in SETTLED for each in below)
        if state != "succeeded":
            continue
        if "over" in said:
            failures = sum(each in UNSUCCESSFUL for each in below)
            assert failures <= failures_allowed(said["failures_max"], len(said["over"]))
            assert len(below) == len(said["over"]) == len(json.loads(result))
        else:
            run = parse(json.loads(result)["run"].removeprefix(RUNS_URI))
            assert house.state(run) == "succeeded"
    for run, state in fetch("SELECT id, state FROM instance WHERE kind = 'run'"):
        nodes = fetch("SELECT state FROM instance WHERE run = ? AND parent IS NULL", (run,))
        failed = any(node[0] in {"failed", "abandoned"} for node in nodes)
        assert state == "cancelled" or failed == (state == "failed")


def live(seed, folder, monkeypatch):
    """Let everything happen that a seed says, and judge it."""
    random = Random(seed)
    house = House(f"sqlite:///{folder}/{seed}.db", slots=random.randint(1, 4))
    try:
        author = Author(random)
        for depth in range(3):
            house.register(f"level-{depth}", *author.workflow(depth))
        play = Play(house, random, monkeypatch)
        house.run(*author.workflow(3))
        for _ in range(STEPS):
            play.step()
            look(house)
        play.finish()
        judge(house)
    finally:
        house.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_it_hangs_together(seed, tmp_path, monkeypatch):
    live(seed, tmp_path, monkeypatch)


def lost_count(brood, state):
    """Count as `Brood.settled` does, but forget one item in three."""
    brood.ended[state] += 1
    brood.open -= brood.ended.total() % 3 != 0
    return not brood.open


def ends_at_once(closing, parent, instance, task, directory):
    """Weigh as `Closing.verdict` should not: nothing below a task is waited for."""
    del closing, parent, instance, task, directory
    return Verdict.NONE


@pytest.mark.parametrize(
    ("place", "defect"),
    [
        ("tipman.runs.offspring.Brood.settled", lost_count),
        ("tipman.handlers.closing.Closing.verdict", ends_at_once),
    ],
)
def test_a_defect_is_found(place, defect, tmp_path, monkeypatch):
    monkeypatch.setattr(place, defect)

    with pytest.raises((AssertionError, TipmanError)):
        all(live(seed, tmp_path, monkeypatch) is None for seed in SEEDS)
