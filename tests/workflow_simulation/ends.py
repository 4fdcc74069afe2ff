"""How attempts end: as `simulation` has it, with results that add to the context."""

import json
from dataclasses import replace
from random import Random

from simulation.executions import Execution, Executions, Number
from simulation.reports import AttemptEnds
from tipman.definitions import Task
from tipman.events import AttemptSucceeded, Report
from workflow_simulation.flows import KEYS


class Ends(AttemptEnds):
    """Makes reports; no two of them leave the same value."""

    def __init__(self):
        super().__init__()
        self.results: dict[Number, str] = {}
        self._made = 0

    def end(
        self, executions: Executions, execution: Execution, task: Task, random: Random
    ) -> Report:
        report = super().end(executions, execution, task, random)
        if isinstance(report, AttemptSucceeded):
            return self._leave(execution, task, report, random)
        return report

    def succeed(self, executions: Executions, execution: Execution, task: Task) -> Report:
        report = super().succeed(executions, execution, task)
        return self._leave(execution, task, report, Random(self._made))

    def _leave(
        self, execution: Execution, task: Task, report: AttemptSucceeded, random: Random
    ) -> Report:
        """Let it leave an object, or now and then another value."""
        result = self._value(random) if task.type == "eval" else None
        if task.type == "eval" and random.random() < 0.8:
            result = {key: self._value(random, key) for key in KEYS if random.random() < 0.4}
        text = json.dumps(result, separators=(",", ":"))
        self.results[execution.number] = text
        told = replace(report, result=text)
        if self.made and self.made[-1] is report:
            self.made[-1] = told
        return told

    def _value(self, random: Random, key: str = "") -> object:
        self._made += 1
        number = self._made
        if key == "n":
            return number
        return random.choice(
            (number, f"v{number}", [number], {"x": number, f"y{number}": [number]})
        )
