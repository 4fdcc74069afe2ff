"""Worlds in which one protection is switched off; the judge must notice each."""

from simulation.controls import Forgetful
from tipman.handlers.admission import admission
from workflow_simulation.world import World


class RulesTooEarly(World):
    """A rule is evaluated as soon as one dependency has settled, as if it were the last."""

    def recover(self):
        def weighed(_event, instance, counts, directory):
            return admission(
                instance, directory.task_of(instance), directory, counts=(0, counts[1])
            )

        self.core.handlers.waiting._weighed = weighed
        super().recover()


class LosingDecrements(World):
    """One end in ten is never told to whom it concerns."""

    def recover(self):
        self.core.directory.raised = Forgetful()
        super().recover()


class ForgettingSlotsOfRuns(World):
    """After a crash nobody knows any more which tasks share the slots of a run."""

    def recover(self):
        push = self.core.frontier.push
        self.core.frontier.push = lambda entry: push(entry._replace(groups=()))
        super().recover()
        self.core.frontier.push = push


class LateDependenciesUncounted(World):
    """A dependency that is added after it has settled is waited for all the same."""

    def recover(self):
        growing = self.core.handlers.growing
        attach = growing._attach

        def attach_in_vain(task, needs, *rest):
            attach(task, needs, *rest)
            task.dependencies_remaining += sum(each.is_settled for each in needs)

        growing._attach = attach_in_vain
        super().recover()


ALL = (RulesTooEarly, LosingDecrements, LateDependenciesUncounted, ForgettingSlotsOfRuns)
