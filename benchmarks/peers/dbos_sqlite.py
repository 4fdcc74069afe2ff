"""DBOS on SQLite: a workflow of steps one after another, and one of steps side by side.

It is given a write-ahead log, as ours has; with its default, a rollback journal, it is slower.
"""

import argparse
import asyncio
import os
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

from dbos import DBOS
from metering import Meter, durability, emit, memory
from sqlalchemy import event
from sqlalchemy.engine import Engine

_connections: list[sqlite3.Connection] = []


@event.listens_for(Engine, "connect")
def _at_connect(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    _connections.append(connection)


@DBOS.step()
def noop(i: int) -> int:
    """Do nothing."""
    return i


@DBOS.step()
async def noop_async(i: int) -> int:
    """Do nothing, on the loop."""
    return i


@DBOS.workflow()
def chain(count: int) -> int:
    """Run *count* steps one after another."""
    for i in range(count):
        noop(i)
    return count


@DBOS.workflow()
async def fan(count: int) -> int:
    """Run *count* steps side by side and wait for them all."""
    await asyncio.gather(*(noop_async(i) for i in range(count)))
    return count


def run(shape: str, count: int) -> None:
    """Run one workflow to its end."""
    if shape == "chain":
        chain(count)
    else:
        asyncio.run(fan(count))


def main() -> None:
    """Run one scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shape", choices=["chain", "fan"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    with TemporaryDirectory(dir=options.data) as folder:
        url = f"sqlite:///{folder}/dbos.db"
        DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR"})
        DBOS.launch()
        chain(3)
        with Meter() as meter:
            run(options.shape, options.count)
        in_force = "+".join(sorted({durability(connection) for connection in _connections}))
        readings = meter.rates(options.count)
        emit("DBOS", "dbos", durability=in_force, **readings, **memory())
    # Its threads would be joined at exit, and they go on.
    os._exit(0)


if __name__ == "__main__":
    main()
