"""Inheritance: what a run takes over from the one that it was forked of.

What is taken over has succeeded from the start, with the result that it had and in one attempt
that ran in the other run.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tipman.charts import INITIAL
from tipman.database import Row
from tipman.definitions import Task
from tipman.events import Submission
from tipman.handlers.steps import Steps, must_move
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.jsontext import Json, dumps, parsed
from tipman.outlines import Verdict
from tipman.tipman import TIPMan

TAKEN_OVER = "taken_over"
"""The outcome of the one attempt of a task that was not run in its own run."""
_DONE = "SELECT id, name FROM instance WHERE parent = ? AND state = 'succeeded'"
_RETURNED = (
    "SELECT i.id, t.options, a.result FROM instance AS i JOIN task AS t ON t.id = i.id"
    " JOIN attempt AS a ON a.instance = i.id AND a.number = i.attempt"
    " WHERE i.state = 'succeeded' AND i.id IN (??)"
)
_INDEX = re.compile(r"\[(\d+)\]\Z")


class Legacy(NamedTuple):
    """What succeeded in the other run, and its result as JSON text."""

    id: bytes
    result: str


def take_over(
    steps: Steps,
    submission: Submission,
    place: tuple[bytes | None, bytes | None],
    legacy: Legacy,
    actor: str,
    directory: TIPMan,
) -> None:
    """Stage a task that has succeeded already; it counts as open until it takes its step.

    *place* is run and parent. Nobody who waits for it is told: they count it when they come.
    """
    task: Task = submission.task
    draft = Instance(submission.instance, task, submission.arguments, directory.now, INITIAL)
    draft.run, draft.parent = place
    draft.attempt = 1
    directory.registry.opened(draft.namespace)
    directory.add(draft, submission.row, known_ids(submission))
    directory.close_attempt(draft, TAKEN_OVER, legacy.result, None)
    step = must_move(draft, "task.submitted", Verdict.TAKE)
    data = f'{{"verdict":"take","origin":"{text_of(legacy.id)}"}}'
    steps.advance(directory, draft, step, "task.submitted", data, actor)


def known_ids(submission: Submission) -> list[bytes]:
    """Return the ids of what a task depends on."""
    return [each for each in submission.dependencies if isinstance(each, bytes)]


def items_done(origin: bytes | None, directory: TIPMan) -> Mapping[int, bytes]:
    """Return the items of a map that have succeeded, by their places; none of no map."""
    if origin is None:
        return {}
    rows = directory.database.fetch(_DONE, (origin,))
    places = ((bytes(row[0]), _INDEX.search(row[1])) for row in rows)
    return {int(found[1]): item for item, found in places if found is not None}


def legacies(
    done: Mapping[int, bytes], values: Sequence[Json], places: Iterable[int], directory: TIPMan
) -> dict[int, Legacy]:
    """Return what is taken over of these places: items that were done for the same value."""
    wanted = {done[place]: place for place in places if place in done}
    if not wanted:
        return {}
    found = {}
    for row in directory.database.fetch_in(_RETURNED, list(wanted)):
        item = bytes(row[0])
        place = wanted[item]
        if _value_of(row) == dumps(values[place]):
            found[place] = Legacy(item, directory.database.values.whole(row[2]))
    return found


def _value_of(row: Row) -> str:
    return dumps(parsed(row[1])["item"]["value"])
