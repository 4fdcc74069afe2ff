"""The tail of the event log: every line once and in order, whoever falls behind or goes away."""

import random
import threading
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import pytest
from core.engines import PATIENCE_S, in_thread
from core.house import House
from hypothesis import given, settings
from hypothesis import strategies as st
from tipman import journal
from tipman.errors import InvalidError, UnavailableError
from tipman.events import FinishReported
from tipman.journal import ALL, START, Mark, Wanted, mark_of
from tipman.tail import Batch, Follower, Tail

FOLLOWERS = 3
MOVES = ("submit", "finish", "pass", "step", "pull", "leave", "crash")


class Window:
    """What a tail asks of an engine, on a core without threads."""

    def __init__(self, house):
        self._house = house

    @contextmanager
    def reading(self):
        yield self._house.reader

    def listen(self, listener):
        self._house.core.listeners.append(listener)

    def unlisten(self, listener):
        self._house.core.listeners.remove(listener)


class ClosingWindow(Window):
    """Is an engine that stops while somebody follows."""

    is_closed = False

    def reading(self):
        if self.is_closed:
            raise UnavailableError("the engine is not running")
        return super().reading()


class HastyTail(Tail):
    """Starts live before it has caught up."""

    def since(self, mark):
        found = super().since(mark)
        return list(self._batches) if found is None else found


class ForgetfulBatch(Batch):
    """Gives all of itself, whatever of it was given before."""

    def select(self, wanted, _after):
        return super().select(wanted, START)


class ForgetfulTail(Tail):
    """Does not mind in the middle of which batch somebody was."""

    def _add(self, batch):
        super()._add(ForgetfulBatch(batch.lines, batch.high))


class Client:
    """Follows, goes away with nothing but the text of its cursor, and comes back."""

    def __init__(self, wanted, mark):
        self.wanted = wanted
        self.first = mark
        self.cursor = str(mark)
        self.lines = []
        self.follower = None

    def pull(self, tail, reader, most):
        if self.follower is None:
            self.follower = Follower(tail, self.wanted, mark_of(self.cursor))
        lines = self.follower.recent()
        if lines is None:
            lines = self.follower.read(reader)
        self._take(lines if most is None else lines[:most])
        if most is not None:
            # Only a part arrived before the connection was lost.
            self.leave()
        return lines

    def _take(self, lines):
        self.lines += lines
        if lines:
            self.cursor = str(lines[-1].mark)

    def leave(self):
        self.follower = None

    def catch_up(self, tail, reader):
        before = None
        self.pull(tail, reader, None)
        while before != self.follower.mark:
            before = self.follower.mark
            self.pull(tail, reader, None)


class Stage:
    """A house with a tail whose memory is tiny, and clients of several wishes."""

    def __init__(self, folder, tail=Tail):
        self._kind = tail
        self.house = House(f"sqlite:///{folder}/stage.db", slots=4)
        self.open_tail()
        self.tasks = self.house.submit({"type": "wait"})
        self.clients = [
            Client(ALL, START),
            Client(Wanted(names=frozenset({"task.settled", "task.queued"})), START),
            Client(ALL, journal.newest(self.house.reader)),
        ]

    def open_tail(self):
        self.tail = self._kind(Window(self.house), lambda: None, lines_max=6)
        self.tail.open()
        for client in getattr(self, "clients", ()):
            client.leave()

    def do(self, move, number):
        house = self.house
        client = self.clients[number % len(self.clients)]
        match move:
            case "submit":
                self.tasks += house.submit(*[{"type": "wait"}] * (number % 4 + 1))
            case "finish" if self.tasks:
                task = self.tasks.pop(number % len(self.tasks))
                house.publish(FinishReported(task, "tester", number))
            case "pass":
                house.task()
            case "step":
                self.tail.step()
            case "pull":
                client.pull(self.tail, house.reader, None)
            case "leave":
                client.pull(self.tail, house.reader, number % 3)
            case "crash":
                house.crash()
                self.open_tail()

    def run(self, moves):
        for move, number in moves:
            self.do(move, number)
        while self.tail.step():
            pass
        for client in self.clients:
            client.catch_up(self.tail, self.house.reader)

    def is_true(self):
        """Compare what every client was given with what the database has."""
        return all(
            [line.mark for line in client.lines] == expected(self.house.reader, client)
            for client in self.clients
        )


