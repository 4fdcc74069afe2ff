"""The frontier against a model as plain as can be, over any order of what can happen to it."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tipman.frontier import Entry, Frontier, Group

NAMESPACES = ("a", "b", "c")
QUEUES = ("free", "narrow")
LIMITS = {"narrow": 1}
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("push"),
            st.sampled_from(NAMESPACES),
            st.sampled_from(QUEUES),
            st.integers(-1, 1),
            st.sampled_from((None, None, "x", "y")),
            st.sampled_from(((), (), (1,), (2,), (1, 2))),
        ),
        st.tuples(st.just("remove"), st.integers(0, 30)),
        st.tuples(st.just("end"), st.integers(0, 30)),
        st.tuples(st.just("limit"), st.sampled_from(NAMESPACES), st.sampled_from((None, 1, 2))),
        st.tuples(st.just("start")),
    ),
    max_size=60,
)


class Model:
    """Lists, searched from one end to the other."""

    def __init__(self, slots):
        self.slots = slots
        self.queued, self.running, self.quotas = [], [], {}
        self.turns = {queue: {} for queue in LIMITS}
        """By queue with a limit, when each namespace had its last start there."""
        self.starts = 0

    def may_start(self, entry):
        queues = [other.queue for other in self.running]
        namespaces = [other.namespace for other in self.running]
        marks = {other.exclusive for other in self.running} - {None}
        return (
            len(self.running) < self.slots
            and queues.count(entry.queue) < LIMITS.get(entry.queue, self.slots)
            and namespaces.count(entry.namespace) < self.quotas.get(entry.namespace, self.slots)
            and entry.exclusive not in marks
            and all(self.used(group) < group.limit for group in entry.groups)
        )

    def used(self, group):
        return sum(group in other.groups for other in self.running)

    def startable(self, namespace=None):
        return sorted(
            entry
            for entry in self.queued
            if self.may_start(entry) and namespace in {None, entry.namespace}
        )

    def check_start(self, entry):
        """Say why it was not this one's turn, if it was not."""
        assert self.may_start(entry)
        for other in self.startable(entry.namespace):
            same_queue = other.queue == entry.queue
            if other < entry:
                # Of its own namespace only one that others go before in a narrow queue waits.
                assert not same_queue
                assert other.queue in LIMITS
        if entry.queue in LIMITS:
            waited = self.turns[entry.queue]
            for other in self.startable():
                if other.queue == entry.queue:
                    last = waited.get(other.namespace, 0)
                    assert last >= waited.get(entry.namespace, 0), "who waited longer goes first"

    def start(self, entry):
        self.queued.remove(entry)
        self.running.append(entry)
        self.starts += 1
        if entry.queue in LIMITS:
            self.turns[entry.queue][entry.namespace] = self.starts


def fill(frontier, model):
    """Start all that may start; nothing that may is left."""
    while (entry := frontier.pop()) is not None:
        model.check_start(entry)
        frontier.take(entry, 1)
        model.start(entry)
    assert model.startable() == [], "a slot is free and something could use it"
    for entry in model.queued:
        words = frontier.obstacle(entry.namespace, entry.queue, entry.exclusive, entry.groups)
        assert words != "its turn"


@settings(max_examples=300, deadline=None)
@given(steps=STEPS, slots=st.integers(1, 4))
def test_every_slot_is_used_in_turns_whatever_happens(steps, slots):
    frontier, model = Frontier(slots, LIMITS), Model(slots)
    for number, (what, *rest) in enumerate(steps):
        if what == "push":
            namespace, queue, priority, mark, limits = rest
            mark = None if mark is None else f"{namespace}/{mark}"
            groups = tuple(Group(f"{namespace}/{n}".encode(), n, "run") for n in limits)
            entry = Entry(-priority, number, bytes([number]), queue, mark, namespace, groups)
            frontier.push(entry)
            model.queued.append(entry)
        elif what == "remove" and model.queued:
            entry = model.queued.pop(rest[0] % len(model.queued))
            frontier.remove(entry.instance, entry.queued_at)
        elif what == "end" and model.running:
            entry = model.running.pop(rest[0] % len(model.running))
            frontier.release(entry.instance, 1)
        elif what == "limit":
            namespace, quota = rest
            frontier.limit(namespace, quota)
            model.quotas.pop(namespace, None)
            if quota is not None:
                model.quotas[namespace] = quota
        if what in {"start", "end", "limit"}:
            fill(frontier, model)

    assert len(frontier) == len(model.queued)
    assert frontier.slots_taken == len(model.running)


@settings(max_examples=200, deadline=None)
@given(
    pushed=st.lists(st.tuples(st.sampled_from(NAMESPACES), st.integers(-5, 5)), max_size=80),
    slots=st.integers(1, 3),
)
def test_between_two_starts_of_one_no_other_that_waits_starts_twice(pushed, slots):
    frontier = Frontier(slots, {})
    for number, (namespace, priority) in enumerate(pushed):
        frontier.push(Entry(-priority, number, number.to_bytes(2, "big"), "free", None, namespace))
    waiting = [namespace for namespace, _ in pushed]
    order = []
    while (entry := frontier.pop()) is not None:
        frontier.take(entry, 1)
        frontier.release(entry.instance, 1)
        order.append(entry.namespace)
        waiting.remove(entry.namespace)
        for other in set(waiting):
            since = order[::-1].index(other) if other in order else len(order)
            recent = order[len(order) - since :]
            assert len(recent) == len(set(recent)), (order, other)


def test_queues_that_are_empty_are_forgotten():
    frontier = Frontier(1, {})
    for number in range(1000):
        frontier.push(Entry(0, number, number.to_bytes(2, "big"), str(number), None, "a"))
        entry = frontier.pop()
        frontier.take(entry, 1)
        frontier.release(entry.instance, 1)

    assert len(frontier._heaps["a"]) < 50


def test_a_slot_of_a_run_goes_to_another_queue_where_the_first_ones_is_full():
    frontier, group = Frontier(9, LIMITS), Group(b"run", 1, "run")
    running = Entry(0, 0, b"running", "free", None, "a", (group,))
    stranger = Entry(0, 0, b"stranger", "narrow", None, "a")
    barred = Entry(-5, 1, b"barred", "narrow", None, "a", (group,))
    other = Entry(0, 1, b"other", "free", None, "a", (group,))
    for entry in (running, stranger):
        frontier.push(entry)
        frontier.take(frontier.pop(), 1)
    frontier.push(barred)
    frontier.push(other)
    assert frontier.pop() is None

    frontier.release(b"running", 1)

    assert frontier.pop() == other
