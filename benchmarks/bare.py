"""A bare program of FastAPI, uvicorn and Peewee: against it the start of ours is measured."""

import argparse
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from peewee import SqliteDatabase


def serve(app: Callable[..., Any]) -> None:
    """Serve on a free port, say which, until a signal."""
    # Said to be TCP, or asyncio leaves Nagle's delay on: answers of two writes wait 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    print(f"serves http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, http="httptools", log_level="error", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


def main() -> None:
    """Open a database with a table in it, and serve one endpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    options = parser.parse_args()
    options.home.mkdir(exist_ok=True)
    database = SqliteDatabase(options.home / "bare.db", pragmas={"journal_mode": "wal"})
    database.connect()
    database.execute_sql("CREATE TABLE IF NOT EXISTS row (id INTEGER PRIMARY KEY, text TEXT)")
    app = FastAPI()

    @app.get("/livez")
    async def show_liveness() -> Response:
        return Response("ok\n", media_type="text/plain")

    serve(app)


if __name__ == "__main__":
    main()
