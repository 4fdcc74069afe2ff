"""The checker: what must be true of the evidence after any kill. It trusts no word of the engine.

Every function yields violations, each a sentence that names the task.
"""

import json
from collections import Counter

from crash.claims import ACKNOWLEDGED, REFUSED, label_of
from crash.examination import faults_of

MARKING = frozenset({"inline", "exec", "eval"})


def violations(evidence, claims):
    """Yield everything that is wrong with what a killed engine left."""
    if evidence.integrity != "ok":
        yield f"the database is damaged: {evidence.integrity}"
        return
    for identifier in evidence.instances:
        for what in faults_of(evidence, identifier):
            yield f"task {identifier}: {what}"
    yield from _strangers(evidence)
    yield from _of_marks(evidence)
    yield from _of_kept(evidence)
    yield from _of_submissions(evidence, claims)
    yield from _of_requests(evidence, claims)
    yield from _of_observations(evidence, claims)


def rewritten(earlier, later):
    """Yield log lines that an earlier kill left and that are not there any more as they were."""
    for identifier, lines in earlier.lines.items():
        if later.lines.get(identifier, [])[: len(lines)] != lines:
            yield f"task {identifier}: its log does not go on from where it was"


def orphans(evidence):
    """Yield what still runs for an earlier engine, after a later one has answered somebody."""
    for identifier, row in evidence.instances.items():
        if row["state"] == "running" and row["epoch"] != evidence.epoch:
            yield f"task {identifier}: still runs in epoch {row['epoch']}, which is dead"


def unfinished(evidence):
    """Yield what has not settled, after an engine had time and help to settle everything."""
    for identifier, row in evidence.instances.items():
        if row["settled_at"] is None:
            yield f"task {identifier}: never settled, it is {row['state']}"


# All of them.


def _strangers(evidence):
    for table in ("tasks", "lines", "attempts", "dependencies"):
        for identifier in getattr(evidence, table).keys() - evidence.instances.keys():
            yield f"{table} of {identifier}, of which there is no row"


def _of_marks(evidence):
    """Nothing ran twice, and nothing ran that does not stand in the log."""
    times = Counter((task, number) for task, number, _ in evidence.marks)
    started = {
        (identifier, json.loads(line["data"])["attempt"])
        for identifier, lines in evidence.lines.items()
        for line in lines
        if line["name"] == "attempt.started"
    }
    for (task, number), count in times.items():
        if count > 1:
            yield f"task {task}: attempt {number} ran {count} times"
        if (task, number) not in started:
            yield f"task {task}: attempt {number} ran, but the log does not say that it started"
    epochs = {(task, number): epoch for task, number, epoch in evidence.marks}
    for identifier, rows in evidence.attempts.items():
        marking = evidence.tasks[identifier]["type"] in MARKING
        for row in rows:
            key = (identifier, row["number"])
            if marking and row["outcome"] == "succeeded" and key not in times:
                yield f"task {identifier}: attempt {row['number']} succeeded, but never ran"
            if key in epochs and epochs[key] != row["epoch"]:
                yield (
                    f"task {identifier}: attempt {row['number']} ran in epoch {epochs[key]},"
                    f" its row says {row['epoch']}"
                )


def _of_kept(evidence):
    """A counter's value is the number of its successes, and each of them saw another one."""
    results = {}
    for identifier, rows in evidence.attempts.items():
        task = evidence.tasks[identifier]
        arguments = json.loads(task["arguments"])
        if task["type"] == "counter":
            name = ("counter", arguments["name"])
        elif task["type"] == "inline" and arguments["task"] == "Tally":
            name = ("class", "Tally")
        else:
            continue
        found = [json.loads(r["result"]) for r in rows if r["outcome"] == "succeeded"]
        results.setdefault(name, []).extend(
            r["value"] if isinstance(r, dict) else r for r in found
        )
    for name in results.keys() | evidence.kept.keys():
        value = evidence.kept.get(name, 0)
        value = value["value"] if isinstance(value, dict) else value
        if sorted(results.get(name, [])) != list(range(1, value + 1)):
            yield f"{' '.join(name)} is {value}, but its tasks saw {sorted(results.get(name, []))}"


# What the clients were told.


def _of_submissions(evidence, claims):
    by_key = {}
    for identifier, row in evidence.instances.items():
        if by_key.setdefault(label_of(row), identifier) != identifier:
            yield f"task {identifier}: {label_of(row)!r} is there twice"
    claimed = set()
    for claim in claims.submitted:
        keys = claim.labels
        claimed.update(keys)
        found = [by_key.get(key) for key in keys]
        there = sum(identifier is not None for identifier in found)
        if claim.outcome == ACKNOWLEDGED:
            if found != list(claim.ids):
                yield f"submission {keys} was acknowledged as {claim.ids}, but there is {found}"
            else:
                yield from _as_submitted(evidence, claim)
        elif claim.outcome == REFUSED and there:
            yield f"submission {keys} was refused, but there is {found}"
        elif claim.at_once and there not in (0, len(keys)):
            yield f"submission {keys} is there in part: {found}"
    for key in by_key.keys() - claimed:
        yield f"task {by_key[key]}: nobody submitted {key!r}"


def _as_submitted(evidence, claim):
    for identifier, task in zip(claim.ids, claim.tasks, strict=True):
        stored = evidence.tasks[identifier]
        first = evidence.lines[identifier][0]
        if json.loads(stored["arguments"]) != task["arguments"]:
            yield f"task {identifier}: its arguments are {stored['arguments']}"
        if (first["name"], first["actor"]) != ("task.submitted", claim.actor):
            yield f"task {identifier}: its log begins with {first}"
        if len(evidence.dependencies.get(identifier, [])) != len(task.get("dependencies", [])):
            yield f"task {identifier}: an edge is missing"


def _of_requests(evidence, claims):
    """An acknowledged request stands in the log once, a refused one does not."""
    found = Counter()
    for identifier, lines in evidence.lines.items():
        for line in lines:
            # An early report is written down when it comes, and once more when it counts.
            if line["before"] != line["after"] or not line["name"].endswith(".reported"):
                found[identifier, line["name"], line["actor"]] += 1
            else:
                found[identifier, f"early {line['name']}", line["actor"]] += 1
    # Clients may share an actor: what one sends several times stands there as often, no oftener.
    sent = {}
    for claim in claims.sent:
        sent.setdefault((claim.id, claim.name, claim.actor), Counter())[claim.outcome] += 1
    for (identifier, name, actor), outcomes in sent.items():
        counts = (found[identifier, name, actor], found[identifier, f"early {name}", actor])
        what = f"task {identifier}: {name} by {actor} was {dict(outcomes)}"
        if max(counts) > outcomes.total() - outcomes[REFUSED]:
            yield f"{what}, and stands {counts} times in the log"
        if sum(counts) < outcomes[ACKNOWLEDGED]:
            yield from _without_effect(evidence.lines.get(identifier, []), name, what)


def _without_effect(lines, name, what):
    """Only cancelling what is being cancelled already may leave no line."""
    cancelled = any(line["name"] == "cancel.requested" for line in lines)
    if name != "cancel.requested" or not cancelled:
        yield f"{what}, and does not stand in the log"


def _of_observations(evidence, claims):
    for seen in claims.seen:
        settled = [
            line["after"]
            for line in evidence.lines.get(seen.id, [])
            if line["name"] == "task.settled"
        ]
        if seen.state not in settled:
            yield f"task {seen.id}: was seen {seen.state}, its log says {settled}"