def expected(reader, client):
    """Return the marks of all lines that a client is to get, read in another way."""
    rows = reader.fetch(
        "SELECT position, name, announced FROM log_entry WHERE position > ? ORDER BY position",
        (client.first.position,),
    )
    lines = [(Mark(position, 0), name) for position, name, _ in rows]
    lines += [(Mark(position, 1), label) for position, _, label in rows if label is not None]
    names = client.wanted.names
    return [mark for mark, name in sorted(lines) if not names or name in names]


moves = st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 20)), max_size=40)


@given(moves)
@settings(max_examples=60, deadline=None)
def test_everybody_gets_each_line_once_and_in_order_in_every_interleaving(moves):
    with TemporaryDirectory() as folder:
        stage = Stage(folder)

        stage.run(moves)

        assert stage.is_true()
        stage.house.close()


def chance(seed):
    source = random.Random(seed)
    return [(source.choice(MOVES), source.randrange(20)) for _ in range(60)]


def test_a_tail_that_starts_live_before_it_has_caught_up_loses_lines(tmp_path):
    stage = Stage(tmp_path, HastyTail)

    stage.run(chance(1))

    assert not stage.is_true()
    stage.house.close()


def test_a_tail_that_forgets_where_somebody_was_doubles_lines(tmp_path):
    stage = Stage(tmp_path, ForgetfulTail)

    stage.run(chance(1))

    assert not stage.is_true()
    stage.house.close()


def test_a_mark_is_written_and_read_back():
    assert [str(mark_of(text)) for text in ("0", "7", "7.1")] == ["0", "7", "7.1"]


@pytest.mark.parametrize("text", ["", "-1", "1.", "1.10", "٣", "99999999999999999999", "1 ", "x"])
def test_what_is_no_mark_is_refused(text):
    with pytest.raises(InvalidError):
        mark_of(text)


def test_each_number_of_one_log_is_a_place_in_the_journal(house):
    task = house.task()
    lines = journal.read(house.reader, Wanted(instance=task), START).lines

    marks = [journal.mark_in(house.reader, task, line.sequence) for line in lines]

    assert marks == [line.mark for line in lines]
    assert [line.sequence for line in lines] == list(range(1, len(lines) + 1))
    assert journal.mark_in(house.reader, task, 0) == START
    with pytest.raises(InvalidError):
        journal.mark_in(house.reader, task, len(lines) + 1)


def test_each_filter_leaves_what_it_says(house):
    wait, sleep = house.submit({"type": "wait", "name": "w"}, {"type": "wait", "name": "s"})
    house.advance(5)
    house.publish(FinishReported(wait, "tester", None))

    def names(**wanted):
        return [line.name for line in journal.read(house.reader, Wanted(**wanted), START).lines]

    assert names(instance=wait) == house.names(wait)
    assert names(names=frozenset({"task.settled"})) == ["task.settled"]
    assert names(namespace="elsewhere") == names(kind="run") == []
    assert names(namespace="default", kind="task") == names()
    later = house.clock.wall_us()
    assert names(since_us=later) == house.names(wait)[-2:]
    assert names(since_us=later + 1) == []
    assert sleep not in {line.instance for line in _all(house, instance=wait)}


def _all(house, **wanted):
    return journal.read(house.reader, Wanted(**wanted), START).lines


def test_a_rare_filter_looks_through_the_log_in_parts(house):
    house.submit(*[{"type": "wait"}] * 20)
    wanted, mark, pages = Wanted(kind="none"), START, 0

    while True:
        page = journal.read(house.reader, wanted, mark, window=5)
        mark, pages = page.mark, pages + 1
        if page.is_last:
            break

    assert (pages, mark) == (4, journal.newest(house.reader))


