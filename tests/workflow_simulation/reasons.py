"""What is said of whoever has not settled: whom it waits for, and that this is so."""

from simulation.violation import ViolationError
from tipman import queries
from tipman.database import Database
from tipman.ids import text_of
from tipman.resources import URI
from tipman.runs.views import waits_of
from workflow_simulation.members import Flow, Member
from workflow_simulation.reference import FAILED

_LOOKED_AT_MAX = 8
_OTHERS_WORK = {"map": "task", "workflow": "run"}
_KINDS = {
    "waiting": {"task"},
    "awaiting": {"event"},
    "queued": {"slot"},
    "delayed": {"timer"},
    "backing_off": {"timer"},
    "running": {"attempt"},
    "suspended": {"event"},
}


def check_reasons(flow: Flow, members: dict[bytes, Member], database: Database) -> None:
    """Check what is said of a run that has not settled, and of some of its nodes.

    Raises:
        ViolationError: somebody waits for nothing, or it is not said what for.
    """
    told = waits_of(database, flow.id, limit=_LOOKED_AT_MAX)
    named = {identifier for identifier, _ in told.tasks}
    blocked = [node for node in flow.nodes.values() if node.state == "blocked"]
    if missing := [n.born.name for n in blocked[:_LOOKED_AT_MAX] if n.born.id not in named]:
        raise ViolationError(f"nobody is told that {missing} are blocked: {told}")
    if not told.tasks and not told.reasons:
        raise ViolationError(f"run {text_of(flow.id)} is {told.state}, and nobody says why")
    for identifier in named:
        _check_reason(members[identifier], members, database)


def _check_reason(member: Member, members: dict[bytes, Member], database: Database) -> None:
    reasons = queries.explain(database, member.born.id, "a slot")["waiting_for"]
    where = f"{member.born.name} is {member.state}, and waits for {reasons}"
    uris = [reason["uri"] for reason in reasons if reason["kind"] == "task"]
    ends = {URI + text_of(d): members[d] for d in member.told}
    if member.state == "waiting" and member.is_node:
        wanted = {uri for uri, other in ends.items() if not other.is_settled}
        if not uris or not {*uris} <= wanted:
            raise ViolationError(f"{where}, not for {wanted}")
    elif member.state == "blocked":
        wanted = {uri for uri, other in ends.items() if other.state in FAILED}
        if not uris or not {*uris} <= wanted:
            raise ViolationError(f"{where}, not for {wanted}")
    elif {reason["kind"] for reason in reasons} - {"rule"} != _kinds(member):
        raise ViolationError(where)


def _kinds(member: Member) -> set[str]:
    if member.state == "awaiting" and member.born.task.type in _OTHERS_WORK:
        return {_OTHERS_WORK[member.born.task.type]}
    return _KINDS[member.state]
