"""Time-outs of attempts in a column that no index has; the attempts of before have all ended."""


def up(migrator, db):
    """Add it."""
    db.execute_sql("ALTER TABLE instance ADD COLUMN times_out_at BIGINT")
