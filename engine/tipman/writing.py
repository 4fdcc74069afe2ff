"""Writing of instances: the rows that a drain made or changed, with a handful of statements.

Each group has the statement with the fewest columns that says all that is new of it.
"""

from collections.abc import Collection, Container, Iterable

from tipman.database import Database
from tipman.instances import PLAIN, Instance, counts_in, plain_run, without_counts
from tipman.models import (
    INSERT_INSTANCE,
    INSERT_PLAIN_INSTANCE,
    INSERT_PLAIN_RUN,
    UPDATE_BUT_DEADLINE,
    UPDATE_COUNTED,
    UPDATE_INSTANCE,
    UPDATE_PLAIN_INSTANCE,
    UPDATE_REARMED,
    UPDATE_WITHIN,
)


class BrokenInvariantError(Exception):
    """A row is not as this engine left it; the engine stops rather than guess."""


def insert_new(database: Database, instances: Iterable[Instance]) -> None:
    """Insert instances that have no row yet."""
    plain, runs, full = [], [], []
    for instance in instances:
        row, rare, schedule = (
            instance.steady() + instance.often(),
            instance.rare(),
            instance.schedule,
        )
        instance.stored_deadline = instance.deadline()
        if rare == PLAIN:
            plain.append(row)
            continue
        instance.stored_rare = rare
        if schedule is not None and rare == plain_run(schedule):
            runs.append((*row, schedule))
        else:
            full.append(row + rare)
    for statement, rows in (
        (INSERT_PLAIN_INSTANCE, plain),
        (INSERT_PLAIN_RUN, runs),
        (INSERT_INSTANCE, full),
    ):
        if rows:
            database.insert(statement, rows)


def update(database: Database, instances: Collection[Instance]) -> None:
    """Update instances that took any step.

    Raises:
        BrokenInvariantError: a row is not as it was left.
    """
    still, counted, plain, full = [], [], [], []
    for instance in instances:
        rare, deadline = instance.rare(), instance.deadline()
        guard = (instance.id, instance.stored_sequence)
        is_still = deadline == instance.stored_deadline
        if rare == instance.stored_rare:
            if is_still:
                still.append(instance.besides() + guard)
            else:
                plain.append(instance.often() + guard)
        elif is_still and without_counts(rare) == without_counts(instance.stored_rare):
            counted.append(instance.besides() + counts_in(rare) + guard)
        else:
            full.append(instance.often() + rare + guard)
        instance.stored_deadline, instance.stored_rare = deadline, rare
    changed = 0
    for statement, rows in (
        (UPDATE_BUT_DEADLINE, still),
        (UPDATE_COUNTED, counted),
        (UPDATE_PLAIN_INSTANCE, plain),
        (UPDATE_INSTANCE, full),
    ):
        if rows:
            changed += database.execute_many(statement, rows)
    _check(changed, len(instances))


def update_within(
    database: Database, instances: Collection[Instance], rearmed: Container[bytes]
) -> None:
    """Update instances that took steps within their state; some are *rearmed*, by their ids.

    Raises:
        BrokenInvariantError: a row is not as it was left.
    """
    still, moved = [], []
    for instance in instances:
        guard = (instance.id, instance.stored_sequence)
        if instance.id in rearmed:
            moved.append(instance.rearmed() + guard)
            instance.stored_deadline = instance.deadline()
        else:
            still.append(instance.within() + guard)
    changed = database.execute_many(UPDATE_WITHIN, still) if still else 0
    changed += database.execute_many(UPDATE_REARMED, moved) if moved else 0
    _check(changed, len(instances))


def _check(changed: int, expected: int) -> None:
    if changed != expected:
        raise BrokenInvariantError("an instance was changed by somebody else")
