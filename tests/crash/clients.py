"""Clients: each has a connection, a seeded script, and writes down what it was told."""

import json
import random
import socket
from contextlib import suppress

from crash import tasks
from crash.claims import ACKNOWLEDGED, REFUSED, UNKNOWN, Seen, Sent, Submitted

PATIENCE_S = 60
"""An engine that has not answered by then never will."""


class GoneError(Exception):
    """The engine died before it answered, or did not answer for long."""


class Connection:
    """One connection to the driver; a request is answered, or `GoneError` is raised."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE_S)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise GoneError from error
        self._lines = self._socket.makefile("rwb")

    def ask(self, do, **request):
        """Return the answer as the driver gave it: `{"ok": …}` or `{"refused": …}`."""
        try:
            self._lines.write(json.dumps({"do": do, **request}).encode() + b"\n")
            self._lines.flush()
            line = self._lines.readline()
        except OSError as error:
            raise GoneError from error
        if not line.endswith(b"\n"):
            raise GoneError
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Hang up."""
        # What was not sent is lost with the engine.
        with suppress(OSError):
            self._lines.close()
        self._socket.close()


class Client:
    """Plays one script; a request that is in flight at the kill is unknown for ever."""

    def __init__(self, folder, claims, name, seed, *, known, script):
        self._folder = folder
        self._claims = claims
        self._name = name
        self._random = random.Random(seed)
        self._known = list(known)
        self._script = script
        self._numbers = 0
        self._processes = 0
        self._connection = None

    def play(self, requests):
        """Make so many requests, or as many as the engine lives for."""
        kinds, weights = zip(*self._script.items(), strict=True)
        try:
            self._connection = self._connect()
        except GoneError:
            return
        try:
            for kind in self._random.choices(kinds, weights, k=requests):
                getattr(self, f"_{kind}")()
        except GoneError:
            return
        finally:
            self._connection.close()

    def _connect(self):
        return Connection(self._folder / "socket")

    # Requests.

    def _ask_to_submit(self, given, *, call=None):
        actor = self._actor()
        batch = tuple({"key": f"{actor}.{n}", **task} for n, task in enumerate(given))
        if call is None:
            question = {"do": "submit", "tasks": batch, "actor": actor}
        else:
            question = {"do": "call", "task": call, "keys": [task["key"] for task in batch]}
            actor = "local"
        answer = self._settle(Submitted, question, actor=actor, tasks=batch, at_once=call is None)
        if "ok" in answer:
            self._known += zip(answer["ok"], (task["type"] for task in batch), strict=True)

    def _send(self, name, data=None, *, wanted=None):
        found = [i for i, kind in self._known if wanted is None or kind == wanted]
        if found:
            target, actor = self._random.choice(found), self._actor()
            question = {"do": "send", "reference": target, "name": name, "data": data}
            self._settle(Sent, {**question, "actor": actor}, actor=actor, id=target, name=name)

    def _settle(self, kind, question, **about):
        try:
            answer = self._connection.ask(**question)
        except GoneError:
            self._claims.add(kind(UNKNOWN, **about))
            raise
        if "ok" in answer:
            ids = {"ids": tuple(answer["ok"])} if kind is Submitted else {}
            self._claims.add(kind(ACKNOWLEDGED, **about, **ids))
        else:
            self._claims.add(kind(REFUSED, **about))
            if answer["refused"] not in REASONS:
                self._claims.unexpected.append(f"{question} was refused: {answer}")
        return answer

    def _actor(self):
        self._numbers += 1
        return f"{self._name}-{self._numbers}"

    def _inline(self, task, **more):
        arguments = {"task": task, "args": more.pop("args", {})}
        return {"type": "inline", "arguments": arguments, **more}

    # Scripts.

    def _one(self):
        number = self._random.randrange(1000)
        self._ask_to_submit(
            [self._inline("note", args={"number": number}, priority=self._random.randint(-5, 5))]
        )

    def _burst(self):
        task = self._inline("note")
        self._ask_to_submit([task] * self._random.randint(4, 12), call="note")

    def _tally(self):
        task = self._inline("Tally")
        self._ask_to_submit([task] * self._random.randint(1, 3), call="Tally")

    def _counter(self):
        name = self._random.choice("ab")
        self._ask_to_submit([{"type": "counter", "arguments": {"name": name}}] * 2)

    def _falter(self):
        retry = {
            "attempts_max": 3,
            "delay_s": self._random.choice([0, 0.005, 0.02]),
            "backoff": self._random.choice(["fixed", "linear", "exponential"]),
            "jitter": self._random.choice([0, 0.5]),
        }
        failures = self._random.randint(1, 4)
        self._ask_to_submit([self._inline("falter", args={"failures": failures}, retry=retry)])

    def _chain(self):
        actor = f"{self._name}-{self._numbers + 1}"
        batch = [self._inline("note")]
        for n in range(self._random.randint(2, 5)):
            task = "falter" if self._random.random() < 0.1 else "note"
            args = {"failures": 9} if task == "falter" else {}
            batch.append(self._inline(task, args=args, dependencies=[f"{actor}.{n}"]))
        self._ask_to_submit(batch)

    def _fan(self):
        actor, width = f"{self._name}-{self._numbers + 1}", self._random.randint(2, 6)
        middle = [
            self._inline("note", dependencies=[f"{actor}.0"], queue="narrow") for _ in range(width)
        ]
        last = self._inline("note", dependencies=[f"{actor}.{n + 1}" for n in range(width)])
        self._ask_to_submit([self._inline("note"), *middle, last])

    def _follower(self):
        if self._known:
            before = self._random.choice(self._known)[0]
            self._ask_to_submit([self._inline("note", dependencies=[before])] * 2)

    def _sleep(self):
        duration_s = self._random.uniform(0.001, 0.05)
        self._ask_to_submit([{"type": "sleep", "arguments": {"duration_s": duration_s}}])

    def _dawdle(self):
        on_lost = self._random.choice(["retry", "fail"])
        task = self._inline("dawdle", args={"duration_s": 0.1}, on_lost=on_lost)
        self._ask_to_submit([{**task, "timeout_s": self._random.choice([0.02, 5.0])}])

    def _pause(self):
        self._ask_to_submit([self._inline("pause", args={"duration_s": 0.01})])

    def _delayed(self):
        self._ask_to_submit([self._inline("note", after_s=self._random.uniform(0.001, 0.05))])

    def _wait(self):
        timeout_s = self._random.choice([None, 0.05])
        self._ask_to_submit([{"type": "wait", "arguments": {}, "timeout_s": timeout_s}])

    def _early(self):
        actor = f"{self._name}-{self._numbers + 1}"
        waiting = {"type": "wait", "arguments": {}, "dependencies": [f"{actor}.0"]}
        self._ask_to_submit([self._inline("dawdle", args={"duration_s": 0.02}), waiting])
        self._send("finish.reported", {"id": "early"}, wanted="wait")

    def _report(self):
        name = self._random.choice(["finish.reported", "fail.reported"])
        self._send(name, "as reported", wanted="wait")

    def _process(self):
        self._processes += 1
        if self._processes > PROCESSES_MAX:
            return
        env = {"MARKS": str(self._folder / "marks")}
        kind, arguments = self._random.choice(
            [
                ("exec", tasks.SHELL_MARK),
                ("exec", tasks.GRANDCHILDREN),
                ("exec", tasks.GRANDCHILDREN),
                ("eval", tasks.PYTHON_MARK),
            ]
        )
        self._ask_to_submit([{"type": kind, "arguments": arguments, "env": env}])

    def _assassin(self):
        env = {"MARKS": str(self._folder / "marks")}
        self._ask_to_submit([{"type": "exec", "arguments": tasks.ASSASSIN, "env": env}])

    def _cancel(self):
        self._send("cancel.requested")

    def _suspend(self):
        self._send("suspend.requested", {"in_flight": self._random.choice(["finish", "stop"])})

    def _resume(self):
        self._send("resume.requested")

    def _retry(self):
        self._send("retry.requested")

    def _refused(self):
        self._ask_to_submit(
            [self._inline("note"), self._inline("note", dependencies=["no-such-key"])]
        )

    def _look(self):
        if self._known:
            target = self._random.choice(self._known)[0]
            view = self._connection.ask("wait", reference=target, timeout_s=0.02)["ok"]
            if view["settled"]:
                self._claims.add(Seen(view["id"], view["state"], view["attempt"]))


REASONS = frozenset({"conflict", "unknown_dependency", "unavailable"})
"""Why a request of the script may be refused; unavailable is an engine that is stopping."""
PROCESSES_MAX = 2
"""A client starts no more of them a round: each costs more than a hundred other tasks."""
SCRIPT = {
    "one": 20,
    "burst": 6,
    "tally": 6,
    "counter": 8,
    "falter": 8,
    "chain": 8,
    "fan": 8,
    "follower": 6,
    "sleep": 4,
    "dawdle": 3,
    "pause": 3,
    "delayed": 4,
    "wait": 5,
    "early": 4,
    "report": 6,
    "process": 2,
    "cancel": 5,
    "suspend": 5,
    "resume": 5,
    "retry": 5,
    "refused": 1,
    "look": 8,
}
PROCESSES = {"one": 10, "process": 4, "assassin": 1, "look": 5}
"""Another script, with a task that kills the engine."""
