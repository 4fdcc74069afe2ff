"""Clients over REST, who know that they may ask again: with the key they asked with before."""

from crash.claims import ACKNOWLEDGED, REFUSED, Sent, Submitted
from crash.clients import REASONS, Client
from tipman.registrar import FIRST_TOKEN

KEYED_SHARE = 0.8
NAMELESS_SHARE = 0.5
"""Of what is sent with an idempotency key: tasks that have no key of their own."""


class RestClient(Client):
    """Plays a script over one connection, which is kept open."""

    def __init__(self, address, *arguments, **options):
        super().__init__(*arguments, **options)
        self._address = address
        self._repeatable = self._claims.repeatable()

    def _connect(self):
        return self._address.connect()

    def _ask_to_submit(self, given, *, call=None):  # noqa: ARG002 - all of it goes as a batch
        label = self._actor()
        repeat = self._repeat(label)
        free = repeat is not None and not any("dependencies" in task for task in given)
        word = "name" if free and self._random.random() < NAMELESS_SHARE else "key"
        batch = tuple({word: f"{label}.{n}", **task} for n, task in enumerate(given))
        question = {"do": "submit", "tasks": batch, "repeat": repeat}
        answer = self._settle(Submitted, question, actor=FIRST_TOKEN, tasks=batch, repeat=repeat)
        if "ok" in answer:
            # A server with a protection taken away may name fewer than there were.
            self._known += zip(answer["ok"], (task["type"] for task in batch), strict=False)

    def _send(self, name, data=None, *, wanted=None):
        found = [i for i, kind in self._known if wanted is None or kind == wanted]
        if found:
            target, repeat = self._random.choice(found), self._repeat(self._actor())
            question = {"reference": target, "name": name, "data": data, "repeat": repeat}
            about = {"id": target, "name": name, "data": data, "repeat": repeat}
            self._settle(Sent, {"do": "send", **question}, actor=FIRST_TOKEN, **about)

    def _repeat(self, label):
        return label if self._random.random() < KEYED_SHARE else None

    def _again(self):
        """Ask once more for what an earlier round asked for, answered or not."""
        if not self._repeatable:
            return
        claim = self._random.choice(self._repeatable)
        with self._claims.alone(claim) as may_be_repeated:
            if may_be_repeated:
                self._repeat_it(claim)

    def _repeat_it(self, claim):
        if isinstance(claim, Submitted):
            answer = self._connection.ask("submit", tasks=claim.tasks, repeat=claim.repeat)
            more = {"ids": tuple(answer.get("ok", ()))}
        else:
            question = {"reference": claim.id, "name": claim.name, "data": claim.data}
            answer = self._connection.ask("send", **question, repeat=claim.repeat)
            more = {}
        if "ok" in answer:
            self._claims.repeated(claim, ACKNOWLEDGED, **more)
        elif answer["refused"] not in REASONS:
            self._claims.unexpected.append(f"{claim} was refused again: {answer}")
        elif answer["refused"] != "unavailable":
            self._claims.repeated(claim, REFUSED)


class PlainClient(RestClient):
    """A client of a server that has no functions: it counts where others call one."""

    def _inline(self, task, args=None, **more):  # noqa: ARG002 - nothing of it is known there
        return {"type": "counter", "arguments": {"name": task}, **more}


SCRIPT = {
    "one": 24,
    "tally": 4,
    "counter": 6,
    "falter": 6,
    "chain": 5,
    "fan": 3,
    "follower": 4,
    "sleep": 4,
    "dawdle": 2,
    "pause": 3,
    "delayed": 4,
    "wait": 3,
    "report": 3,
    "process": 1,
    "cancel": 6,
    "suspend": 5,
    "resume": 5,
    "retry": 5,
    "refused": 1,
    "look": 5,
    "again": 16,
}
PROCESSES = {"one": 80, "process": 4, "assassin": 2, "again": 10, "look": 5}
"""Another script, with a task that kills the server."""
