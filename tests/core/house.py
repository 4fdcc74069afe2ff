"""A core without threads, its clock, and an executor that does what a test says."""

from tipman import queries
from tipman.awaits import shared_slots
from tipman.clock import ManualClock
from tipman.core import Core
from tipman.definitions import task_of, workflow_of
from tipman.definitions.contents import kept
from tipman.errors import ConflictError, NotFoundError, UnavailableError
from tipman.events import (
    AttemptFailed,
    AttemptInterrupted,
    AttemptReturned,
    AttemptSucceeded,
    AttemptTimedOut,
    CancelRequested,
    Failure,
    StopReason,
)
from tipman.ids import IdSource
from tipman.jsontext import dumps
from tipman.registrations import WorkflowAdded
from tipman.requests import REQUESTS
from tipman.settings import Durability, Settings
from tipman.submission import Submitter

NODE = "node-1"
ACTOR = "tester"
TYPES = ("inline", "sleep", "counter", "exec", "eval", "python", "http")
PLAIN = {"type": "sleep", "arguments": {"duration_s": 1}}
WAIT = {"type": "wait"}
BOOM = Failure("exception", "boom", "a traceback", ("exception:ValueError", "exception:Exception"))
_NOBODY = bytes(16)


class Hand:
    """Implements the port of the executors: keeps what was started until a test ends it."""

    def __init__(self):
        self.started = []
        """Every attempt, in the order they were started."""
        self.open = {}
        self.stops = []

    def start(self, attempt):
        self.started.append(attempt)
        self.open[attempt.instance] = attempt

    def stop(self, attempt):
        self.stops.append(attempt)

    def close(self):
        self.open.clear()


