"""Imports: the jobs of cron as schedules."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from tipman_api.commands.options import Session, client_command, namespace_option
from tipman_api.commands.schedulewords import OVERLAPS, POLICIES, create_all
from tipman_api.crontab import Crontab, Entry, Note, Syntax, read_crontab, schedules_of
from tipman_api.tables import field

BYTES_MAX = 1024 * 1024
PREFIX = "cron-"
_COLUMNS = (field("key"), field("cron"), field("timezone"), field("name"))
_LOCALTIME = Path("/etc/localtime")
_ZONES = "zoneinfo/"
_OF_THE_SYSTEM = ("/etc/crontab", "/etc/cron.d/", "/etc/anacrontab")


@click.command("import")
@click.argument("file", metavar="CRONTAB", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--system", is_flag=True, help="A user stands before each command.")
@click.option("--user", "users", metavar="NAME", multiple=True,
              help="With --system: of this user; the caller's if not set.")  # fmt: skip
@click.option("--timezone", metavar="ZONE", help="Where its times are; this machine's if not set.")
@click.option("--prefix", default=PREFIX, show_default=True, help="How their keys begin.")
@click.option("--overlap", type=click.Choice(OVERLAPS), help="As cron does: allow.")
@click.option("--catch-up", type=click.Choice(POLICIES), help="As cron does: none.")
@click.option("--paused", is_flag=True, help="Add them paused.")
@click.option("--dry-run", is_flag=True, help="Only print what would be added.")
@namespace_option
@client_command
def import_schedules(session: Session, file: Path, **given: Any) -> None:
    """Add a schedule for each entry of a crontab, all or none; `-` reads standard input.

    What can not be carried over is told on standard error, by its line.
    """
    users = given["users"]
    if users and not given["system"]:
        raise click.UsageError("--user needs --system: other crontabs name no users.")
    if not given["system"] and str(file.absolute()).startswith(_OF_THE_SYSTEM):
        raise click.UsageError(f"{file} is a crontab of the system: say --system.")
    syntax = Syntax.SYSTEM if given["system"] else Syntax.USER
    crontab = read_crontab(_text(file), file=str(file), syntax=syntax)
    timezone = given["timezone"] or _zone_here()
    entries, others = _of(crontab.entries, users or (_caller(),))
    bodies = [*schedules_of(entries, prefix=given["prefix"], timezone=timezone, rest=_rest(given))]
    _must_be_right(crontab, entries, bodies)
    made = bodies if given["dry_run"] else create_all(session.client, bodies)
    session.printer.listing(made, _COLUMNS)
    for note in sorted((*crontab.notes, *others, *_of_folders(entries))):
        session.printer.note(f"{file}:{note.line}: {note.detail}")


def _text(file: Path) -> str:
    """Return what a crontab says.

    Raises:
        UsageError: it can not be read.
    """
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as opened:
            data = opened.read(BYTES_MAX + 1)
        if len(data) > BYTES_MAX:
            raise click.UsageError(f"{file} is larger than {BYTES_MAX:,} bytes.")
        return data.decode()
    except OSError as error:
        raise click.UsageError(f"{file} can not be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file} is not UTF-8: byte {error.start + 1}.") from None


def _rest(given: dict[str, Any]) -> dict[str, Any]:
    rest = {name: given[name] for name in ("namespace", "overlap") if given[name] is not None}
    if given["catch_up"] is not None:
        rest["catch_up"] = {"policy": given["catch_up"]}
    return {**rest, "paused": True} if given["paused"] else rest


def _of(entries: Iterable[Entry], users: tuple[str, ...]) -> tuple[list[Entry], list[Note]]:
    """Part entries into those to be added, and those of other users."""
    found: list[Entry] = []
    others: list[Note] = []
    for entry in entries:
        if entry.user is None or entry.user in users:
            found.append(entry)
        else:
            detail = f"left out: of the user `{entry.user}`; all runs as the server's account"
            others.append(Note(entry.line, f"{detail}, which --user {entry.user} accepts"))
    return found, others


def _of_folders(entries: Iterable[Entry]) -> Iterator[Note]:
    for entry in entries:
        if entry.folder is None:
            detail = "cron runs it in the home of its user, this in the folder of the server"
            yield Note(entry.line, f"{detail}; a line such as HOME=/srv says where")
            return


def _must_be_right(crontab: Crontab, entries: list[Entry], bodies: list[dict[str, Any]]) -> None:
    """Refuse what can not be schedules, each fault at its line, before anything is added.

    Raises:
        InvalidFileError: there are such entries.
    """
    from tipman.definitions.timing import check_schedule  # noqa: PLC0415 - help does without
    from tipman.errors import InvalidError  # noqa: PLC0415 - as above
    from tipman.files import InvalidFileError, PlacedFault  # noqa: PLC0415 - as above

    file = crontab.file
    faults = [PlacedFault(file, f.line, f.column, (), f.detail) for f in crontab.faults]
    for entry, body in zip(entries, bodies, strict=True):
        try:
            check_schedule(body)
        except InvalidError as error:
            faults += (
                PlacedFault(file, entry.line, entry.column, (), f"{f.pointer[1:]}: {f.detail}")
                for f in error.faults
            )
    if faults:
        raise InvalidFileError(faults)


def _caller() -> str:
    """Return who calls, by name; a number where the account has none."""
    import pwd  # noqa: PLC0415 - not on every system

    with suppress(KeyError):
        return pwd.getpwuid(os.getuid()).pw_name
    return str(os.getuid())


def _zone_here() -> str:
    """Return the zone that this machine's clock shows.

    Raises:
        UsageError: nothing says which.
    """
    named = os.environ.get("TZ", "").removeprefix(":")
    if named and not named.startswith("/"):
        return named
    with suppress(OSError):
        _, found, zone = str(_LOCALTIME.readlink()).rpartition(_ZONES)
        if found:
            return zone
    with suppress(OSError):
        return Path("/etc/timezone").read_text(encoding="utf-8").strip()
    raise click.UsageError("Nothing here says the time zone: say --timezone.")
