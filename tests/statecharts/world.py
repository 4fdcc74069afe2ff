"""A world for charts to live in: sessions, queues, timers and children under a virtual clock.

Test support. Everything a world is can be written to JSON text at any step boundary and rebuilt
from it with freshly compiled charts.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tipman.statecharts import (
    CancelInvoke,
    CancelSend,
    Chart,
    ChartError,
    Done,
    Effect,
    Event,
    Forward,
    Invoke,
    Log,
    Send,
    Session,
    Snapshot,
    decode,
    encode,
    load_scxml,
    start,
    step,
    stop,
)

STEPS_MAX = 10_000
PROCESSOR = "http://www.w3.org/TR/scxml/#SCXMLEventProcessor"
SCXML_TYPES = {None, "scxml", "http://www.w3.org/TR/scxml", "http://www.w3.org/TR/scxml/"}


@dataclass
class Actor:
    """One running document."""

    id: str
    document: str
    chart: Chart
    snapshot: Snapshot
    parent: str | None = None
    invoke_id: str | None = None
    queue: list[Event] = field(default_factory=list)
    children: dict[str, str] = field(default_factory=dict)


@dataclass
class Timer:
    """One delayed send."""

    due_s: float
    number: int
    sender: str
    send: Send


class World:
    """All actors, and the time they share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_s = 0.0
        self.count = 0
        self.actors: dict[str, Actor] = {}
        self.timers: list[Timer] = []
        self.effects: list[str] = []
        self.outcome = ""

    @classmethod
    def opened(cls, path: Path) -> "World":
        """Start a document in a world of its own."""
        world = cls(path.parent)
        world.begin(path.read_text(), None, None, None)
        return world

    def run(self, boundary: Callable[["World"], "World"] = lambda world: world) -> "World":
        """Go on until the first document has ended or nothing is left to happen."""
        world = self
        for _ in range(STEPS_MAX):
            world = boundary(world)
            if "s1" not in world.actors or not world.advance():
                return world
        raise AssertionError("the world does not come to rest")

    def advance(self) -> bool:
        """Take one step of one actor, or let time pass to the next timer."""
        for actor in self.actors.values():
            if actor.queue:
                event = actor.queue.pop(0)
                taken = step(
                    actor.chart, actor.snapshot, event, self.session(actor.id, actor.parent)
                )
                actor.snapshot = taken.snapshot
                self.perform(actor, taken.effects)
                # The next actor in turn goes first next time.
                if actor.id in self.actors:
                    self.actors[actor.id] = self.actors.pop(actor.id)
                return True
        if not self.timers:
            return False
        timer = min(self.timers, key=lambda item: (item.due_s, item.number))
        self.timers.remove(timer)
        self.now_s = timer.due_s
        self.deliver(self.actors[timer.sender], timer.send)
        return True

    def begin(
        self, document: str, data: dict | None, parent: str | None, invoke_id: str | None
    ) -> Actor:
        chart = self.load(document)
        self.count += 1
        session = self.session(f"s{self.count}", parent)
        known = {name: value for name, value in (data or {}).items() if name in chart.data_names}
        taken = start(chart, known, session)
        actor = Actor(session.id, document, chart, taken.snapshot, parent, invoke_id)
        self.actors[actor.id] = actor
        self.perform(actor, taken.effects)
        return actor

    def session(self, actor_id: str, parent: str | None) -> Session:
        known = {Session(other).location for other in (*self.actors, actor_id)}
        return Session(actor_id, frozenset(known | ({"#_parent"} if parent else set())))

    def load(self, document: str) -> Chart:
        return load_scxml(document, fetch=self.fetch)

    def fetch(self, source: str) -> str:
        return (self.folder / source.removeprefix("file:")).read_text()

    def perform(self, actor: Actor, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            self.effects.append(f"{self.now_s} {actor.id} {effect}")
            match effect:
                case Send():
                    self.send(actor, effect)
                case CancelSend():
                    self.timers = [
                        item
                        for item in self.timers
                        if (item.sender, item.send.id) != (actor.id, effect.id)
                    ]
                case Invoke():
                    self.invoke(actor, effect)
                case CancelInvoke():
                    self.end(actor.children.pop(effect.id, None))
                case Forward():
                    child = self.actors.get(actor.children.get(effect.invoke_id, ""))
                    if child is not None:
                        child.queue.append(effect.event)
                case Done():
                    self.finish(actor, effect)
                case Log():
                    pass

    def send(self, actor: Actor, send: Send) -> None:
        if send.delay_s > 0:
            self.count += 1
            self.timers.append(Timer(self.now_s + send.delay_s, self.count, actor.id, send))
        else:
            self.deliver(actor, send)

    def deliver(self, sender: Actor, send: Send) -> None:
        receiver = self.reached(sender, send.target)
        if receiver is None:
            sender.queue.append(Event("error.communication", None, "platform", send.id))
            return
        receiver.queue.append(
            Event(
                send.event,
                send.data,
                "external",
                send.id,
                Session(sender.id).location,
                # Document 198 wants the address, 352 the short name; 352 gives its sends a type.
                PROCESSOR if send.type is None else "scxml",
                sender.invoke_id if send.target == "#_parent" else None,
            )
        )

    def reached(self, sender: Actor, target: str | None) -> Actor | None:
        if target is None:
            return sender
        if target == "#_parent":
            return self.actors.get(sender.parent or "")
        if target.startswith("#_scxml_"):
            return self.actors.get(target.removeprefix("#_scxml_"))
        return self.actors.get(sender.children.get(target.removeprefix("#_"), ""))

    def invoke(self, actor: Actor, invoke: Invoke) -> None:
        try:
            child = self.begin(self.invoked(invoke), invoke.arguments, actor.id, invoke.id)
        except (ChartError, OSError):
            actor.queue.append(Event("error.communication", None, "platform"))
            return
        if child.id in self.actors:
            actor.children[invoke.id] = child.id

    def invoked(self, invoke: Invoke) -> str:
        if invoke.type not in SCXML_TYPES:
            raise ChartError(f"nothing invokes {invoke.type}")
        return str(invoke.content) if invoke.source is None else self.fetch(invoke.source)

    def finish(self, actor: Actor, done: Done) -> None:
        self.forget(actor)
        parent = self.actors.get(actor.parent or "")
        if parent is not None:
            name = f"done.invoke.{actor.invoke_id}"
            parent.queue.append(Event(name, done.data, invoke_id=actor.invoke_id))
        if actor.id == "s1":
            self.outcome = actor.chart.configuration(actor.snapshot)

    def end(self, actor_id: str | None) -> None:
        """End an actor from outside: it still leaves its states."""
        actor = self.actors.get(actor_id or "")
        if actor is None:
            return
        actor.parent = None  # who ended it does not want to hear of it any more
        taken = stop(actor.chart, actor.snapshot, self.session(actor.id, None))
        self.perform(actor, taken.effects)
        self.forget(actor)

    def forget(self, actor: Actor) -> None:
        self.actors.pop(actor.id, None)
        self.timers = [item for item in self.timers if item.sender != actor.id]
        for child in list(actor.children.values()):
            self.end(child)

    def freeze(self) -> str:
        """Write the whole world as JSON text."""
        return json.dumps(
            {
                "now_s": self.now_s,
                "count": self.count,
                "effects": self.effects,
                "outcome": self.outcome,
                "timers": [
                    [item.due_s, item.number, item.sender, asdict(item.send)]
                    for item in self.timers
                ],
                "actors": [
                    {
                        "id": actor.id,
                        "document": actor.document,
                        "snapshot": encode(actor.chart, actor.snapshot),
                        "parent": actor.parent,
                        "invoke_id": actor.invoke_id,
                        "queue": [list(event) for event in actor.queue],
                        "children": actor.children,
                    }
                    for actor in self.actors.values()
                ],
            },
            allow_nan=False,
        )

    @classmethod
    def thawed(cls, text: str, folder: Path) -> "World":
        """Rebuild a world, compiling every document anew."""
        written = json.loads(text)
        world = cls(folder)
        world.now_s, world.count = written["now_s"], written["count"]
        world.effects, world.outcome = written["effects"], written["outcome"]
        world.timers = [
            Timer(due_s, number, sender, Send(**send))
            for due_s, number, sender, send in written["timers"]
        ]
        for item in written["actors"]:
            chart = world.load(item["document"])
            world.actors[item["id"]] = Actor(
                item["id"],
                item["document"],
                chart,
                decode(chart, item["snapshot"]),
                item["parent"],
                item["invoke_id"],
                [Event(*event) for event in item["queue"]],
                item["children"],
            )
        return world
