"""The world of one run: that of `simulation`, with workflows in it."""

from random import Random
from typing import Any

from simulation import world
from simulation.executions import Execution
from simulation.violation import ViolationError
from tipman.bus import Receipt
from tipman.definitions import workflow_of
from tipman.errors import ConflictError, TipmanError, UnavailableError
from tipman.events import Event, TasksSubmitted
from workflow_simulation.judge import Judge

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
            if event.instance in self.audit.members or isinstance(event, TasksSubmitted):
                raise ViolationError(f"{event.wire} was refused: {error}") from error
            return
        if isinstance(event, TasksSubmitted):
            self.tasks[event.run.row[0]] = event.submissions[0].task
        else:
            self.audit.acknowledged(event)
