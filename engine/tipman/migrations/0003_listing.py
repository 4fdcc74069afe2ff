"""Indexes for lists of tasks: what did not go well, and what is in other namespaces.

Partial, so that what goes well in the default namespace pays nothing for them.
"""

_UNSUCCESSFUL = "state IN ('abandoned', 'cancelled', 'failed', 'skipped')"


def up(migrator, db):
    """Create both."""
    db.execute_sql(f"CREATE INDEX instance_unsuccessful ON instance (id) WHERE {_UNSUCCESSFUL}")
    db.execute_sql(
        "CREATE INDEX instance_elsewhere ON instance (namespace, id) WHERE namespace <> 'default'"
    )
