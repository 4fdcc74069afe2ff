"""Outlook: the context of tasks as people are shown it, worked out from committed rows.

A task shows what it passes on, and while it is open what it sees of what has settled before it.
"""

from collections.abc import Collection, Sequence
from json.encoder import encode_basestring as quoted

from tipman.context import Context, values_of
from tipman.database import Database
from tipman.jsontext import dumps
from tipman.lineage import ADDING, Lineage, Source
from tipman.resources import TaskRow

NOTHING = "{}"
_OF_RUNS = (
    "SELECT r.id, r.input, c.instance FROM workflow_run AS r"
    " LEFT JOIN context AS c ON c.instance = r.id WHERE r.id IN (??)"
)


def contexts_of(
    database: Database, rows: Sequence[TaskRow], waiting: Collection[bytes]
) -> dict[bytes, str]:
    """Return contexts as JSON texts by task, of those that have any.

    *waiting* are the tasks that depend on others.
    """
    found, looked_up = {}, []
    runs = _runs(database, rows)
    for row in rows:
        given, has_any = runs.get(row.run or b"", (NOTHING, True))
        if not has_any:
            found[row.id] = given
        elif _stands_alone(row, waiting):
            found[row.id] = _alone(row)
        elif may_have_any(row, waiting):
            looked_up.append(row.id)
    if looked_up:
        lineage = Lineage(Source(database), database)
        found.update({each: _text(lineage.passed_on(each)) for each in looked_up})
    return found


def _runs(database: Database, rows: Sequence[TaskRow]) -> dict[bytes, tuple[str, bool]]:
    """Return of runs their inputs, and whether one of their tasks has added anything."""
    runs = list({row.run for row in rows if row.run is not None})
    if not runs:
        return {}
    found = database.fetch_in(_OF_RUNS, runs)
    return {bytes(run): (given, has_any is not None) for run, given, has_any in found}


def may_have_any(row: TaskRow, waiting: Collection[bytes]) -> bool:
    """Tell whether a task may have a context, by its row; *waiting* depend on others."""
    if row.run is not None or row.id in waiting:
        return True
    if row.state != "succeeded":
        return False
    return row.type == "exec" or (row.type in ADDING and row.result not in {None, "null"})


def _stands_alone(row: TaskRow, waiting: Collection[bytes]) -> bool:
    """Tell whether a task has nothing before it, and all that it adds in its row."""
    is_alone = row.run is None and row.parent is None and row.id not in waiting
    return is_alone and row.type in ADDING


def _alone(row: TaskRow) -> str:
    """Return the context of a task that nothing stands before: what it has returned."""
    if row.state != "succeeded" or row.result is None or row.result == "null":
        return NOTHING
    return row.result if row.result[0] == "{" else f"{{{quoted(row.name)}:{row.result}}}"


def _text(context: Context) -> str:
    return dumps(values_of(context)) if context else NOTHING
