"""Where schedules stand, in the rows of their instances, which every decision changes anyway."""

_MOVED = """
UPDATE instance SET
    started_at = (SELECT decided_until FROM schedule WHERE schedule.id = instance.id),
    queued_at = (SELECT next_at FROM schedule WHERE schedule.id = instance.id),
    attempt = (SELECT runs FROM schedule WHERE schedule.id = instance.id)
WHERE id IN (SELECT id FROM schedule)
"""


def up(migrator, db):
    """Carry it over, and drop the columns that had it."""
    db.execute_sql(_MOVED)
    for column in ("decided_until", "next_at", "runs"):
        migrator.migrate(migrator.drop_column("schedule", column))
