"""Recovery: what a start finds in the rows of the engines before it.

There is no second mechanism: the attempts of a dead engine are reported lost to the same charts
by the same events, what was queued goes into the frontier, and internal events that were left
over are taken up. All of it happens before anything new is accepted.
"""

from tipman.bus import Bus
from tipman.database import Database
from tipman.events import AttemptLost
from tipman.frontier import Entry, Frontier
from tipman.handlers.running import groups_of
from tipman.receipts import Receipt
from tipman.tipman import TIPMan


def recover(
    database: Database, bus: Bus, directory: TIPMan, frontier: Frontier, *, node: str, epoch: int
) -> list[Receipt]:
    """Bring the rows and the frontier to where a living engine has them.

    Returns a receipt for each attempt that was lost. The caller drains the bus until they are
    decided.
    """
    restore_frontier(database, directory, frontier)
    bus.restore()
    orphaned = "SELECT id, attempt, epoch FROM instance WHERE settled_at IS NULL"
    orphaned += " AND state = 'running' AND epoch <> ?"
    parameters: tuple[int | str, ...] = (epoch,)
    if not database.is_sqlite:
        # Other nodes live on the same database; on a file the lock proves that all others died.
        orphaned += " AND epoch IN (SELECT number FROM epoch WHERE node = ?)"
        parameters = (epoch, node)
    # Put in order here: asked to, SQLite goes through all that ever lived, in the order of ids.
    lost = sorted(database.fetch(orphaned, parameters))
    return bus.publish_many(
        AttemptLost(bytes(identifier), attempt, owner) for identifier, attempt, owner in lost
    )


def restore_frontier(database: Database, directory: TIPMan, frontier: Frontier) -> None:
    """Queue again what the rows say is queued."""
    rows = database.fetch(
        "SELECT i.id, i.queued_at, t.queue, t.priority, t.exclusive, i.namespace,"
        " coalesce(i.run, i.parent)"
        " FROM instance AS i JOIN task AS t ON t.id = i.id"
        " WHERE i.state = 'queued' AND i.settled_at IS NULL"
    )
    directory.prefetch(bytes(row[0]) for row in rows if row[-1] is not None)
    for row in rows:
        identifier, queued_at, queue, priority, mark, namespace, whole = row
        instance = bytes(identifier)
        groups = () if whole is None else groups_of(directory.load(instance), directory)
        frontier.push(Entry(-priority, queued_at, instance, queue, mark, namespace, groups))
