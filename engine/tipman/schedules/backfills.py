"""Backfills: instants of the past that are to be run after all."""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, ValidationError

from tipman.clock import microseconds_of, rfc3339
from tipman.database import Database
from tipman.definitions.faults import faults_of
from tipman.definitions.shapes import Instant, Shape
from tipman.definitions.tasks import refusal
from tipman.errors import Fault, InvalidError
from tipman.schedules.anchors import anchors_of
from tipman.schedules.decisions import Instants

INSTANTS_MAX = 1_000
"""Instants of one backfill; a longer past is filled in parts."""
_LOOKED_AT_MAX = 100_000
_SLOTS = (
    "SELECT s.due_at, s.decision, i.state FROM slot AS s LEFT JOIN instance AS i"
    " ON i.id = s.instance WHERE s.schedule = ? AND s.due_at >= ? AND s.due_at < ?"
    " AND s.manual = 0"
)
_MADE = "SELECT submitted_at FROM instance WHERE id = ?"
_FAILED = frozenset({"failed", "abandoned", "cancelled"})


class BackfillShape(Shape):
    """A backfill as it is asked for."""

    since: Instant
    until: Instant
    what: Literal["missing", "failed", "all"] = "missing"
    order: Literal["forwards", "backwards"] = "forwards"
    concurrency: Annotated[int, Field(ge=1, le=INSTANTS_MAX)] = 1
    dry_run: bool = False


class Backfill(NamedTuple):
    """Which part of the past [*since*, *until*), in µs, and what of it."""

    since: int
    until: int
    what: Literal["missing", "failed", "all"]
    order: Literal["forwards", "backwards"]
    concurrency: int

    def shown(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "since": rfc3339(self.since),
            "until": rfc3339(self.until),
            "what": self.what,
            "order": self.order,
            "concurrency": self.concurrency,
        }


def backfill_of(given: object, now_us: int) -> tuple[Backfill, bool]:
    """Return the backfill that a mapping asks for, and whether nothing is to be run.

    Raises:
        InvalidError: `faults` names everything that is wrong.
    """
    try:
        asked = BackfillShape.model_validate(given)
    except ValidationError as error:
        raise refusal(faults_of(error, BackfillShape)) from None
    since, until = microseconds_of(asked.since), microseconds_of(asked.until)
    faults = []
    if until <= since:
        faults.append(Fault("/until", "must come after since"))
    if until > now_us + 1:
        faults.append(Fault("/until", "must not lie in the future"))
    if faults:
        raise refusal(faults)
    return Backfill(since, until, asked.what, asked.order, asked.concurrency), asked.dry_run


def wanted_instants(
    database: Database, schedule: bytes, instants: Instants, backfill: Backfill
) -> list[int]:
    """Return the instants that a backfill runs, in its order, by the rows there are.

    An instant is missing that no run stands for, whether decided otherwise or never; it is failed
    when the last of its runs to settle did not succeed and none did. Of what was decided so long
    ago that no row is left nobody knows: it is neither.

    Raises:
        InvalidError: there are too many.
    """
    ran, failed = _known(database, schedule, backfill)
    since, until = _forgotten(database, schedule)
    found: list[int] = []
    due, looked_at = instants.next_after(backfill.since - 1), 0
    while due is not None and due < backfill.until:
        looked_at += 1
        if backfill.what == "all" or (
            due not in ran and not since < due <= until
            if backfill.what == "missing"
            else due in failed
        ):
            found.append(due)
        if len(found) > INSTANTS_MAX or looked_at > _LOOKED_AT_MAX:
            detail = f"more than {INSTANTS_MAX:,} instants; fill a longer past in parts"
            raise InvalidError(f"/until: {detail}", (Fault("/until", detail),))
        due = instants.next_after(due)
    return found if backfill.order == "forwards" else found[::-1]


def _forgotten(database: Database, schedule: bytes) -> tuple[int, int]:
    """Return after which instant, and up to which, slots were removed; the same one for none."""
    anchor = anchors_of(database, [schedule]).get(schedule)
    if anchor is None or anchor.slots_until is None:
        return 0, 0
    return int(database.fetch(_MADE, (schedule,))[0][0]), anchor.slots_until


def _known(database: Database, schedule: bytes, backfill: Backfill) -> tuple[set[int], set[int]]:
    """Return the instants that have a run, and those of them of which none went well."""
    ran: set[int] = set()
    well: set[int] = set()
    for due, decision, state in database.fetch(_SLOTS, (schedule, backfill.since, backfill.until)):
        if decision == "run":
            ran.add(due)
            if state not in _FAILED:
                # One that is open may still succeed, of one that was pruned nobody knows.
                well.add(due)
    return ran, ran - well
