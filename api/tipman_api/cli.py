"""The command line: `tipman run`, `tipman validate`, `tipman version`.

Nothing heavy is imported before a command needs it: help and versions answer at once.
"""

import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import click
from tipman.errors import InvalidError, TipmanError
from tipman.version import VERSION

from tipman_api.exits import ExitCode, exit_code_of
from tipman_api.outlet import keep_standard_streams, standard_output

_FILE = click.Path(path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 99})
@click.version_option(VERSION, prog_name="tipman", message="%(prog)s %(version)s")
def cli() -> None:
    """Run tasks and workflows, and lose none of them."""


class _Parameter(click.ParamType[tuple[str, Any]]):
    """`K=V`, the value as JSON where it is JSON, else as text."""

    name = "K=V"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Any]:
        from tipman.jsontext import loads  # noqa: PLC0415 - only who has a parameter pays for it

        key, equals, text = value.partition("=")
        if not key or not equals:
            self.fail(f"{value!r} is not K=V", param, ctx)
        with suppress(InvalidError):
            return key, loads(text)
        return key, text


@cli.command()
@click.argument("file", type=_FILE, required=False)
@click.option("--input", "input_", type=_FILE, help="Another way to name FILE.")
@click.option("--schema", type=_FILE, help="A JSON Schema that FILE must satisfy as well.")
@click.option(
    "--param",
    "parameters",
    type=_Parameter(),
    multiple=True,
    help="Set a value of the workflow's input; the value is JSON, or else text. May be repeated.",
)
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
    """Run the workflow in FILE (YAML, JSON or TOML) to its end, here, without a server.

    Ends with 0 when every task succeeded or was to be skipped, 1 when one failed, 2 when the
    file is not valid, 3 when there is nothing to resume, 75 when another engine holds the
    database, 130 when it was interrupted.
    """
    named = [path for path in (file, input_) if path is not None]
    if len(named) != 1:
        raise click.UsageError("Name one workflow file, as FILE or with --input.")
    if given["resume"] and given["database"] is None:
        raise click.UsageError("--resume needs the --database in which the run is kept.")
    from tipman_api.session import RunOptions, run_session  # noqa: PLC0415 - see above

    given["parameters"] = dict(given["parameters"])
    is_live = sys.stdout.isatty() and not given["as_json"]
    options = RunOptions(file=named[0], is_live=is_live, **given)
    return run_session(options, standard_output())


@cli.command()
@click.argument("files", type=_FILE, nargs=-1, required=True, metavar="FILE...")
def validate(files: tuple[Path, ...]) -> int:
    """Check workflow files, and name every fault with its place."""
    from tipman.definitions import load_workflow  # noqa: PLC0415 - see above

    outlet = standard_output()
    code = ExitCode.OK
    for file in files:
        try:
            load_workflow(file)
        except InvalidError as error:
            click.echo(str(error), err=True)
            code = ExitCode.INVALID
        else:
            outlet.line(f"{file}: ok")
    outlet.flush()
    return code


@cli.command()
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
def serve(**given: Any) -> int:
    """Serve engine and REST on one address, until Ctrl-C."""
    from tipman_api.serve import serve_command  # noqa: PLC0415 - see above

    return serve_command(given, standard_output())


@cli.command()
def version() -> None:
    """Print the versions of Tipman and of what it stands on."""
    import platform  # noqa: PLC0415 - see above
    import sqlite3  # noqa: PLC0415 - see above

    click.echo(f"tipman {VERSION}")
    click.echo(f"python {platform.python_version()}")
    click.echo(f"sqlite {sqlite3.sqlite_version}")


def main() -> NoReturn:
    """Be the program `tipman`."""
    keep_standard_streams()
    sys.exit(exit_code_of_command(sys.argv[1:]))


def exit_code_of_command(arguments: Sequence[str]) -> int:
    """Run a command to its end: every error becomes words on standard error and a number."""
    try:
        code = cli.main(arguments, prog_name="tipman", standalone_mode=False)
        return int(code or ExitCode.OK)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        # Whoever reads may have stopped reading; nothing must wait for them at exit.
        standard_output().give_up()
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the border: nobody above could do anything with it
        return _failed(error)


def _failed(error: Exception) -> ExitCode:
    if isinstance(error, TipmanError):
        click.echo(_words(error), err=True)
        return exit_code_of(error)
    if isinstance(error, BrokenPipeError):
        standard_output().give_up()
        return ExitCode.FAILED
    if isinstance(error, OSError):
        # What the machine lacks, a current folder say, and no fault of the program.
        click.echo(f"tipman: {error}", err=True)
        return ExitCode.INTERNAL
    trace = "".join(traceback.format_exception(error))
    click.echo(f"tipman: internal fault\n{trace}", err=True)
    return ExitCode.INTERNAL


def _words(error: TipmanError) -> str:
    # A file's faults start with its name and place, which editors look for.
    return str(error) if getattr(error, "placed", None) else f"tipman: {error}"
