"""Workflow files: run here without a server, or only checked."""

import sys
from pathlib import Path
from typing import Any

import click
from tipman.errors import InvalidError

from tipman_api.commands.parameterwords import parameter_option
from tipman_api.exits import ExitCode
from tipman_api.outlet import say, standard_output

_FILE = click.Path(path_type=Path)


@click.command
@click.argument("file", type=_FILE, required=False)
@click.option("--input", "input_", type=_FILE, help="Another way to name FILE.")
@click.option("--schema", type=_FILE, help="A JSON Schema that FILE must satisfy as well.")
@parameter_option
@click.option(
    "--slots", type=click.IntRange(min=1), help="Attempts that may run at once; 64 if not set."
)
@click.option(
    "--database",
    metavar="URL",
    help="Keep the state in this database (sqlite:///FILE or postgresql://…), not in a"
    " temporary folder.",
)
@click.option("--resume", is_flag=True, help="Go on with this workflow's newest open run.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
def run(file: Path | None, input_: Path | None, **given: Any) -> int:
    """Run the workflow in FILE to its end, without a server.

    FILE is YAML, JSON or TOML.

    Ends with 0 when every task succeeded or was to be skipped, 1 when one failed, 2 when the
    file is not valid, 3 when there is nothing to resume, 75 when another engine holds the
    database, 130 when it was interrupted.
    """
    named = [path for path in (file, input_) if path is not None]
    if len(named) != 1:
        raise click.UsageError("Name one workflow file, as FILE or with --input.")
    if given["resume"] and given["database"] is None:
        raise click.UsageError("--resume needs the --database in which the run is kept.")
    from tipman_api.session import RunOptions, run_session  # noqa: PLC0415 - only who calls it pays for it

    given["parameters"] = dict(given["parameters"])
    is_live = sys.stdout.isatty() and not given["as_json"]
    options = RunOptions(file=named[0], is_live=is_live, **given)
    return run_session(options, standard_output())


@click.command
@click.argument("files", type=_FILE, nargs=-1, required=True, metavar="FILE...")
def validate(files: tuple[Path, ...]) -> int:
    """Check workflow and schedule files, and name every fault."""
    from tipman.definitions import check_file  # noqa: PLC0415 - only who calls it pays for it

    outlet = standard_output()
    code = ExitCode.OK
    for file in files:
        try:
            notes = check_file(file)
        except InvalidError as error:
            say(str(error))
            code = ExitCode.INVALID
        else:
            for note in notes:
                say(f"{note} (only a note)")
            outlet.line(f"{file}: ok")
    outlet.flush()
    return code
