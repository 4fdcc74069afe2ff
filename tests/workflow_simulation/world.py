"""The world of one run: that of `simulation`, with workflows in it."""

from random import Random
from typing import Any

from simulation import world
from simulation.executions import Execution
from simulation.violation import ViolationError
from tipman.definitions import workflow_of
from tipman.definitions.growth import added_tasks, attachments_of
from tipman.errors import ConflictError, TipmanError, UnavailableError
from tipman.events import Event, TasksSubmitted
from tipman.receipts import Receipt
from tipman.run_events import DependenciesAdded
from tipman.runs.beginnings import kept_of
from workflow_simulation.judge import Judge
from workflow_simulation.members import Flow
from workflow_simulation.reference import above

ACTOR = "simulation"
TYPES = ("sleep", "eval")


class World(world.World):
    """One database file and the engines that live on it, one after the other."""

    types = TYPES
    audit: Judge

    def make_audit(self) -> Judge:
        return Judge(self.plan, self.handed_in)

    def submit_run(self, given: dict[str, Any]) -> None:
        """Hand in a run of a workflow."""
        event = self.submitter.workflow(
            workflow_of(given, default_name="flow"), actor=ACTOR, now_us=self.clock.wall_us()
        )
        self.audit.givens[given["name"]] = given
        self.publish(event)

    def add_tasks(self, flow: Flow, tasks: list[dict[str, Any]]) -> None:
        """Ask for more tasks of a run."""
        kept = kept_of(self.core.database, flow.id)
        flow.added |= {task["name"]: task for task in tasks}
        self.publish(self.submitter.addition(flow.id, added_tasks(tasks, kept.said), actor=ACTOR))

    def add_dependency(self, flow: Flow, task: str, need: str | dict[str, str]) -> None:
        """Ask that a task of a run waits for one more, as a file would say it."""
        wanted = [{"task": task, "dependencies": [need]}]
        self.publish(DependenciesAdded(flow.id, attachments_of(wanted), ACTOR))

    def end_attempt(self, execution: Execution, random: Random) -> None:
        self.audit.look_at(execution, self.core.database)
        super().end_attempt(execution, random)

    def succeed(self, execution: Execution) -> None:
        self.audit.look_at(execution, self.core.database)
        super().succeed(execution)

    def _answered(self, event: Event, receipt: Receipt) -> None:
        try:
            receipt.result()
        except UnavailableError:
            return
        except ConflictError:
            self.audit.refused(event)
            return
        except TipmanError as error:
            if isinstance(event, DependenciesAdded) and self._is_impossible(event):
                self.audit.refused(event)
                return
            if event.instance in self.audit.members or isinstance(event, TasksSubmitted):
                raise ViolationError(f"{event.wire} was refused: {error}") from error
            return
        if isinstance(event, TasksSubmitted):
            self.tasks[event.run.row[0]] = event.submissions[0].task
        else:
            self.audit.acknowledged(event)

    def _is_impossible(self, event: DependenciesAdded) -> bool:
        """Tell whether a dependency is there already, or closes a circle, by what is known."""
        self.audit.ledger.read(self.core.database)
        graph = self.audit.flows[event.instance].graph
        ((task, dependency, _),) = event.edges
        is_there = dependency in {need.task for need in graph[task].needs}
        return is_there or task == dependency or task in above(graph, dependency)
