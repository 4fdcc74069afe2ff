"""Maintenance: pruning, backups, checks and migrations, by a server or on the database itself."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tipman.errors import InvalidError

from tipman_api.commands.options import API, Session, maintenance_command, settings_of
from tipman_api.exits import ExitCode
from tipman_api.tables import Column, field

if TYPE_CHECKING:
    from tipman.settings import Settings

_PATH = f"{API}/admin"
_CHECKS = (field("state"), field("name"), field("detail"), field("advice"))
_FAULTS = (field("instance"), field("text"))
_ROWS = (Column("what", lambda pair: pair["what"]), Column("rows", lambda pair: pair["rows"]))


@click.command
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Only say what would go.")
@maintenance_command
def prune(session: Session, *, settings: "Settings | None", is_dry_run: bool) -> None:
    """Remove what settled longer ago than is kept.

    The setting retention_days says how long; a line for each table says how many rows went.
    """
    if settings is None:
        told = session.client.post(f"{_PATH}/prune", {"dry_run": is_dry_run}).json
    else:
        from tipman_api.upkeep import prune_at_rest  # noqa: PLC0415 - a server does without

        told = prune_at_rest(settings, is_dry_run=is_dry_run)
    if session.printer.as_json:
        session.printer.answer(told)
        return
    rows = [{"what": what, "rows": count} for what, count in told["rows"].items() if count]
    session.printer.rows(rows, _ROWS)
    if not rows:
        session.printer.note(f"nothing settled before {told['settled_before']} that may go")


@click.command
@click.argument("file", type=click.Path(path_type=Path), required=False, metavar="[FILE]")
@maintenance_command
def backup(session: Session, *, settings: "Settings | None", file: Path | None) -> None:
    """Copy the database to FILE, also while it is served.

    Without FILE into the folder `backups` of the home. Prints the path and the number of bytes.
    """
    if settings is not None:
        from tipman_api.upkeep import back_up_at_rest  # noqa: PLC0415 - a server does without

        told = back_up_at_rest(settings, file)
    else:
        told = _backed_up(session, file)
    session.printer.answer(told, told["path"], told["bytes"])


@click.command
@maintenance_command
def verify(session: Session, *, settings: "Settings | None") -> int:
    """Replay every event log against its state.

    The chain of hashes of each log is followed too. Prints `whole` or how many faults there are,
    how many instances and log entries were looked at, then a line for each fault; ends with 1
    when there is one.
    """
    if settings is None:
        told = session.client.post(f"{_PATH}/verify", None).json
    else:
        from tipman_api.upkeep import verify_at_rest  # noqa: PLC0415 - a server does without

        told = verify_at_rest(settings)
    count = told["faults_found"]
    words = "whole" if told["ok"] else f"{count} fault{'s' * (count != 1)}"
    session.printer.answer(told, words, told["instances"], told["entries"])
    if not session.printer.as_json:
        session.printer.rows(told["faults"], _FAULTS)
    return ExitCode.OK if told["ok"] else ExitCode.FAILED


@click.command
@maintenance_command
def doctor(session: Session, *, settings: "Settings | None") -> int:
    """Look for what may be wrong, and say what to do about it.

    Prints for each check its state (ok, warning, fault), its name, what was found and what to do;
    ends with 1 when there is a fault.
    """
    if settings is None:
        told = session.client.post(f"{_PATH}/doctor", None).json
    else:
        from tipman_api.upkeep import doctor_at_rest  # noqa: PLC0415 - a server does without

        told = doctor_at_rest(settings)
    if session.printer.as_json:
        session.printer.answer(told)
    else:
        session.printer.listing(told["checks"], _CHECKS)
    return ExitCode.OK if told["ok"] else ExitCode.FAILED


@click.command
@maintenance_command
def migrate(session: Session, *, settings: "Settings | None") -> None:
    """Bring the database to this version, after a backup.

    No server may use it meanwhile. Prints the names of the steps that were taken.
    """
    from tipman_api.upkeep import migrate_at_rest  # noqa: PLC0415 - help does without

    told = migrate_at_rest(settings or settings_of(None, session.directions))
    if session.printer.as_json:
        session.printer.answer(told)
        return
    for name in told["applied"]:
        session.printer.answer({}, name)
    if told["backup"] is not None:
        session.printer.note(f"the database as it was is in {told['backup']['path']}")
    if not told["applied"]:
        session.printer.note("there is nothing to do")


def _backed_up(session: Session, file: Path | None) -> dict[str, Any]:
    """Let the server make a backup, and give it the name that is wanted.

    Raises:
        InvalidError: there is a file of this name, or no such folder.
        NotFoundError: the backup can not be reached from here.
    """
    if file is not None:
        if os.path.lexists(file):
            raise InvalidError(f"{file} is there already; a backup overwrites nothing")
        if not file.absolute().parent.is_dir():
            raise InvalidError(f"there is no folder {file.parent}")
        if not session.directions.destination().address.is_loopback:
            raise InvalidError("the server is on another machine, so name no FILE here")
    told: dict[str, Any] = session.client.post(f"{_PATH}/backup", None).json
    if file is None:
        return told
    from tipman_api.upkeep import hand_over  # noqa: PLC0415 - only who names a file pays for it

    made = Path(told["path"])
    if not made.is_absolute():
        # As the server's home is, which may have been named from another folder.
        made = session.directions.home_folder() / made.parent.name / made.name
    hand_over(made, file)
    return {**told, "path": str(file)}
