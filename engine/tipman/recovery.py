"""Recovery: what a start finds in the rows of the engines before it.

There is no second mechanism: the attempts of a dead engine are reported lost to the same charts
by the same events, what was queued goes into the frontier, and internal events that were left
over are taken up. All of it happens before anything new is accepted.
"""

from tipman.bus import Bus
from tipman.database import Database
from tipman.events import AttemptLost
from tipman.frontier import Entry, Frontier


def recover(database: Database, bus: Bus, frontier: Frontier, *, node: str, epoch: int) -> int:
    """Bring the rows and the frontier to where a living engine has them.

    Returns how many attempts were lost. The caller drains the bus afterwards.
    """
    restore_frontier(database, frontier)
    bus.restore()
    lost = database.fetch(
        "SELECT id, attempt, epoch FROM instance"
        " WHERE state = 'running' AND settled_at IS NULL AND epoch <> ?"
        " AND epoch IN (SELECT number FROM epoch WHERE node = ?) ORDER BY id",
        (epoch, node),
    )
    for identifier, attempt, owner in lost:
        bus.report(AttemptLost(bytes(identifier), attempt, owner))
    return len(lost)


def restore_frontier(database: Database, frontier: Frontier) -> None:
    """Queue again what the rows say is queued."""
    rows = database.fetch(
        "SELECT i.id, i.queued_at, t.queue, t.priority, t.exclusive FROM instance AS i"
        " JOIN task AS t ON t.id = i.id WHERE i.state = 'queued' AND i.settled_at IS NULL"
    )
    for identifier, queued_at, queue, priority, exclusive in rows:
        frontier.push(Entry(-priority, queued_at, bytes(identifier), queue, exclusive))
