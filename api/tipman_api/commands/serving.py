"""Serving: engine and REST in this process."""

import gc
import sys
from typing import Any

import click

from tipman_api.outlet import Outlet


@click.command
@click.option("--host", help="Address to listen on; 127.0.0.1 if not set.")
@click.option("--port", type=click.IntRange(0, 65535), help="8000 if not set; 0 for a free one.")
@click.option("--home", help="Folder for database, token and logs; ./.tipman if not set.")
@click.option("--database", metavar="URL", help="sqlite:///FILE or postgresql://…")
@click.option("--slots", type=click.IntRange(min=1), help="Attempts at once; 16 if not set.")
@click.option(
    "--tasks",
    metavar="MODULE_OR_FILE",
    multiple=True,
    help="Import this first, so that its @task functions can be called. May be repeated.",
)
@click.option(
    "--auth", type=click.Choice(["on", "off"]), default="on", help="Off on loopback only."
)
@click.option("--allow-remote", is_flag=True, help="Listen on other addresses than loopback.")
@click.option(
    "--allowed-host", "allowed_hosts", multiple=True, help="A Host that clients may name."
)
@click.option(
    "--without",
    "types_off",
    metavar="TYPES",
    help="Refuse tasks of these types: some of exec,eval,python.",
)
def serve(**given: Any) -> int:
    """Serve engine and REST on one address, until Ctrl-C."""
    # Nothing that a start makes is garbage, and looking for some takes a sixth of it.
    gc.disable()
    try:
        from tipman_api.serve import serve_command  # noqa: PLC0415 - help needs no server

        # How it ends is not how its one line was read.
        return serve_command(given, Outlet(sys.stdout.buffer))
    finally:
        gc.enable()
