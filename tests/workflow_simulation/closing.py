"""How runs end: what undoes their work, in the order that was promised, and then their hooks."""

from simulation.violation import ViolationError
from workflow_simulation.members import Flow, Member

_HOOK = "hooks."
_UNDO = ".undo"
_MOMENTS = {"succeeded": {"succeeded", "settled"}, "failed": {"failed", "settled"}}


class Closing:
    """Judges the tasks that runs start themselves."""

    def reopen(self, flow: Flow) -> None:
        """Begin a new opening, which has hooks of its own."""
        flow.earlier_hooks += flow.hooks
        flow.hooks = []
        flow.was_cancelled = flow.was_late = flow.was_failing = False

    def begin(self, flow: Flow, member: Member, where: str) -> None:
        """Judge a task that a run starts."""
        if flow.open:
            raise ViolationError(f"{where}, and there are open nodes: {flow.open}")
        if member.born.name.startswith(_HOOK):
            self._begin_hook(flow, member, where)
        elif member.born.name.endswith(_UNDO):
            self._begin_undoing(flow, member, where)
        else:
            raise ViolationError(f"{where}: is no hook and undoes nothing")

    @staticmethod
    def _begin_hook(flow: Flow, member: Member, where: str) -> None:
        if any(other.born.name == member.born.name for other in flow.hooks):
            raise ViolationError(f"{where}: runs twice in one opening")
        if left := [undo.born.name for undo in flow.undoing if not undo.is_settled]:
            raise ViolationError(f"{where}, and there is something to undo: {left}")
        flow.hooks.append(member)

    @staticmethod
    def _begin_undoing(flow: Flow, member: Member, where: str) -> None:
        """Take note of what will undo something; all of it is handed in at once, in its order."""
        if any(not hook.is_settled for hook in flow.hooks):
            raise ViolationError(f"{where}, beside hooks")
        done = [undo.born.name for undo in flow.undoing if _counts(undo)]
        if member.born.name in done:
            raise ViolationError(f"{where}: was undone before")
        wanted = [name for name in to_undo(flow) if name not in done]
        if wanted[:1] != [member.born.name]:
            raise ViolationError(f"{where}, and the order is {wanted}")
        flow.undoing.append(member)

    @staticmethod
    def start(flow: Flow, member: Member, where: str) -> None:
        """Judge the start of a task that undoes something: one after the other."""
        if member not in flow.undoing:
            return
        before = flow.undoing[: flow.undoing.index(member)]
        if left := [undo.born.name for undo in before if not undo.is_settled]:
            raise ViolationError(f"{where}, before {left}")

    @staticmethod
    def end(flow: Flow, where: str) -> None:
        """Judge a run that has settled."""
        state = flow.run.state
        given = flow.given.get("hooks", {})
        wanted = {moment for moment in _MOMENTS.get(state, {"settled"}) if moment in given}
        ran = {hook.born.name.removeprefix(_HOOK) for hook in flow.hooks}
        if ran != wanted:
            raise ViolationError(f"{where}: {state}, and its hooks were {ran}, not {wanted}")
        missing = {*to_undo(flow)} - {undo.born.name for undo in flow.undoing}
        if state != "succeeded" and missing:
            raise ViolationError(f"{where}: {state}, and {missing} were left undone")


def _counts(undo: Member) -> bool:
    """Tell whether it has undone something, or will have; else that may be tried in vain again."""
    return undo.state == "succeeded" or not undo.is_settled


def to_undo(flow: Flow) -> list[str]:
    """Return the names of what undoes the work that succeeded, the latest first."""
    by_id = {node.born.id: node for node in flow.nodes.values()}
    done = (by_id[i] for i in reversed(flow.ended) if by_id[i].state == "succeeded")
    tasks = [*flow.given["tasks"], *flow.added.values()]
    undoable = {task["name"] for task in tasks if "compensate" in task}
    return [f"{node.born.name}{_UNDO}" for node in done if node.born.name in undoable]
