"""What tasks begin, items and runs: nothing is left behind, and it counts as they say."""

from collections.abc import Mapping, Sequence

from simulation.violation import ViolationError
from workflow_simulation.members import Flow, Member
from workflow_simulation.reference import FAILED, SETTLED


def check_map(map_: Member, items: Mapping[int, Member]) -> None:
    """Judge a map when nothing moves.

    Raises:
        ViolationError: it stands otherwise than its items.
    """
    arguments = map_.born.task.arguments
    where = f"map {map_.born.name} is {map_.state}"
    open_ = [item.born.name for item in items.values() if not item.is_settled]
    if map_.is_settled and open_:
        raise ViolationError(f"{where}, and open are {open_}")
    if map_.state == "awaiting" and not open_:
        raise ViolationError(f"{where}, and none of its items is open")
    if map_.state != "succeeded":
        return
    if [*sorted(items)] != [*range(len(arguments["over"]))]:
        raise ViolationError(f"{where}, and its items are {sorted(items)}")
    failed = sum(item.state in FAILED for item in items.values())
    if failed > _allowed(arguments.get("failures_max", 0), len(items)):
        raise ViolationError(f"{where}, and {failed} of its items failed")


def check_caller(task: Member, runs: Sequence[Flow]) -> None:
    """Judge a task whose work a run does, when nothing moves.

    Raises:
        ViolationError: it stands otherwise than its run.
    """
    states = [flow.run.state for flow in runs]
    where = f"{task.born.name} is {task.state}, and its runs are {states}"
    open_ = [state for state in states if state not in SETTLED]
    if task.is_settled and open_:
        raise ViolationError(f"{where}: one is an orphan")
    if len(open_) > 1:
        raise ViolationError(f"{where}: that is one too many")
    if task.state == "awaiting" and not open_:
        raise ViolationError(f"{where}: it waits for nothing")
    if task.state == "succeeded" and "succeeded" not in states:
        raise ViolationError(where)


def _allowed(failures_max: int | str, items: int) -> int:
    if isinstance(failures_max, int):
        return failures_max
    return items * int(failures_max.removesuffix("%")) // 100
