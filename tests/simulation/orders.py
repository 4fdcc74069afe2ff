"""What the clients of a simulation hand in: random tasks of every kind."""

from random import Random

from tipman.clock import MICROSECONDS, rfc3339
from tipman.definitions import Task, Workflow, task_of, workflow_of
from tipman.ids import text_of

QUEUES = ("default", "default", "wide", "narrow")
"""`narrow` alone has slots of its own."""
_TYPES = ("inline", "inline", "sleep", "class", "counter", "wait")
_ARGUMENTS = {
    "inline": {"task": "work", "args": {}},
    "sleep": {"duration_s": 1},
    "counter": {"name": "visits"},
    "wait": {},
}
_URI = "/api/v1/tasks/"


class Orders:
    """Makes tasks that name one another by key, UUID or URI."""

    def __init__(self):
        self._made = 0

    def one(self, random: Random, known: dict[bytes, Task], now_us: int) -> Task:
        """Return one task that may depend on *known* ones."""
        return self._task(random, _references(random, known), now_us)

    def batch(self, random: Random, known: dict[bytes, Task], now_us: int) -> list[Task]:
        """Return tasks without a cycle, in a random order."""
        tasks: list[Task] = []
        for _ in range(random.randint(2, 6)):
            earlier = [task.key for task in tasks]
            among = random.sample(earlier, random.randint(0, min(3, len(earlier))))
            outside = _references(random, known) if random.random() < 0.2 else []
            tasks.append(self._task(random, [*among, *outside], now_us))
        random.shuffle(tasks)
        return tasks

    def calls(self, random: Random, known: dict[bytes, Task], now_us: int) -> tuple[Task, list]:
        """Return a task and the arguments of several calls of it."""
        task = self._task(random, _references(random, known), now_us).beside(key=None)
        return task, [task.arguments] * random.randint(1, 4)

    def workflow(self, random: Random) -> Workflow:
        """Return tasks that see the run's input and one another's results, if these exist."""
        self._made += 1
        tasks = [{"name": "a", "type": "counter", "arguments": {"name": "visits"}}]
        for name in "bcde"[: random.randint(1, 4)]:
            earlier = random.choice(tasks)["name"]
            seen = random.choice(("", "{context.pause}", f"{{results.{earlier}.value}}", "{no}"))
            tasks.append(
                {
                    "name": name,
                    "type": "exec",
                    "arguments": {"argv": ["echo", f"seen {seen}"]},
                    "dependencies": [earlier],
                    "queue": random.choice(QUEUES),
                    **_endings(random),
                }
            )
        random.shuffle(tasks)
        given = {"name": f"flow-{self._made}", "input": {"pause": 2}, "tasks": tasks}
        return workflow_of(given, default_name="flow")

    def refused(self, random: Random, known: dict[bytes, Task], now_us: int) -> list[Task]:
        """Return a batch in which one task can not be taken."""
        tasks = self.batch(random, known, now_us)
        keys = [task.key for task in known.values() if task.key is not None]
        at = random.randrange(len(tasks))
        if keys and random.random() < 0.5:
            tasks = [task.beside(dependencies=()) for task in tasks]
            tasks[at] = tasks[at].beside(key=random.choice(keys))
        else:
            tasks[at] = tasks[at].beside(dependencies=("nobody",))
        return tasks

    def _task(self, random: Random, dependencies: list[str], now_us: int) -> Task:
        self._made += 1
        kind = random.choice(_TYPES)
        type_ = "inline" if kind == "class" else kind
        given = {
            "type": type_,
            "key": f"task-{self._made}",
            "arguments": _ARGUMENTS[type_],
            "dependencies": dependencies,
            "queue": random.choice(QUEUES),
            "priority": random.choice((0, 0, 0, 5, -5)),
            **_timing(random, now_us),
            **_endings(random),
        }
        task = task_of(given)
        return task.with_exclusive("Ledger") if kind == "class" else task


def _timing(random: Random, now_us: int) -> dict[str, object]:
    said: dict[str, object] = {}
    if random.random() < 0.15:
        said["after_s"] = random.choice((0, 0.5, 40))
    if random.random() < 0.1:
        said["due_at"] = rfc3339(now_us + random.randint(-5, 90) * MICROSECONDS)
    if random.random() < 0.3:
        said["timeout_s"] = random.choice((0.001, 2, 45))
    return said


def _endings(random: Random) -> dict[str, object]:
    said: dict[str, object] = {"on_lost": random.choice(("retry", "retry", "fail"))}
    if random.random() < 0.5:
        said["retry"] = {
            "attempts_max": random.randint(1, 4),
            "backoff": random.choice(("fixed", "linear", "exponential")),
            "delay_s": random.choice((0, 0.25, 10)),
            "delay_s_max": random.choice((15, 3600)),
            "jitter": random.choice((0, 0.5, 1)),
            "on": random.choice((["*"], ["exception:ValueError"], ["timeout"])),
        }
    return said


def _references(random: Random, known: dict[bytes, Task]) -> list[str]:
    chosen = random.sample(list(known), min(len(known), random.choice((0, 0, 1, 1, 2))))
    ways = (
        lambda identifier: known[identifier].key or text_of(identifier),
        text_of,
        lambda identifier: _URI + text_of(identifier),
    )
    return [random.choice(ways)(identifier) for identifier in chosen]
