"""Indexes of the rows that refer to large values, which are few."""


def up(migrator, db):
    """Make them."""
    for table, column in (("attempt", "result"), ("context", "text")):
        db.execute_sql(
            f"CREATE INDEX {table}_value ON {table} ({column}) WHERE substr({column}, 1, 1) = '@'"
        )
