"""The versions of what runs here."""

import json

import click
from tipman.version import VERSION

from tipman_api.outlet import standard_output


@click.command
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def version(*, as_json: bool) -> None:
    """Print the versions of Tipman and of what it stands on."""
    import platform  # noqa: PLC0415 - help does without
    import sqlite3  # noqa: PLC0415 - help does without

    versions = {
        "tipman": VERSION,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    outlet = standard_output()
    for line in (
        [json.dumps(versions, separators=(",", ":"))]
        if as_json
        else map(" ".join, versions.items())
    ):
        outlet.line(line)
    outlet.flush()
