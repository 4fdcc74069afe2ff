"""One task under examination: its log replayed, its attempts, openings and counts compared.

Nothing of the engine but the chart is used: what a log line must lead to is asked of the chart.
"""

import json

from tipman.charts import INITIAL, SETTLED, UNSUCCESSFUL, history_text, move
from tipman.outlines import Verdict

ENDINGS = ("succeeded", "failed", "timed_out", "lost", "interrupted")
ANNOUNCED = frozenset({"task.queued", "task.settled", "task.reopened"})


def faults_of(evidence, identifier):
    """Yield what is wrong with one task, by its rows alone."""
    row = evidence.instances[identifier]
    if identifier not in evidence.tasks:
        yield "has no row of its task"
        return
    lines = evidence.lines.get(identifier, [])
    yield from _fold(row, lines)
    yield from _openings(row, lines)
    rows = evidence.attempts.get(identifier, [])
    if evidence.tasks[identifier]["type"] == "wait":
        yield from _waits(row, lines, rows)
    else:
        yield from _attempts(row, lines, rows)
    yield from _counts(evidence, identifier)


class Replay:
    """Steps the chart through a log: each line must follow from the one before."""

    def __init__(self):
        self._snapshot = INITIAL.snapshot
        self._state = INITIAL.state
        self._configuration = ""
        self._pending = []
        self._lines = 0

    def take(self, line):
        """Take the next line and yield what is wrong with it."""
        self._lines += 1
        if line["sequence"] != self._lines:
            yield f"has the sequence {line['sequence']}"
        before = line["after"] if line["name"] in ANNOUNCED else self._configuration
        if line["before"] != before:
            yield f"begins in {line['before']!r}, not in {before!r}"
        if line["name"] in ANNOUNCED:
            if not self._pending or self._pending.pop(0) != line["name"]:
                yield "was not announced by the step before"
        else:
            yield from self._step(line)
        if line["after"] != self._configuration:
            yield f"ends in {line['after']!r}, not in {self._configuration!r}"

    def _step(self, line):
        if self._pending:
            yield f"comes before {self._pending}"
        if line["name"] == "attempt.fenced":
            return
        verdict = Verdict(json.loads(line["data"] or "{}").get("verdict", ""))
        step = move(self._snapshot, line["name"], verdict)
        if step is None:
            yield f"moves nothing in {self._configuration!r}"
            return
        self._snapshot, self._configuration, self._state = step[:3]
        self._pending = list(step.announced)

    def compare(self, row):
        """Yield where the row is not what the log leads to."""
        if self._pending:
            yield f"{self._pending} does not stand in the log"
        stored = (row["configuration"], row["state"], row["sequence"], row["history"])
        history = history_text(self._snapshot)
        folded = (self._configuration, self._state, self._lines, history)
        if stored != folded:
            yield f"its row says {stored}, its log {folded}"


def _fold(row, lines):
    replay = Replay()
    for number, line in enumerate(lines, 1):
        for what in replay.take(line):
            yield f"line {number} ({line['name']}) {what}"
    yield from replay.compare(row)


def _openings(row, lines):
    names = [n for n in (x["name"] for x in lines) if n in ("task.settled", "task.reopened")]
    if names != (["task.settled", "task.reopened"] * len(names))[: len(names)]:
        yield f"settled and reopened do not take turns: {names}"
    openings = 1 + names.count("task.reopened")
    if row["opening"] != openings:
        yield f"its row says opening {row['opening']}, its log {openings}"
    is_settled = row["state"] in SETTLED
    if names.count("task.settled") != openings - (not is_settled):
        yield f"settled {names.count('task.settled')} times in {openings} openings"
    if is_settled != (row["settled_at"] is not None):
        yield f"is {row['state']}, but settled_at is {row['settled_at']}"


def _attempts(row, lines, rows):
    """Every attempt is started once, in order, and ended at most once, by its own report."""
    running, started, ended, opening = None, 0, [], 1
    used = lost = 0
    for line in lines:
        kind, _, ending = line["name"].partition(".")
        if line["name"] == "task.reopened":
            opening, used, lost = opening + 1, 0, 0
        elif line["name"] == "attempt.started":
            number = json.loads(line["data"])["attempt"]
            if running is not None or number != started + 1:
                yield f"attempt {number} started after {started}, while {running} ran"
            running = started = number
        elif kind == "attempt" and ending in ENDINGS:
            number = json.loads(line["data"])["attempt"]
            if number != running:
                yield f"attempt {number} {ending} while {running} ran"
            running = None
            ended.append((number, opening, ending))
            used += ending in ("failed", "timed_out")
            lost += ending == "lost"
    closed = [(a["number"], a["opening"], a["outcome"]) for a in rows]
    if closed != ended:
        yield f"its attempts are {closed}, its log says {ended}"
    if row["attempt"] != started or (row["state"] == "running") != (running is not None):
        yield f"its row says attempt {row['attempt']} {row['state']}, its log {running}/{started}"
    if (row["attempts_used"], row["lost"]) != (used, lost):
        yield (
            f"its row says {row['attempts_used']} attempts used and {row['lost']} lost,"
            f" its log {used} and {lost}"
        )


def _waits(row, lines, rows):
    ended = [
        "succeeded" if line["after"] == "succeeded" else "failed"
        for line in lines
        if line["before"] == "awaiting"
        and line["after"] != "awaiting"
        and line["name"] in ("finish.reported", "fail.reported", "timer.fired")
    ]
    if [a["outcome"] for a in rows] != ended:
        yield f"its waits ended as {[a['outcome'] for a in rows]}, its log says {ended}"
    if rows and rows[-1]["number"] > row["attempt"]:
        yield f"its row says wait {row['attempt']}, a later one has ended"


def _counts(evidence, identifier):
    """Dependencies are counted right in every state, unless an event of it is in the inbox."""
    row = evidence.instances[identifier]
    targets = evidence.dependencies.get(identifier, [])
    if any(_digits(identifier) in text for text in evidence.inbox):
        return
    states = [evidence.instances[target]["state"] for target in targets]
    remaining = sum(state not in SETTLED for state in states)
    unmet = sum(state in UNSUCCESSFUL for state in states)
    if (row["dependencies_remaining"], row["dependencies_unmet"]) != (remaining, unmet):
        yield (
            f"waits for {row['dependencies_remaining']} dependencies and missed"
            f" {row['dependencies_unmet']}, they are {states}"
        )
    elif row["state"] == "waiting" and not remaining:
        yield "waits for nothing"


def _digits(identifier):
    return identifier.replace("-", "")