def test_a_page_ends_where_a_line_was_asked_for(house):
    house.submit(*[{"type": "wait"}] * 5)
    everything = _all(house)
    found, mark = [], START

    while mark < journal.newest(house.reader):
        page = journal.read(house.reader, ALL, mark, limit=1)
        found += page.lines
        mark = page.mark
        assert len(page.lines) <= 1

    assert found == everything


def test_long_data_comes_whole_and_a_page_of_it_is_bounded(house):
    words = [letter * (journal.PAGE_TEXT_MAX // 4) for letter in "abcdef"]
    tasks = house.submit(*[{"type": "wait"}] * len(words))
    pages, mark = [], journal.newest(house.reader)

    for task, word in zip(tasks, words, strict=True):
        house.ask("fail.reported", task, word)
    while not pages or not pages[-1].is_last:
        pages.append(journal.read(house.reader, ALL, mark))
        mark = pages[-1].mark

    lines = [line for page in pages for line in page.lines]
    assert len(pages) == 2
    assert [word in line.data for line, word in zip(lines[::2], words, strict=True)] == [True] * 6


def test_memory_keeps_the_newest_lines_only(house):
    tail = Tail(Window(house), lambda: None, lines_max=10)
    tail.open()
    first = journal.newest(house.reader)

    for _ in range(30):
        house.task()
        tail.step()

    assert tail.since(first) is None
    assert sum(len(batch.lines) for batch in tail._batches) <= 10
    assert tail.since(journal.newest(house.reader)) == ()


# With threads.


class Crowd:
    """Clients of running engines, one after the other, cut off at random and coming back."""

    def __init__(self, size):
        self._chance = random.Random(size)
        self.clients = [Client(ALL, START) for _ in range(size)]

    def follow(self, engine, lines):
        """Let everybody follow until each has been given so many lines in all."""
        news = threading.Event()
        tail = Tail(engine, news.set, lines_max=500)
        tail.start()
        while not all(len(client.lines) >= lines for client in self.clients):
            news.clear()
            with engine.reading() as reader:
                moved = [self._pull(client, tail, reader) for client in self.clients]
            if not any(moved):
                assert news.wait(PATIENCE_S), "the news never came"
        tail.close()
        for client in self.clients:
            client.leave()

    def _pull(self, client, tail, reader):
        if client.follower is not None and self._chance.random() < 0.3:
            # Slow for a while: memory may leave it behind.
            return True
        mark = client.follower and client.follower.mark
        most = self._chance.randrange(200) if self._chance.random() < 0.3 else None
        return (
            bool(client.pull(tail, reader, most))
            or client.follower is None
            or (client.follower.mark != mark)
        )


def test_twenty_who_come_and_go_get_ten_thousand_events_once_across_a_restart(shop):
    crowd = Crowd(20)
    tasks, lines_a_task = 1_000, 5
    for half in (1, 2):
        engine = shop.start()
        lines = half * tasks * lines_a_task
        with in_thread(crowd.follow, engine, lines):
            for number in range(tasks):
                engine.submit_nowait(shop.echo, value=number)
        engine.close()

    with shop.start().reading() as reader:
        for client in crowd.clients:
            assert [line.mark for line in client.lines] == expected(reader, client)
            assert len(client.lines) == 2 * tasks * lines_a_task


def test_a_tail_ends_with_its_engine_and_says_so(house, caplog):
    window = ClosingWindow(house)
    ended = threading.Event()
    tail = Tail(window, lambda: tail.has_ended and ended.set())
    tail.start()
    follower = Follower(tail, ALL, START)

    window.is_closed = True
    house.task()

    assert ended.wait(PATIENCE_S)
    assert follower.has_ended
    assert "the engine is not running" in caplog.text
    tail.close()
