"""The tasks of a workflow with what it says of all of them, as they are submitted."""

from tipman.definitions.shapes import Task
from tipman.definitions.workflows import EVERY_KEY, Workflow


def resolved_tasks(workflow: Workflow) -> tuple[Task, ...]:
    """Return the tasks of a workflow, each with what the workflow says of it in its own options.

    So whoever runs a task need not look at its run. `on_failure` governs the tasks without a rule
    of their own: with `continue` their rule is `all_settled`, with `block` they wait for somebody
    where they would be skipped; what `fail_fast` does besides is the run's own affair.
    """
    return tuple(resolved(task, workflow) for task in workflow.tasks)


def resolved(task: Task, workflow: Workflow) -> Task:
    """Return one task with what a workflow says of it; also one that is added to a run later."""
    changes: dict[str, object] = {}
    policy = workflow.merge
    if policy:
        changes["merge"] = policy[EVERY_KEY] if [*policy] == [EVERY_KEY] else policy
    if workflow.due_at is not None and (task.due_at is None or task.due_at < workflow.due_at):
        changes["due_at"] = workflow.due_at
    task = by_failure(task, workflow.on_failure)
    return task.beside(**changes) if changes else task


def by_failure(task: Task, on_failure: str) -> Task:
    """Return a task with what becomes of it when one it waits for fails, unless it has a rule."""
    if task.when is not None:
        return task
    if on_failure == "continue":
        return task.beside(when="all_settled")
    return task.beside(on_unmet="block") if on_failure == "block" else task