class House:
    """One database and the engines that live on it, one after the other."""

    def __init__(self, url, types=TYPES, **settings):
        self.url = url
        self._types = types
        self._node = NODE
        self.settings = Settings(durability=Durability.NORMAL, **settings)
        self.clock = ManualClock()
        self.submitter = Submitter(IdSource(lambda: self.clock.wall_us() // 1000))
        self.failure = None
        self.commits = []
        """The log entries of every commit."""
        self._boot()

    def _boot(self):
        self.hand = Hand()
        self.core = Core(
            self.url,
            self.settings,
            self.clock,
            lambda _worker: dict.fromkeys(self._types, lambda: self.hand),
            node=self._node,
        )
        self.core.bus.failed = self._failed
        self.core.committed = self.commits.append
        self.core.recover()
        self.reader = self.core.database.reader()
        self.rest()

    def _failed(self, error):
        self.failure = error

    def crash(self, node=NODE):
        """Lose all that is in memory, and start the next engine on what was committed."""
        self._node = node
        self.core.scheduler.close()
        self.core.database.close()
        self.reader.close()
        self.clock = ManualClock(self.clock.wall_us())
        self._boot()

    def stop(self):
        """Stop in good order, every attempt ended, and start again."""
        self.core.handlers.stop_starting()
        self.core.worker.interrupt(self.settings.grace_s)
        for identifier in list(self.hand.open):
            self.interrupt(identifier, StopReason.INTERRUPTED)
        self.core.bus.close(UnavailableError("the engine has stopped"))
        self.reader.close()
        self.core.close()
        self.clock = ManualClock(self.clock.wall_us())
        self._boot()

    def close(self):
        self.core.scheduler.close()
        self.reader.close()
        self.core.database.close()

    # What moves it.

    def rest(self):
        """Let everything happen that needs neither time nor somebody outside."""
        mark = self.core.bus.publish_nowait(CancelRequested(_NOBODY, ACTOR, None))
        while not mark.is_decided:
            self.core.bus.drain()
        while self.core.bus.drain():
            pass

    def advance(self, seconds):
        """Let time pass, and what falls due happen."""
        self.clock.advance(seconds)
        self.rest()

    def publish(self, *events):
        """Publish events that wait for one another's drain; raise the first's refusal."""
        receipts = [self.core.bus.publish_nowait(event) for event in events]
        self.rest()
        for receipt in receipts:
            receipt.result(0)

    @staticmethod
    def checked(task):
        return task_of(task) if isinstance(task, dict) else task

    def submit(self, *tasks):
        """Submit tasks in one batch; return their ids."""
        event = self.submitter.batch([self.checked(task) for task in tasks], actor=ACTOR)
        self.publish(event)
        return [submission.instance for submission in event.submissions]

    def task(self, **fields):
        """Submit one task; return its id."""
        return self.submit({**PLAIN, **fields})[0]

    def class_task(self, class_name, /, **fields):
        """Submit a task of which one attempt runs at a time; return its id."""
        return self.submit(task_of({**PLAIN, **fields}).with_exclusive(class_name))[0]

    def run(self, *tasks, **workflow):
        """Submit the run of a workflow; return the ids of its tasks by their names."""
        given = workflow_of({**workflow, "tasks": list(tasks)}, default_name="flow")
        event = self.submitter.workflow(given, actor=ACTOR, now_us=self.clock.wall_us())
        self.publish(event)
        return {s.task.name: s.instance for s in event.submissions}

    def register(self, name, *tasks, **workflow):
        """Keep a workflow under a name."""
        given = workflow_of({**workflow, "tasks": list(tasks)}, default_name=name)
        source, content = kept(given)
        self.publish(WorkflowAdded(name, ACTOR, "default", content, source))

    @staticmethod
    def request(name, identifier, data=None):
        return REQUESTS[name](identifier, ACTOR, data)

    def ask(self, name, identifier, data=None):
        self.publish(self.request(name, identifier, data))

    def ask_as(self, actor, name, identifier, data=None):
        self.publish(REQUESTS[name](identifier, actor, data))

    def cancel(self, identifier):
        self.ask("cancel.requested", identifier)

    def suspend(self, identifier, data=None):
        self.ask("suspend.requested", identifier, data)

    def resume(self, identifier):
        self.ask("resume.requested", identifier)

    def retry(self, identifier):
        self.ask("retry.requested", identifier)

    # What the hand reports.

    def report(self, report):
        self.hand.open.pop(report.instance, None)
        self.core.worker.report(report)
        self.rest()

    def succeed(self, identifier, result=None, kept=None):
        self.report(self.success(identifier, result, kept))

    def success(self, identifier, result=None, kept=None):
        return AttemptSucceeded(*self._owner(identifier), dumps(result), kept)

    def fail(self, identifier, failure=BOOM, result=None):
        self.report(AttemptFailed(*self._owner(identifier), failure, result))

    def time_out(self, identifier, *, detached=False):
        self.report(AttemptTimedOut(*self._owner(identifier), detached=detached))

    def interrupt(self, identifier, reason, *, detached=False):
        owner = self._owner(identifier)
        self.report(AttemptInterrupted(*owner, reason, detached=detached))

    def interrupt_cancelled(self, *identifiers):
        """Let attempts end that are being ended, because of a cancel."""
        for identifier in identifiers:
            self.interrupt(identifier, StopReason.CANCELLED)

    def come_back(self, attempt):
        self.report(AttemptReturned(attempt.instance, attempt.attempt, attempt.epoch))

    def _owner(self, identifier):
        effect = self.hand.open[identifier]
        return effect.instance, effect.attempt, effect.epoch

    # What is to be seen.

    def view(self, identifier):
        return queries.task(self.reader, identifier, epoch=self.core.epoch)

    def state(self, identifier):
        return queries.outcome(self.reader, identifier)[0]

    def states(self, *identifiers):
        return [self.state(identifier) for identifier in identifiers]

    def configuration(self, identifier):
        rows = self.reader.fetch("SELECT configuration FROM instance WHERE id = ?", (identifier,))
        return rows[0][0]

    def error(self, identifier):
        return queries.outcome(self.reader, identifier)[2]

    def result(self, identifier):
        return queries.outcome(self.reader, identifier)[1]

    def attempts(self, identifier):
        return queries.attempts(self.reader, identifier)

    def outcomes(self, identifier):
        return [attempt["outcome"] for attempt in self.attempts(identifier)]

    def log(self, identifier):
        return queries.log(self.reader, identifier)

    def names(self, identifier):
        """Return the names of the log lines of one task, oldest first."""
        return [line["name"] for line in self.log(identifier)]

    def explain(self, identifier):
        view = self.view(identifier)
        mark = queries.exclusive_mark(self.reader, identifier)
        groups = shared_slots(self.reader, identifier)
        place = (view["namespace"], view["queue"], mark, groups)
        obstacle = self.core.frontier.obstacle(*place)
        return queries.explain(self.reader, identifier, obstacle)

    def started(self):
        """Return the names of the attempts, in the order they were started."""
        return [attempt.name for attempt in self.hand.started]

    def is_known(self, identifier):
        try:
            self.state(identifier)
        except NotFoundError:
            return False
        return True

    def conflict(self, name, identifier, data=None):
        """Ask for something that must change nothing; return the state the refusal names."""
        before = self.log(identifier)
        try:
            self.ask(name, identifier, data)
        except ConflictError as error:
            assert self.log(identifier) == before, "a refusal leaves no trace"
            return error.state
        raise AssertionError(f"{name} was accepted")
