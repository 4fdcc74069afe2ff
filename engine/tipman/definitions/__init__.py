"""Definitions: what a task and a workflow are, once, for files, REST and Python alike.

A mapping becomes a `Task` or a `Workflow`, or an error with everything that is wrong with it. The
shapes are pydantic models, frozen and strict: nothing unknown, nothing converted.
"""

from tipman.definitions.judgement import fill
from tipman.definitions.loading import (
    check_file,
    load_schedules,
    load_workflow,
    read_workflow,
    workflow_from_text,
)
from tipman.definitions.orders import Order, order_of, ordered, with_input
from tipman.definitions.resolution import by_failure, resolved, resolved_tasks
from tipman.definitions.shapes import Retry, Task, TaskType
from tipman.definitions.stencils import Stencil
from tipman.definitions.stored import options_of, task_from_row, unpacked
from tipman.definitions.tasks import bare_call, task_of, tasks_of
from tipman.definitions.workflows import Workflow, workflow_of

__all__ = [
    "Order",
    "Retry",
    "Stencil",
    "Task",
    "TaskType",
    "Workflow",
    "bare_call",
    "by_failure",
    "check_file",
    "fill",
    "load_schedules",
    "load_workflow",
    "options_of",
    "order_of",
    "ordered",
    "read_workflow",
    "resolved",
    "resolved_tasks",
    "task_from_row",
    "task_of",
    "tasks_of",
    "unpacked",
    "with_input",
    "workflow_from_text",
    "workflow_of",
]
