"""The command line: the program `tipman`, and the border where every error becomes a number.

Nothing heavy is imported before a command needs it: help and versions answer at once.
"""

import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

import click
from tipman.errors import TipmanError
from tipman.version import VERSION

from tipman_api.exits import ExitCode, exit_code_of
from tipman_api.outlet import has_lost, keep_standard_streams, say, standard_output
from tipman_api.program import Program

_NO_THREAD = "can't start new thread"
"""What Python says of it, in an error of no class of its own."""


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 99},
)
@click.version_option(VERSION, prog_name="tipman", message="%(prog)s %(version)s")
def cli() -> None:
    """Run tasks and workflows, and lose none of them."""


def main() -> NoReturn:
    """Be the program `tipman`."""
    keep_standard_streams()
    code = exit_code_of_command(sys.argv[1:])
    sys.exit(ExitCode.OUTPUT_LOST if code == ExitCode.OK and has_lost() else code)


def exit_code_of_command(arguments: Sequence[str]) -> int:
    """Run a command to its end: every error becomes words on standard error and a number."""
    try:
        code = cli.main(arguments, prog_name="tipman", standalone_mode=False)
        return int(code or ExitCode.OK)
    except click.ClickException as error:
        with suppress(OSError):
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
        say(_words(error))
        return exit_code_of(error)
    if isinstance(error, BrokenPipeError):
        standard_output().give_up()
        return ExitCode.FAILED
    lack = _lack(error)
    if lack is not None:
        say(f"tipman: {lack}")
        return ExitCode.INTERNAL
    trace = "".join(traceback.format_exception(error))
    say(f"tipman: internal fault\n{trace}")
    return ExitCode.INTERNAL


def _lack(error: Exception) -> str | None:
    """Return what the machine lacks, None where the program is at fault."""
    if isinstance(error, MemoryError):
        return "the system gives no more memory"
    if str(error) == _NO_THREAD:
        return "the system gives no more threads"
    if isinstance(error, FileNotFoundError) and error.filename is None:
        return "the current folder is gone"
    return str(error) if isinstance(error, OSError) else None


def _words(error: TipmanError) -> str:
    # A file's faults start with its name and place, which editors look for.
    return str(error) if getattr(error, "placed", None) else f"tipman: {error}"
