"""A hundred at once under one `Idempotency-Key`: one task, whatever happens to the server."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from crash.driver import Orders
from crash_rest import servers
from crash_rest.wire import PATIENCE_S, Address

REPEATS = 100
TASK = {"name": "once", "type": "sleep", "arguments": {"duration_s": 0}}
OTHER = {**TASK, "arguments": {"duration_s": 1}}
BATCH = {"tasks": [{**TASK, "name": name} for name in ("a", "b", "c")]}


class House:
    """Servers on one folder, one after another."""

    def __init__(self, folder, nest):
        self._folder = folder
        self._nest = nest
        self._address = None

    def start(self, **orders):
        self._address = Address(self._folder)
        self._nest.start(Orders(str(self._folder), **orders))

    def kill(self):
        self._nest.kill()
        self._nest.bury()
        self._address.close()

    def ask(self, *request, **headers):
        with self._address.connect() as connection:
            return connection.request(*request, **headers)

    def ask_at_once(self, *request, **headers):
        gate = threading.Barrier(REPEATS, timeout=PATIENCE_S)

        def ask(_):
            with self._address.connect() as connection:
                gate.wait()
                return connection.request(*request, **headers)

        with ThreadPoolExecutor(REPEATS) as pool:
            return list(pool.map(ask, range(REPEATS)))

    def named(self, name):
        _, page = self.ask("GET", f"/tasks?name={name}")
        return [task["id"] for task in page["items"]]


@pytest.fixture(scope="module")
def nest():
    nest = servers.forking()
    yield nest
    nest.close()


@pytest.fixture
def house(tmp_path, nest):
    house = House(tmp_path, nest)
    yield house
    house.kill()


def ids_of(answers):
    return {tuple(item["id"] for item in body.get("items", [body])) for _, body in answers}


def test_a_hundred_concurrent_repeats_give_one_task(house):
    house.start()

    answers = house.ask_at_once("POST", "/tasks", TASK, idempotency_key="k")

    assert {status for status, _ in answers} == {202}
    assert ids_of(answers) == {tuple(house.named("once"))}


def test_repeats_after_a_crash_give_the_task_of_before(house):
    house.start()
    _, first = house.ask("POST", "/tasks", TASK, idempotency_key="k")
    house.kill()
    house.start()

    answers = house.ask_at_once("POST", "/tasks", TASK, idempotency_key="k")

    assert ids_of(answers) == {(first["id"],)}
    assert house.named("once") == [first["id"]]


def test_concurrent_repeats_of_a_batch_give_its_tasks_once(house):
    house.start()

    answers = house.ask_at_once("POST", "/tasks/batch", BATCH, idempotency_key="k")

    assert ids_of(answers) == {tuple(id_ for name in "abc" for id_ in house.named(name))}


def test_a_repeat_with_another_body_is_refused(house):
    house.start()
    house.ask("POST", "/tasks", TASK, idempotency_key="k")

    status, body = house.ask("POST", "/tasks", OTHER, idempotency_key="k")

    assert (status, body["code"]) == (422, "idempotency_mismatch")
    assert len(house.named("once")) == 1


def test_a_repeat_makes_another_task_where_answers_are_not_kept(house):
    house.start(sabotage="forget_answers")
    house.ask("POST", "/tasks", TASK, idempotency_key="k")

    house.ask_at_once("POST", "/tasks", TASK, idempotency_key="k")

    assert len(house.named("once")) > 1
